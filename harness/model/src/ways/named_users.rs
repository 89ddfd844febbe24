//! Who asks, and whom the expressions of a policy name.

use serde_json::Value;

use super::HeldControl;
use super::tried::TriedStep;
use crate::system_users::{ACCOUNT_PREFIX, ANONYMOUS_USER, account_groups};
use crate::{ImpersonateHeaders, StepIdentity};

/// Accounts by which controllers make pods (kubernetes 1.36
/// `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go`).
const POD_MAKERS: [&str; 7] = [
    "cronjob-controller",
    "daemon-set-controller",
    "deployment-controller",
    "job-controller",
    "replicaset-controller",
    "replication-controller",
    "statefulset-controller",
];

/// Somebody who asks: his name and his groups.
pub(super) struct AskingUser {
    name: String,
    groups: Vec<String>,
}

/// How an expression names users.
enum UserPattern {
    Exact(String),
    Beginning(String),
    Ending(String),
}

impl UserPattern {
    fn names(&self, user: &AskingUser) -> bool {
        match self {
            Self::Exact(text) => user.name == *text || user.groups.contains(text),
            Self::Beginning(text) => user.name.starts_with(text),
            Self::Ending(text) => user.name.ends_with(text),
        }
    }
}

/// Whether a step is asked by somebody whom the policy takes for another than those who are held
/// off: it names him and not them, or them and not him. Where it makes a workload, its controller
/// asks, too.
pub(super) fn asks_as_exempt(control: &HeldControl<'_>, step: &TriedStep<'_>) -> bool {
    let patterns: Vec<UserPattern> = control
        .objects
        .iter()
        .flat_map(|one| patterns_in(one))
        .collect();
    let is_named = |user: &AskingUser| patterns.iter().any(|pattern| pattern.names(user));
    let held_off = control.attacks.iter().map(asking_user);
    let held_off: Vec<bool> = held_off.map(|user| is_named(&user)).collect();
    let by_controllers = step.is_workload().then(|| POD_MAKERS.map(controller));
    let own = step.step.identity.is_some().then(|| asking_user(step));
    let users = own.into_iter().chain(by_controllers.into_iter().flatten());
    users
        .map(|user| is_named(&user))
        .any(|named| held_off.contains(&!named))
}

fn asking_user(step: &TriedStep<'_>) -> AskingUser {
    let acting = |headers: &ImpersonateHeaders| known_user(&headers.user, &headers.groups);
    match &step.step.identity {
        Some(
            StepIdentity::User {
                impersonate: Some(headers),
                ..
            }
            | StepIdentity::Serviceaccount {
                impersonate: Some(headers),
                ..
            },
        ) => acting(headers),
        Some(StepIdentity::User { name, groups, .. }) => known_user(name, groups),
        Some(StepIdentity::Serviceaccount {
            name, namespace, ..
        }) => account_user(namespace.as_deref().unwrap_or("$(namespace)"), name),
        Some(StepIdentity::Anonymous) => known_user(ANONYMOUS_USER, &[]),
        None => known_user("the administrator", &["system:masters".to_owned()]),
    }
}

fn known_user(name: &str, groups: &[String]) -> AskingUser {
    AskingUser {
        name: name.to_owned(),
        groups: groups.to_vec(),
    }
}

fn account_user(namespace: &str, name: &str) -> AskingUser {
    AskingUser {
        name: format!("{ACCOUNT_PREFIX}{namespace}:{name}"),
        groups: account_groups(namespace).to_vec(),
    }
}

fn controller(name: &str) -> AskingUser {
    account_user("kube-system", name)
}

/// The users that the expressions of an object name: texts in quotes, in those that ask who asks.
fn patterns_in(value: &Value) -> Vec<UserPattern> {
    match value {
        Value::String(text) if asks_for_user(text) => quoted_patterns(text),
        Value::Array(items) => items.iter().flat_map(patterns_in).collect(),
        Value::Object(fields) => fields.values().flat_map(patterns_in).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Whether an expression asks for the user's name or his groups.
pub(super) fn asks_for_user(expression: &str) -> bool {
    ["request.userInfo.username", "request.userInfo.groups"]
        .iter()
        .any(|field| expression.contains(field))
}

fn quoted_patterns(expression: &str) -> Vec<UserPattern> {
    let mut patterns = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(['\'', '"']) {
        let quote = &rest[start..=start];
        let inner = &rest[start + 1..];
        let Some(end) = inner.find(quote) else { break };
        let (before, text) = (&rest[..start], inner[..end].to_owned());
        patterns.push(if before.ends_with("startsWith(") {
            UserPattern::Beginning(text)
        } else if before.ends_with("endsWith(") {
            UserPattern::Ending(text)
        } else {
            UserPattern::Exact(text)
        });
        rest = &inner[end + 1..];
    }
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_names_users_by_texts_in_quotes() {
        let one = quoted_patterns(
            "request.userInfo.username.startsWith('system:node:') || \"ops\" in request.userInfo.groups",
        );
        let kubelet = known_user("system:node:a", &[]);
        let operator = known_user("jane", &["ops".to_owned()]);
        let names = |user: &AskingUser| one.iter().any(|pattern| pattern.names(user));
        assert!(names(&kubelet) && names(&operator));
        assert!(!names(&known_user("jane", &[])));
        assert!(!names(&known_user("not-system:node:a", &[])));
    }
}
