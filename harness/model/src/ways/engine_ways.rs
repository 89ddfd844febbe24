//! Ways round an engine as a whole, whatever its policies say.

use super::control::ControlKind;
use super::object_rules::changed_kinds;
use super::tried::TriedStep;
use super::{WayRound, always};
use crate::makes_pods;

pub(super) static WAYS: &[WayRound] = &[
    // kyverno 1.19 `pkg/controllers/webhook`: its webhooks go with its Deployment. gatekeeper 3.23
    // `deploy/gatekeeper.yaml`: `failurePolicy: Ignore`.
    WayRound {
        name: "engine-away",
        kinds: &[],
        about: "the engine does not run while the request is made",
        is_open: always,
        is_tried: |control, steps| {
            let ControlKind::Addon(addon) = control.kind else {
                return false;
            };
            let taken_away = steps.iter().position(|step| {
                step.step.namespace.as_deref() == addon.namespace && changes_pods(step)
            });
            let guarded: Vec<String> = changed_kinds(&control.attacks);
            let is_guarded = |kind: &String| guarded.contains(kind);
            taken_away
                .is_some_and(|first| changed_kinds(&steps[first + 1..]).iter().any(is_guarded))
        },
    },
];

/// Whether it changes pods, or what makes pods.
fn changes_pods(step: &TriedStep<'_>) -> bool {
    let mut kinds = step.changes().into_iter().map(|(_, kind)| kind);
    kinds.any(|kind| kind == "pod" || makes_pods(&kind))
}
