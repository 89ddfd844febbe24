//! Kyverno: its kinds, its refusals, and the ways round it alone.

mod denials;
mod ways;

use std::collections::BTreeSet;

use serde_json::Value;

use super::{kyverno_controllers, kyverno_exceptions, kyverno_exceptions_apart};
use crate::kinds::{cluster_kind, stays_in_namespaces};
use crate::scope::{is_ours, selects_only_us};
use crate::{
    AddonControl, AddonInstall, AddonVersion, ComparedKind, KindBarrier, KindIsolation,
    PolicySubject, PureAddon, ReachRule, RefusalPart, VaryingText, WebhookDenial, includes_addon,
};

const ADDON_BARRIER: KindBarrier = KindBarrier::Addon("kyverno");
const RULES_ISOLATION: KindIsolation = KindIsolation::Stated(ReachRule(rules_match_only_us));
const CONSTRAINTS_ISOLATION: KindIsolation = KindIsolation::Stated(ReachRule(|policy| {
    let constraints = &policy["spec"]["matchConstraints"];
    selects_only_us(constraints) && stays_in_namespaces(&constraints["resourceRules"])
}));
const MUTATIONS_ISOLATION: KindIsolation = KindIsolation::Stated(ReachRule(|policy| {
    selects_only_us(&policy["spec"]["matchConstraints"]) && !changes_what_exists(policy)
}));

const EXCEPTION_ISOLATION: KindIsolation = KindIsolation::Stated(ReachRule(|exception| {
    excepts_only_ours("exceptions", "policyName", exception)
}));
const CEL_EXCEPTION_ISOLATION: KindIsolation = KindIsolation::Stated(ReachRule(|exception| {
    excepts_only_ours("policyRefs", "name", exception)
}));

/// Its own versions, and so those of its parts.
const KYVERNO_VERSIONS: &[AddonVersion] = &[
    AddonVersion {
        version: "1.19.1",
        components: &["kyverno-1.19.1"],
    },
    AddonVersion {
        version: "1.18.2",
        components: &["kyverno-1.18.2"],
    },
];

/// What each part of Kyverno is that is installed beside it: programs and settings of one component.
pub(super) const KYVERNO_PART: PureAddon = PureAddon {
    name: "",
    about: "",
    versions: KYVERNO_VERSIONS,
    part_of: Some(&ADDON),
    needs_node: true,
    namespace: None,
    asks_registries: false,
    one_by_one: false,
    second_try: None,
    milestones: &[],
    kinds: &[],
    without_barrier: &[],
    denials: &[],
    settle_message: None,
    unserved: None,
    varying_texts: &[],
    control: None,
    contradicts: None,
    made_policy_prefixes: &[],
};

