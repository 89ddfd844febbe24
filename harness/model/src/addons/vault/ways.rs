//! Ways round a role of Vault: other accounts, other tokens, and what was given out before.

use std::collections::BTreeSet;

use super::rules::{VaultRole, login_tokens, written_roles};
use crate::Action;
use crate::ways::{ChangeVerb, HeldControl, TriedStep, WayRound, always};

pub(super) static WAYS: &[WayRound] = &[
    // developer.hashicorp.com, "Kubernetes auth method (API)": `bound_service_account_namespaces`.
    WayRound {
        name: "account-in-any-namespace",
        kinds: &[],
        about: "a user makes a ServiceAccount of that name in another namespace",
        is_open: |control| has_role(control, |role| is_any(role, BOUND_NAMESPACES)),
        is_tried: |_, steps| {
            let mut elsewhere = steps.iter().filter(|step| step.step.namespace.is_some());
            elsewhere.any(|step| {
                step.changes()
                    .contains(&(ChangeVerb::Create, "serviceaccount".to_owned()))
            })
        },
    },
    // The same page: `bound_service_account_names`.
    WayRound {
        name: "any-account-of-the-namespace",
        kinds: &[],
        about: "another ServiceAccount of the same namespace logs in",
        is_open: |control| has_role(control, |role| is_any(role, BOUND_NAMES)),
        is_tried: |_, steps| named_accounts(steps).len() > 1,
    },
    // The same page: `audience`.
    WayRound {
        name: "token-for-another",
        kinds: &[],
        about: "a token that was made for another service logs in",
        is_open: |control| {
            has_role(control, |role| {
                !role.contains_key("audience") && !role.contains_key("bound_audiences")
            })
        },
        is_tried: |_, steps| {
            let tokens: BTreeSet<&str> = login_tokens(steps).into_iter().collect();
            tokens.len() > 1
        },
    },
    // The same page: a role goes by names, whoever has them now.
    WayRound {
        name: "name-used-again",
        kinds: &[],
        about: "the ServiceAccount, or its namespace, is deleted, and another user makes it again",
        is_open: always,
        is_tried: |_, steps| {
            let changes: Vec<(ChangeVerb, String)> =
                steps.iter().flat_map(TriedStep::changes).collect();
            ["serviceaccount", "namespace"].iter().any(|kind| {
                let gone = changes
                    .iter()
                    .position(|one| *one == (ChangeVerb::Delete, (*kind).into()));
                gone.is_some_and(|at| {
                    changes[at..].contains(&(ChangeVerb::Create, "serviceaccount".into()))
                })
            })
        },
    },
    // developer.hashicorp.com, "Tokens", "Token Time-To-Live, Periodic Tokens, and Explicit Max TTLs".
    WayRound {
        name: "renewed-token",
        kinds: &[],
        about: "a token of Vault is used, and renewed, after its owner is gone",
        is_open: |control| has_role(control, |role| !role.contains_key("token_explicit_max_ttl")),
        is_tried: |_, steps| {
            steps.iter().any(|step| match &step.step.action {
                Action::Exec { command, .. } => {
                    let mut words = command.iter();
                    words.any(|word| word == "renew" || word.starts_with("auth/token/renew"))
                }
                _ => false,
            })
        },
    },
];

const BOUND_NAMES: &str = "bound_service_account_names";
const BOUND_NAMESPACES: &str = "bound_service_account_namespaces";

fn has_role(control: &HeldControl<'_>, is_it: fn(&VaultRole) -> bool) -> bool {
    written_roles(&control.steps).values().any(is_it)
}

fn is_any(role: &VaultRole, field: &str) -> bool {
    role.get(field)
        .is_some_and(|names| names.split(',').any(|name| name.trim() == "*"))
}

/// The ServiceAccounts that stores and logins name.
fn named_accounts(steps: &[TriedStep<'_>]) -> BTreeSet<String> {
    let sent = steps.iter().flat_map(|step| &step.sent);
    let refs = sent.filter_map(|object| {
        let auth = &object["spec"]["provider"]["vault"]["auth"]["kubernetes"];
        auth["serviceAccountRef"]["name"].as_str()
    });
    refs.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
