//! Ways round a role: rights that reach further than their words, where a role grants them, and
//! other verbs for the same (kubernetes.io, "Role Based Access Control Good Practices").

use std::collections::BTreeSet;

use serde_json::Value;

use super::object_rules::is_plural;
use super::tried::{ChangeVerb, TriedStep, plain_kind};
use super::{ControlKind, HeldControl, WayRound};
use crate::{Action, POD_MAKERS, makes_pods};

use ControlKind::Rbac;

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

pub(super) static WAYS: &[WayRound] = &[
    // Good practices, "Listing secrets": list and watch show what get shows.
    WayRound {
        name: "other-read-verb",
        kinds: &[Rbac],
        about: "what may not be read by one verb is read by another: get, list, watch",
        is_open: |control| {
            let refused = read_verbs(&control.attacks);
            refused
                .iter()
                .any(|(_, kind)| grants_on(control, &["get", "list", "watch"], kind))
        },
        is_tried: |control, steps| {
            let all = read_verbs(steps);
            let verbs = |kind: &String| all.iter().filter(|(_, one)| one == kind).count();
            read_verbs(&control.attacks)
                .iter()
                .any(|(_, kind)| verbs(kind) > 1)
        },
    },
    // kubernetes.io, "Authorization", "Request verbs": each is granted by itself.
    WayRound {
        name: "other-change-verb",
        kinds: &[Rbac],
        about: "what may not be changed by one verb is changed by another: create, update, patch, delete, deletecollection",
        is_open: |control| {
            let verbs = ["create", "update", "patch", "delete", "deletecollection"];
            let refused = object_changes(&control.attacks);
            refused
                .iter()
                .any(|(_, kind)| grants_on(control, &verbs, kind))
        },
        is_tried: |control, steps| {
            let refused = object_changes(&control.attacks);
            let all: BTreeSet<(ChangeVerb, String)> = object_changes(steps);
            let verbs = |kind: &String| all.iter().filter(|(_, one)| one == kind).count();
            refused.iter().any(|(_, kind)| verbs(kind) > 1)
        },
    },
    // Good practices, "Workload creation".
    WayRound {
        name: "make-a-pod",
        kinds: &[Rbac],
        about: "a pod reads what its maker may not: Secrets, and the tokens of ServiceAccounts",
        is_open: |control| {
            let may_create = |group, plural| grants(&control.rights, &["create"], group, &[plural]);
            may_create("", "pods")
                || POD_MAKERS
                    .iter()
                    .any(|maker| may_create(maker.group, maker.plural))
        },
        is_tried: |_, steps| {
            let makes = |step: &TriedStep<'_>| {
                let mut changes = step.changes().into_iter();
                let is_pod = |kind: &str| kind == "pod" || makes_pods(kind);
                step.step.identity.is_some()
                    && changes.any(|(verb, kind)| verb == ChangeVerb::Create && is_pod(&kind))
            };
            steps.iter().any(makes)
        },
    },
    // kubernetes.io, "Authorization": `pods/exec` is a right of its own.
    WayRound {
        name: "command-in-a-pod",
        kinds: &[Rbac],
        about: "a command in a pod reads what the pod has",
        is_open: |control| {
            grants(
                &control.rights,
                &["create", "get"],
                "",
                &["pods/exec", "pods/attach"],
            )
        },
        is_tried: |_, steps| {
            steps
                .iter()
                .any(|step| matches!(step.step.action, Action::Exec { .. } | Action::AttachPod(_)))
        },
    },
    // Good practices, "Token request".
    WayRound {
        name: "ask-for-a-token",
        kinds: &[Rbac],
        about: "a token is asked for that has more rights",
        is_open: |control| grants(&control.rights, &["create"], "", &["serviceaccounts/token"]),
        is_tried: |_, steps| {
            steps
                .iter()
                .any(|step| matches!(step.step.action, Action::Token { .. }))
        },
    },
    // Good practices, "Impersonate verb".
    WayRound {
        name: "impersonate",
        kinds: &[Rbac],
        about: "the request is made in the name of a user who may",
        is_open: |control| {
            grants(
                &control.rights,
                &["impersonate"],
                "",
                &["users", "groups", "serviceaccounts"],
            )
        },
        is_tried: |_, steps| steps.iter().any(TriedStep::impersonates),
    },
    // Good practices, "Bind verb" and "Escalate verb".
    WayRound {
        name: "grant-to-oneself",
        kinds: &[Rbac],
        about: "a user who may write roles or bindings grants the right to the same user",
        is_open: |control| {
            let roles = [
                "roles",
                "clusterroles",
                "rolebindings",
                "clusterrolebindings",
            ];
            grants(
                &control.rights,
                &["create", "update", "patch", "bind", "escalate"],
                RBAC_GROUP,
                &roles,
            )
        },
        is_tried: |_, steps| {
            let grants = |step: &TriedStep<'_>| {
                let mut changes = step.changes().into_iter();
                step.step.identity.is_some() && changes.any(|(_, kind)| kind.contains("role"))
            };
            steps.iter().any(grants)
        },
    },
    // Good practices, "Access to proxy subresource of Nodes".
    WayRound {
        name: "through-the-kubelet",
        kinds: &[Rbac],
        about: "`nodes/proxy` leads to the kubelet, which does not ask what the user may do",
        is_open: |control| {
            grants(
                &control.cluster_rights,
                &["get", "create"],
                "",
                &["nodes/proxy"],
            )
        },
        is_tried: |_, steps| {
            let is_proxy = |step: &TriedStep<'_>| match &step.step.action {
                Action::Path(path) => path.contains("/proxy"),
                _ => false,
            };
            steps.iter().any(is_proxy)
        },
    },
];