/// Kyverno.
pub static ADDON: PureAddon = PureAddon {
    name: "kyverno",
    about: "Kyverno's admission controller, from the manifest of its release.",
    versions: KYVERNO_VERSIONS,
    part_of: None,
    needs_node: true,
    namespace: Some("kyverno"),
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
            "kyverno.io",
            "PolicyException",
            EXCEPTION_ISOLATION,
            ADDON_BARRIER,
        ),
        cluster_kind(
            "policies.kyverno.io",
            "PolicyException",
            CEL_EXCEPTION_ISOLATION,
            ADDON_BARRIER,
        ),
        cluster_kind(
            "policies.kyverno.io",
            "DeletingPolicy",
            CONSTRAINTS_ISOLATION,
            ADDON_BARRIER,
        ),
        cluster_kind(
            "policies.kyverno.io",
            "NamespacedDeletingPolicy",
            KindIsolation::Namespace,
            ADDON_BARRIER,
        ),
        cluster_kind(
            "policies.kyverno.io",
            "GeneratingPolicy",
            KindIsolation::Never,
            ADDON_BARRIER,
        ),
        cluster_kind(
            "policies.kyverno.io",
            "NamespacedGeneratingPolicy",
            KindIsolation::Never,
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
        cluster_kind(
            "policies.kyverno.io",
            "ValidatingPolicy",
            CONSTRAINTS_ISOLATION,
            ADDON_BARRIER,
        ),
        cluster_kind(
            "policies.kyverno.io",
            "NamespacedValidatingPolicy",
            KindIsolation::Namespace,
            ADDON_BARRIER,
        ),
        cluster_kind(
            "policies.kyverno.io",
            "MutatingPolicy",
            MUTATIONS_ISOLATION,
            ADDON_BARRIER,
        ),
        cluster_kind(
            "policies.kyverno.io",
            "NamespacedMutatingPolicy",
            KindIsolation::Namespace,
            ADDON_BARRIER,
        ),
    ],
    without_barrier: &[
        ("kyverno.io", "CleanupPolicy"),
        ("kyverno.io", "ClusterCleanupPolicy"),
        ("kyverno.io", "GlobalContextEntry"),
        ("kyverno.io", "UpdateRequest"),
        ("reports.kyverno.io", "ClusterEphemeralReport"),
        ("reports.kyverno.io", "EphemeralReport"),
        ("wgpolicyk8s.io", "ClusterPolicyReport"),
        ("wgpolicyk8s.io", "PolicyReport"),
    ],
    denials: &[WebhookDenial {
        is_webhook: denials::is_webhook,
        policies: denials::policies,
        instead: &[],
        about: "Kyverno, by the policy of this name (several with a comma between them).",
    }],
    settle_message: None,
    unserved: Some(unserved_wish),
    // A webhook is named by a hash of its selectors, and only where several are kept apart: it depends
    // on which other worlds have policies just then.
    varying_texts: &[VaryingText {
        name: "kyverno-selectors",
        pattern: r"(kyverno\.svc-(?:fail|ignore))-[0-9a-f]{8}",
        replacement: "$1",
        example: (
            "webhook \"vpol.validate.kyverno.svc-fail-b9dd0ed0\" denied",
            "webhook \"vpol.validate.kyverno.svc-fail\" denied",
        ),
    }],
    control: Some(&AddonControl {
        title: "Kyverno",
        groups: &["kyverno.io"],
        subjects: &[
            PolicySubject::Pods,
            PolicySubject::Images,
            PolicySubject::LabelledObjects,
        ],
        ways: ways::WAYS,
        engine_ways: &["excluded-group", "engine-away"],
        webhook_labels: &[],
        needs_no_object: false,
        compared: &[
            ComparedKind {
                group: "kyverno.io",
                kind: "ClusterPolicy",
                part: RefusalPart::Refuses,
                other_rules: &[
                    "mutate",
                    "generate",
                    "verifyImages",
                    "imageRegistry",
                    "apiCall",
                ],
            },
            ComparedKind {
                group: "policies.kyverno.io",
                kind: "ValidatingPolicy",
                part: RefusalPart::Refuses,
                other_rules: &[],
            },
        ],
        stops: None,
    }),
    contradicts: None,
    // `pkg/utils/policy`, `pkg/admissionpolicy`.
    made_policy_prefixes: &["cpol-", "mpol-", "vpol-"],
};

/// What an object asks for that nothing does in a world that installs this.
fn unserved_wish(object: &Value, install: &BTreeSet<AddonInstall>) -> Option<&'static str> {
    let has_controllers = includes_addon(install, &kyverno_controllers::ADDON);
    let is_new = object["apiVersion"]
        .as_str()
        .is_some_and(|version| version.starts_with("policies."));
    let is_usual = install.contains(&AddonInstall::usual_version(&ADDON));
    if is_new && includes_addon(install, &ADDON) && !is_usual {
        return Some(NOT_SHOWN_EARLIER);
    }
    match object["kind"].as_str().unwrap_or_default() {
        "CleanupPolicy" | "ClusterCleanupPolicy" => Some(
            "its schedule is of whole minutes, and nothing earlier shows that it counts; a DeletingPolicy, which takes its place, is scheduled by the second",
        ),
        "GlobalContextEntry" => Some("nothing is known that shows when it is loaded"),
        "PolicyException" => unserved_exception(object, is_new, install),
        "MutatingPolicy" | "NamespacedMutatingPolicy" => unserved_mutation(object),
        "DeletingPolicy" | "NamespacedDeletingPolicy" if !has_controllers => Some(
            "it deletes, which takes Kyverno's cleanup controller: `install: [kyverno-controllers]`",
        ),
        "GeneratingPolicy" | "NamespacedGeneratingPolicy" if !has_controllers => Some(IT_GENERATES),
        _ if has_controllers => None,
        _ if has_rule(object, "generate") => Some(IT_GENERATES),
        _ => changes_what_exists(object).then_some(
            "it changes what exists, which takes Kyverno's background controller: `install: [kyverno-controllers]`",
        ),
    }
}

