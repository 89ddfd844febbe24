//! Ways round an engine as a whole, whatever its policies say.

use super::control::ControlKind;
use super::object_rules::changed_kinds;
use super::tried::{TriedStep, plain_kind};
use super::{WayRound, always};
use crate::{Action, Answer, ObjectTarget, makes_pods};

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
            let taken_away = steps
                .iter()
                .position(|step| takes_away(step, control.world, addon.namespace));
            let guarded: Vec<String> = changed_kinds(&control.attacks);
            let is_guarded = |kind: &String| guarded.contains(kind);
            taken_away
                .is_some_and(|first| changed_kinds(&steps[first + 1..]).iter().any(is_guarded))
        },
    },
];

/// Whether a step takes the pods of an engine away, or moves them, and is let do so.
fn takes_away(step: &TriedStep<'_>, world: &str, namespace: Option<&str>) -> bool {
    let is_there = namespace.is_some() && step.step.namespace.as_deref() == namespace;
    let is_taken = step.step.intended_verdict(world) == Some(&Answer::Admitted);
    let is_of_pods = |target: &ObjectTarget| {
        let kind = plain_kind(target);
        kind == "pod" || makes_pods(&kind)
    };
    let takes = match &step.step.action {
        Action::Scale { target, replicas } => *replicas == 0 && is_of_pods(target),
        Action::Delete(target) | Action::DeleteCollection(target) => is_of_pods(target),
        // What takes its pods, or keeps the next ones from running.
        Action::Patch { target, .. } => {
            let stops = ["replicas", "nodeSelector", "affinity", "image", "command"];
            is_of_pods(target) && stops.iter().any(|field| step.sends_field(field))
        }
        _ => false,
    };
    is_there && is_taken && !step.step.dry_run && takes
}