/// Whether a rule grants one of these verbs on one of these resources of a group, by name or by a
/// star.
pub(super) fn grants(rights: &[&Value], verbs: &[&str], group: &str, resources: &[&str]) -> bool {
    let holds = |rule: &Value, key: &str, wanted: &[&str]| {
        let mut all = rule[key].as_array().into_iter().flatten();
        all.any(|one| *one == "*" || wanted.iter().any(|wanted| *one == **wanted))
    };
    rights.iter().any(|rule| {
        holds(rule, "verbs", verbs)
            && holds(rule, "apiGroups", &[group])
            && holds(rule, "resources", resources)
    })
}

/// Whether a role grants one of these verbs on objects of this kind.
fn grants_on(control: &HeldControl<'_>, verbs: &[&str], kind: &str) -> bool {
    control.rights.iter().any(|rule| {
        let named = rule["resources"].as_array().into_iter().flatten();
        let mut named = named.filter_map(Value::as_str);
        let is_it = named.any(|plural| plural == "*" || is_plural(plural, kind));
        is_it && has_verb(rule, verbs)
    })
}

fn has_verb(rule: &Value, verbs: &[&str]) -> bool {
    let mut all = rule["verbs"].as_array().into_iter().flatten();
    all.any(|verb| *verb == "*" || verbs.iter().any(|one| *verb == **one))
}

/// What these steps read, and by which verb; kinds in lower case.
fn read_verbs(steps: &[TriedStep<'_>]) -> BTreeSet<(&'static str, String)> {
    let read = |step: &TriedStep<'_>| match &step.step.action {
        Action::Get(target) if target.subresource.is_none() => Some(("get", plain_kind(target))),
        Action::List {
            resource, watch, ..
        } => {
            let plural = resource.split('.').next().unwrap_or_default();
            let kind = match plural.strip_suffix("ies") {
                Some(stem) => format!("{stem}y"),
                None => plural.trim_end_matches('s').to_owned(),
            };
            Some((if *watch { "watch" } else { "list" }, kind))
        }
        _ => None,
    };
    steps.iter().filter_map(read).collect()
}

/// What these steps change, but for what goes through a subresource.
fn object_changes(steps: &[TriedStep<'_>]) -> BTreeSet<(ChangeVerb, String)> {
    let whole = steps.iter().filter(|step| step.subresource().is_none());
    whole.flat_map(TriedStep::changes).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_star_is_for_the_groups_of_its_rule() {
        let star = json!({"apiGroups": ["apps"], "resources": ["*"], "verbs": ["*"]});
        assert!(grants(&[&star], &["create"], "apps", &["deployments"]));
        assert!(!grants(&[&star], &["get"], "", &["nodes/proxy"]));
        let named = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]});
        assert!(grants(&[&named], &["get", "list"], "", &["pods"]));
        assert!(!grants(&[&named], &["create"], "", &["pods"]));
        assert!(!grants(&[&named], &["get"], "", &["pods/exec"]));
    }
}
