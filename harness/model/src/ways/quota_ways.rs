//! Ways round a ResourceQuota or a LimitRange: what it does not count, and the limit itself.

use super::object_rules::{CHANGE_VERBS, changed_kinds};
use super::right_ways::grants;
use super::tried::{ChangeVerb, TriedStep};
use super::{ControlKind, HeldControl, WayRound, always};

use ControlKind::Quota;

/// As an API server names them in its paths.
const LIMIT_PLURALS: [&str; 2] = ["resourcequotas", "limitranges"];
const LIMIT_KINDS: [&str; 2] = ["resourcequota", "limitrange"];

pub(super) static WAYS: &[WayRound] = &[
    // kubernetes.io, "Resize CPU and Memory Resources assigned to Containers".
    WayRound {
        name: "pod-resized",
        kinds: &[Quota],
        about: "a pod that is there is given more, through `pods/resize`",
        is_open: |control| control.mentions("memory") || control.mentions("cpu"),
        is_tried: |_, steps| {
            let resizes = |step: &TriedStep<'_>| {
                step.subresource()
                    .is_some_and(|(kind, name)| kind == "pod" && name == "resize")
            };
            steps.iter().any(resizes)
        },
    },
    // kubernetes.io, "Resource Quotas": it is of one namespace, and others have none by default.
    WayRound {
        name: "unlimited-namespace",
        kinds: &[Quota],
        about: "the same is made in another namespace, which has no limit",
        is_open: always,
        is_tried: |control, steps| {
            let elsewhere = |step: &TriedStep<'_>| step.step.namespace.is_some();
            steps
                .iter()
                .filter(|step| elsewhere(step))
                .any(|step| makes_guarded(control, step))
        },
    },
    // The same, "Quota scopes": it counts what all of its scopes match.
    WayRound {
        name: "outside-scope",
        kinds: &[Quota],
        about: "the object is of a class that the quota's scopes do not match",
        is_open: |control| control.mentions("\"scopes\"") || control.mentions("\"scopeSelector\""),
        is_tried: |control, steps| {
            let passes = |step: &TriedStep<'_>| {
                let answer = step.step.intended_verdict(control.world);
                step.step.namespace.is_none() && answer.is_some_and(|answer| answer.is_positive())
            };
            steps
                .iter()
                .filter(|step| passes(step))
                .any(|step| makes_guarded(control, step))
        },
    },
    // kubernetes#86244: an amount of zero is stated, and means that there is no limit.
    WayRound {
        name: "zero-limit",
        kinds: &[Quota],
        about: "the limit is stated as zero, which counts as nothing and limits nothing",
        is_open: |control| control.mentions("\"limits."),
        is_tried: |_, steps| {
            let is_zero = |step: &TriedStep<'_>| {
                step.mentions("\"limits\":{\"memory\":\"0\"")
                    || step.mentions("\"limits\":{\"cpu\":\"0\"")
            };
            steps.iter().any(is_zero)
        },
    },
    // kubernetes 1.36 `pkg/quota/v1/evaluator/core/pods.go`, `Constraints`.
    WayRound {
        name: "pod-resources",
        kinds: &[Quota],
        about: "the pod has resources of its own, and then its containers need not state any",
        is_open: |control| control.mentions("\"limits.") || control.mentions("\"requests."),
        is_tried: |_, steps| {
            let has_own = |object: &&serde_json::Value| !object["spec"]["resources"].is_null();
            steps
                .iter()
                .flat_map(|step| step.sent.iter().copied())
                .any(|object| has_own(&object))
        },
    },
    // kubernetes.io, "Resource Quotas": whoever may write quotas sets his own.
    WayRound {
        name: "limit-removed",
        kinds: &[Quota],
        about: "the limited user raises or deletes the ResourceQuota or the LimitRange",
        is_open: |control| grants(&control.rights, CHANGE_VERBS, "", &LIMIT_PLURALS),
        is_tried: |_, steps| {
            let is_limit = |kind: &String| LIMIT_KINDS.contains(&kind.as_str());
            changed_kinds(steps).iter().any(is_limit)
        },
    },
];

/// Whether this step makes an object of a kind that the control refuses.
fn makes_guarded(control: &HeldControl<'_>, step: &TriedStep<'_>) -> bool {
    let made = |step: &TriedStep<'_>| -> Vec<String> {
        let created = step.changes().into_iter();
        let created = created.filter(|(verb, _)| *verb == ChangeVerb::Create);
        created.map(|(_, kind)| kind).collect()
    };
    let refused: Vec<String> = control.attacks.iter().flat_map(made).collect();
    made(step).iter().any(|kind| refused.contains(kind))
}
