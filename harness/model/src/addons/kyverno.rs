//! Kyverno: its kinds and its refusals.
//!
//! The texts are those of Kyverno 1.19 (kyverno/kyverno `pkg/webhooks/utils/block.go`,
//! `pkg/webhooks/resource/ivpol`), as a cluster answered them: HTTP 400, without a reason.

use serde_json::Value;

use super::is_name;
use crate::kinds::{cluster_kind, stays_in_namespaces};
use crate::scope::{is_ours, selects_only_us};
use crate::{AddonVersion, KindBarrier, KindIsolation, PureAddon, ReachRule, WebhookDenial};

const ADDON_BARRIER: KindBarrier = KindBarrier::Addon("kyverno");
const RULES_ISOLATION: KindIsolation = KindIsolation::Stated(ReachRule(rules_match_only_us));
const CONSTRAINTS_ISOLATION: KindIsolation = KindIsolation::Stated(ReachRule(|policy| {
    let constraints = &policy["spec"]["matchConstraints"];
    selects_only_us(constraints) && stays_in_namespaces(&constraints["resourceRules"])
}));

/// Kyverno.
pub static ADDON: PureAddon = PureAddon {
    name: "kyverno",
    about: "Kyverno's admission controller.",
    versions: &[AddonVersion {
        version: "1.19.1",
        components: &["kyverno-1.19.1"],
    }],
    needs_node: true,
    asks_registries: true,
    one_by_one: false,
    second_try: None,
    milestones: &["kyverno"],
    kinds: &[
        cluster_kind(
            "kyverno.io",
            "ClusterPolicy",
            RULES_ISOLATION,
            ADDON_BARRIER,
        ),
        cluster_kind(
            "kyverno.io",
            "Policy",
            KindIsolation::Namespace,
            ADDON_BARRIER,
        ),
        cluster_kind(
            "policies.kyverno.io",
            "ImageValidatingPolicy",
            CONSTRAINTS_ISOLATION,
            ADDON_BARRIER,
        ),
        cluster_kind(
            "policies.kyverno.io",
            "NamespacedImageValidatingPolicy",
            KindIsolation::Namespace,
            ADDON_BARRIER,
        ),
    ],
    without_barrier: &[
        ("kyverno.io", "CleanupPolicy"),
        ("kyverno.io", "ClusterCleanupPolicy"),
        ("kyverno.io", "GlobalContextEntry"),
        ("kyverno.io", "PolicyException"),
        ("kyverno.io", "UpdateRequest"),
        ("reports.kyverno.io", "ClusterEphemeralReport"),
        ("reports.kyverno.io", "EphemeralReport"),
        ("wgpolicyk8s.io", "ClusterPolicyReport"),
        ("wgpolicyk8s.io", "PolicyReport"),
        ("policies.kyverno.io", "DeletingPolicy"),
        ("policies.kyverno.io", "GeneratingPolicy"),
        ("policies.kyverno.io", "MutatingPolicy"),
        ("policies.kyverno.io", "NamespacedDeletingPolicy"),
        ("policies.kyverno.io", "NamespacedGeneratingPolicy"),
        ("policies.kyverno.io", "NamespacedMutatingPolicy"),
        ("policies.kyverno.io", "NamespacedValidatingPolicy"),
        ("policies.kyverno.io", "PolicyException"),
        ("policies.kyverno.io", "ValidatingPolicy"),
    ],
    denials: &[WebhookDenial {
        is_webhook,
        policies,
        about: "Kyverno, by the policy of this name (several with a comma between them).",
    }],
    settle_message: None,
};

/// What its webhooks for resources are called: `mutate.kyverno.svc-fail`,
/// `validate.kyverno.svc-ignore`, `ivpol.validate.kyverno.svc-fail-finegrained-POLICY`. Those for
/// its own policies end in `.kyverno.svc`.
const WEBHOOK_NAMES: &str = ".kyverno.svc-";

fn is_webhook(name: &str) -> bool {
    let kind = name.split_once(WEBHOOK_NAMES).map(|(kind, _)| kind);
    kind.is_some_and(|kind| {
        ["mutate", "validate"]
            .iter()
            .any(|end| kind.rsplit('.').next() == Some(end))
    })
}

/// The policies that refused, from what follows `denied the request`.
fn policies(rest: &str) -> Vec<&str> {
    let Some(said) = rest.strip_prefix(": ") else {
        return Vec::new();
    };
    let names = match said.strip_prefix("Policy ") {
        Some(named) => first_of(named, &[" failed: ", " error: "])
            .into_iter()
            .collect(),
        None => blocking(said),
    };
    if names.iter().all(|name| is_name(name)) {
        names
    } else {
        Vec::new()
    }
}