/// In 1.18.2 a sentinel that is refused once is let through again, and statuses stay empty.
const NOT_SHOWN_EARLIER: &str = "in this version of Kyverno nothing is known that shows when a policy of this group is in force; in 1.19 it is";

const IT_GENERATES: &str =
    "it generates, which takes Kyverno's background controller: `install: [kyverno-controllers]`";

fn unserved_exception(
    exception: &Value,
    is_new: bool,
    install: &BTreeSet<AddonInstall>,
) -> Option<&'static str> {
    let has_exceptions = includes_addon(install, &kyverno_exceptions::ADDON)
        || includes_addon(install, &kyverno_exceptions_apart::ADDON);
    if !has_exceptions {
        return Some("exceptions are off, as released: `install: [kyverno-exceptions]`");
    }
    let refs = exception["spec"]["policyRefs"].as_array();
    let mut refs = refs.into_iter().flatten();
    let is_waited_for =
        |one: &Value| one["kind"] == "ValidatingPolicy" || one["kind"] == "ImageValidatingPolicy";
    (is_new && refs.any(|one| !is_waited_for(one))).then_some(
        "it is from neither a ValidatingPolicy nor an ImageValidatingPolicy, and nothing is known that shows when such an exception counts",
    )
}

fn unserved_mutation(policy: &Value) -> Option<&'static str> {
    if changes_what_exists(policy) {
        return Some(
            "it changes what exists, and nothing is known that shows when a policy of this kind does",
        );
    }
    let asks = policy["spec"]["autogen"]["mutatingAdmissionPolicy"]["enabled"] == true;
    (asks && policy["kind"] == "MutatingPolicy").then_some(
        "it becomes a MutatingAdmissionPolicy, and nothing is known that shows when that is in force",
    )
}

/// Whether a policy has a rule of this sort.
fn has_rule(policy: &Value, sort: &str) -> bool {
    let rules = policy["spec"]["rules"].as_array();
    let mut rules = rules.into_iter().flatten();
    rules.any(|rule| !rule[sort].is_null())
}

/// Whether a policy changes objects other than the one that is admitted.
fn changes_what_exists(policy: &Value) -> bool {
    let spec = &policy["spec"];
    let rules = spec["rules"].as_array().map(Vec::as_slice);
    let mut rules = rules.unwrap_or_default().iter();
    rules.any(|rule| !rule["mutate"]["targets"].is_null())
        || spec["evaluation"]["mutateExisting"]["enabled"] == true
        || !spec["targetMatchConstraints"].is_null()
}

/// Whether each of a policy's rules matches objects of the world's namespaces alone, and makes and
/// changes others there alone.
fn rules_match_only_us(policy: &Value) -> bool {
    let rules = policy["spec"]["rules"].as_array();
    rules.is_some_and(|rules| {
        rules.iter().all(|rule| {
            let list = |name| {
                rule["match"][name]
                    .as_array()
                    .filter(|filters: &&Vec<Value>| !filters.is_empty())
            };
            let is_matched_here = matches_only_us(&rule["match"])
                || list("any").is_some_and(|filters| filters.iter().all(matches_only_us))
                || list("all").is_some_and(|filters| filters.iter().any(matches_only_us));
            is_matched_here && writes_only_here(rule)
        })
    })
}

/// Whether a filter lets through objects of the world's namespaces alone, or these namespaces.
fn matches_only_us(filter: &Value) -> bool {
    let resources = &filter["resources"];
    let are_ours = |list: &Value| {
        let all = list.as_array();
        all.is_some_and(|all| !all.is_empty() && all.iter().all(is_ours))
    };
    let kinds = resources["kinds"].as_array();
    let are_namespaces = kinds.is_some_and(|kinds| kinds.iter().all(|kind| kind == "Namespace"));
    are_ours(&resources["namespaces"]) || (are_namespaces && are_ours(&resources["names"]))
}

