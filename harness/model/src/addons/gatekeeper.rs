//! Gatekeeper: its kinds and its refusals.
//!
//! The texts are those of Gatekeeper 3.23 (open-policy-agent/gatekeeper `pkg/webhook/policy.go`):
//! HTTP 403, `admission webhook "validation.gatekeeper.sh" denied the request: [CONSTRAINT]
//! MESSAGE`, a line for each constraint. Where it refuses an object of its kinds, no constraint is
//! named.

use serde_json::Value;

use super::is_name;
use crate::kinds::cluster_kind;
use crate::scope::is_ours;
use crate::{
    ANY_KIND, AddonControl, AddonVersion, ComparedKind, KindBarrier, KindIsolation, PolicySubject,
    PureAddon, ReachRule, RefusalPart, WebhookDenial,
};

const ADDON_BARRIER: KindBarrier = KindBarrier::Addon("gatekeeper");

/// Gatekeeper.
pub static ADDON: PureAddon = PureAddon {
    name: "gatekeeper",
    about: "Gatekeeper, its controller and its audit, from the manifest of its release.",
    versions: &[
        AddonVersion {
            version: "3.23.1",
            components: &["gatekeeper-3.23.1"],
        },
        AddonVersion {
            version: "3.17.0",
            components: &["gatekeeper-3.17.0"],
        },
    ],
    part_of: None,
    needs_node: true,
    namespace: Some("gatekeeper-system"),
    asks_registries: false,
    // A template makes the kind of the constraints that follow.
    one_by_one: true,
    second_try: None,
    milestones: &["gatekeeper"],
    kinds: &[
        cluster_kind(
            "templates.gatekeeper.sh",
            "ConstraintTemplate",
            KindIsolation::Name,
            ADDON_BARRIER,
        ),
        cluster_kind(
            "constraints.gatekeeper.sh",
            ANY_KIND,
            KindIsolation::Stated(ReachRule(matches_only_us)),
            ADDON_BARRIER,
        ),
    ],
    without_barrier: &[
        ("config.gatekeeper.sh", "Config"),
        ("connection.gatekeeper.sh", "Connection"),
        ("expansion.gatekeeper.sh", "ExpansionTemplate"),
        ("externaldata.gatekeeper.sh", "Provider"),
        ("mutations.gatekeeper.sh", "Assign"),
        ("mutations.gatekeeper.sh", "AssignImage"),
        ("mutations.gatekeeper.sh", "AssignMetadata"),
        ("mutations.gatekeeper.sh", "ModifySet"),
        ("status.gatekeeper.sh", "ConfigPodStatus"),
        ("status.gatekeeper.sh", "ConnectionPodStatus"),
        ("status.gatekeeper.sh", "ConstraintPodStatus"),
        ("status.gatekeeper.sh", "ConstraintTemplatePodStatus"),
        ("status.gatekeeper.sh", "ExpansionTemplatePodStatus"),
        ("status.gatekeeper.sh", "MutatorPodStatus"),
        ("status.gatekeeper.sh", "ProviderPodStatus"),
        ("syncset.gatekeeper.sh", "SyncSet"),
    ],
    denials: &[WebhookDenial {
        is_webhook: |name| name == "validation.gatekeeper.sh",
        policies: constraints,
        instead: &[],
        about: "Gatekeeper, by the constraint of this name (several with a comma between them).",
    }],
    settle_message: None,
    unserved: None,
    varying_texts: &[],
    control: Some(&AddonControl {
        title: "Gatekeeper",
        groups: &["gatekeeper.sh"],
        subjects: &[PolicySubject::Pods],
        ways: &[],
        engine_ways: &["engine-away"],
        webhook_labels: &[],
        needs_no_object: false,
        compared: &[
            ComparedKind {
                group: "templates.gatekeeper.sh",
                kind: "ConstraintTemplate",
                part: RefusalPart::MakesKinds,
                other_rules: &[],
            },
            ComparedKind {
                group: "constraints.gatekeeper.sh",
                kind: ANY_KIND,
                part: RefusalPart::Refuses,
                other_rules: &[],
            },
        ],
        stops: None,
    }),
    contradicts: None,
    made_policy_prefixes: &[],
};

/// Whether a constraint matches objects of the world's namespaces alone.
fn matches_only_us(constraint: &Value) -> bool {
    let namespaces = constraint["spec"]["match"]["namespaces"].as_array();
    namespaces.is_some_and(|all| !all.is_empty() && all.iter().all(is_ours))
}

/// The constraints that refused, from what follows `denied the request`: a line for each.
fn constraints(rest: &str) -> Vec<&str> {
    let Some(said) = rest.strip_prefix(": ") else {
        return Vec::new();
    };
    let named = said.lines().next().and_then(constraint).is_some();
    let lines = said.lines().filter(|_| named);
    lines.filter_map(constraint).collect()
}

fn constraint(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('[')?.split_once("] ")?;
    is_name(name).then_some(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_constraint_is_named() {
        assert_eq!(
            constraints(": [repos] container <a> has an invalid image repo <b>"),
            ["repos"]
        );
        assert_eq!(constraints(": [a.b] x\nmore of x\n[c] y"), ["a.b", "c"]);
    }

    #[test]
    fn other_words_name_nobody() {
        for rest in [
            ": Invalid kind\n[a] x",
            ": [A b] x",
            ": [] x",
            "[a] x",
            ": [a]x",
        ] {
            assert!(constraints(rest).is_empty(), "{rest}");
        }
    }

    #[test]
    fn a_constraint_is_confined_by_the_namespaces_that_it_names() {
        let with = |matched: Value| matches_only_us(&json!({"spec": {"match": matched}}));
        assert!(with(json!({"namespaces": ["$(namespace)"]})));
        assert!(!with(json!({"namespaces": ["$(namespace)", "prod"]})));
        assert!(
            !with(json!({"namespaces": []}))
                && !with(json!({}))
                && !with(json!({"excludedNamespaces": ["a"]}))
        );
    }
}