/// The policies of a list: what they found stands indented below each.
fn blocking(said: &str) -> Vec<&str> {
    let listed = said
        .strip_prefix("\n\nresource ")
        .and_then(|rest| rest.split_once(" was blocked due to the following policies \n\n"))
        .filter(|(resource, _)| !resource.contains('\n'));
    let lines = listed.into_iter().flat_map(|(_, blocked)| blocked.lines());
    lines
        .filter(|line| !line.is_empty() && !line.starts_with(' '))
        .map(|line| line.strip_suffix(':').unwrap_or_default())
        .collect()
}

fn first_of<'a>(text: &'a str, ends: &[&str]) -> Option<&'a str> {
    ends.iter()
        .filter_map(|end| text.split_once(end))
        .map(|(name, _)| name)
        .min_by_key(|name| name.len())
}

/// Whether each of a policy's rules matches objects of the world's namespaces alone.
fn rules_match_only_us(policy: &Value) -> bool {
    let within = |filter: &Value| {
        let namespaces = filter["resources"]["namespaces"].as_array();
        namespaces.is_some_and(|all| !all.is_empty() && all.iter().all(is_ours))
    };
    let rules = policy["spec"]["rules"].as_array();
    rules.is_some_and(|rules| {
        rules.iter().all(|rule| {
            let list = |name| {
                rule["match"][name]
                    .as_array()
                    .filter(|filters: &&Vec<Value>| !filters.is_empty())
            };
            within(&rule["match"])
                || list("any").is_some_and(|filters| filters.iter().all(within))
                || list("all").is_some_and(|filters| filters.iter().any(within))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{is_webhook, policies};

    fn refusing_policy(rest: &str) -> Option<String> {
        let named = policies(rest);
        (!named.is_empty()).then(|| named.join(", "))
    }

    const BLOCKED: &str = ": \n\nresource Pod/t1/p was blocked due to the following policies \n\n";

    #[test]
    fn its_webhooks_for_resources_are_known() {
        for name in [
            "mutate.kyverno.svc-fail",
            "validate.kyverno.svc-ignore",
            "ivpol.validate.kyverno.svc-fail-finegrained-i1-signed",
            "ivpol.mutate.kyverno.svc-ignore-finegrained-i3-ignore",
        ] {
            assert!(is_webhook(name), "{name}");
        }
        for name in [
            "validate-policy.kyverno.svc",
            "policy.sigstore.dev",
            "kyverno.svc-fail",
            "a.kyverno.svc-fail",
        ] {
            assert!(!is_webhook(name), "{name}");
        }
    }

    #[test]
    fn a_cluster_policy_is_named() {
        for why in [
            "r0: 'failed to verify image registry.box:5000/ns/app:unsigned: .attestors[0].entries[0].keys: sigstore bundle verification failed: no matching signatures found'",
            "autogen-signed: 'failed to verify image registry.box:5000/ns/app:v1: .attestors[0].entries[0].keys: no signatures found'",
            "signed: missing digest for registry.box:5000/ns/app:v1",
            "signed: unverified image registry.box:5009/xx/yy@sha256:2074e4ca3123a1658fb8ddf88ca99e1cc1fc4248c9a30f1d9c194e0cd0cd43fc",
        ] {
            assert_eq!(
                refusing_policy(&format!("{BLOCKED}t1-pol:\n  {why}\n")),
                Some("t1-pol".to_owned()),
                "{why}"
            );
        }
    }

    #[test]
    fn all_of_several_are_named() {
        assert_eq!(
            refusing_policy(&format!("{BLOCKED}t1-a:\n  r0: x\nt1-b:\n  r0: y\n")),
            Some("t1-a, t1-b".to_owned())
        );
    }

    #[test]
    fn an_image_validating_policy_is_named() {
        assert_eq!(
            refusing_policy(": Policy i1-signed failed: not signed by the key"),
            Some("i1-signed".to_owned())
        );
        assert_eq!(
            refusing_policy(
                ": Policy i4-fail error: failed to evaluate policy: Get \"https://registry.box:5009/v2/\": dial tcp"
            ),
            Some("i4-fail".to_owned())
        );
        assert_eq!(
            refusing_policy(": Policy i4 error: x failed: y"),
            Some("i4".to_owned())
        );
    }

    #[test]
    fn other_words_name_nobody() {
        for rest in [
            ": no",
            ": Policy A B failed: x",
            ": Policy x",
            BLOCKED,
            &format!("{BLOCKED}A b:\n"),
        ] {
            assert_eq!(refusing_policy(rest), None, "{rest}");
        }
        assert_eq!(
            refusing_policy(&format!(": \n\nresource Pod/a\n/b{}a:\n", &BLOCKED[22..])),
            None
        );
    }
}