/// Whether what a rule makes or changes beside the object that it matches is where that object is.
fn writes_only_here(rule: &Value) -> bool {
    let is_here = |target: &Value| {
        let namespace = &target["namespace"];
        let matched = [
            "{{request.object.metadata.name}}",
            "{{request.object.metadata.namespace}}",
            "{{request.namespace}}",
        ];
        is_ours(namespace) || matched.iter().any(|one| namespace == one)
    };
    let targets = rule["mutate"]["targets"].as_array();
    let are_here = targets.is_none_or(|targets| targets.iter().all(is_here));
    are_here && (rule["generate"].is_null() || is_here(&rule["generate"]))
}

/// Whether an exception is from the world's own policies alone.
fn excepts_only_ours(names: &str, name: &str, exception: &Value) -> bool {
    let named = exception["spec"][names].as_array();
    named.is_some_and(|all| !all.is_empty() && all.iter().all(|one| is_ours(&one[name])))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::unserved_wish;

    #[test]
    fn what_nothing_in_a_world_does_is_said() {
        let wish = |kind: &str, spec: Value, install: &[&str]| {
            let install = install.iter().map(|name| name.parse().unwrap()).collect();
            let group = ["ClusterPolicy", "Policy"];
            let version = if group.contains(&kind) {
                "kyverno.io/v1"
            } else {
                "policies.kyverno.io/v1"
            };
            unserved_wish(
                &json!({"apiVersion": version, "kind": kind, "spec": spec}),
                &install,
            )
        };
        let said = |kind: &str, spec: Value| wish(kind, spec, &["kyverno"]).is_some();
        let with = |kind: &str, spec: Value| {
            wish(kind, spec, &["kyverno", "kyverno-controllers"]).is_some()
        };
        let rules = |rule| json!({"rules": [{"validate": {}}, rule]});
        let generates = rules(json!({"generate": {}}));
        assert!(said("ClusterPolicy", generates.clone()) && !with("ClusterPolicy", generates));
        let changes = rules(json!({"mutate": {"targets": []}}));
        assert!(said("Policy", changes.clone()) && !with("Policy", changes));
        assert!(!said("Policy", rules(json!({"mutate": {"foreach": []}}))));
        for kind in ["DeletingPolicy", "NamespacedGeneratingPolicy"] {
            assert!(said(kind, json!({})) && !with(kind, json!({})), "{kind}");
        }
        for kind in ["ClusterCleanupPolicy", "GlobalContextEntry"] {
            assert!(with(kind, json!({})), "{kind}");
        }
        let existing = json!({"evaluation": {"mutateExisting": {"enabled": true}}});
        assert!(
            said("MutatingPolicy", existing.clone()) && with("NamespacedMutatingPolicy", existing)
        );
        let earlier = |kind: &str| wish(kind, json!({}), &["kyverno@1.18"]).is_some();
        assert!(earlier("ValidatingPolicy") && earlier("NamespacedMutatingPolicy"));
        assert!(!earlier("ClusterPolicy") && !earlier("Policy"));
        let autogen = |key: &str| json!({"autogen": {key: {"enabled": true}}});
        assert!(said("MutatingPolicy", autogen("mutatingAdmissionPolicy")));
        assert!(!said(
            "ValidatingPolicy",
            autogen("validatingAdmissionPolicy")
        ));
    }

    #[test]
    fn exceptions_have_to_be_on() {
        let wish = |version: &str, spec: Value, install: &[&str]| {
            let install = install.iter().map(|name| name.parse().unwrap()).collect();
            let exception = json!({"apiVersion": version, "kind": "PolicyException", "spec": spec});
            unserved_wish(&exception, &install)
        };
        let (old, new) = ("kyverno.io/v2", "policies.kyverno.io/v1");
        for version in [old, new] {
            assert!(wish(version, json!({}), &["kyverno"]).is_some());
            for on in ["kyverno-exceptions", "kyverno-exceptions-apart"] {
                assert_eq!(wish(version, json!({}), &["kyverno", on]), None, "{on}");
            }
        }
        let from = |kind: &str| {
            let spec = json!({"policyRefs": [{"name": "a", "kind": kind}]});
            wish(new, spec, &["kyverno", "kyverno-exceptions"])
        };
        for kind in ["MutatingPolicy", "NamespacedImageValidatingPolicy"] {
            assert!(from(kind).is_some(), "{kind}");
        }
        for kind in ["ValidatingPolicy", "ImageValidatingPolicy"] {
            assert_eq!(from(kind), None, "{kind}");
        }
    }
}
