//! Ways round what a program behind a webhook decides: it is not there to be asked.

use super::object_rules::{is_plural, rule_resources};
use super::right_ways::grants;
use super::tried::{TriedStep, is_workload_kind};
use super::{ControlKind, HeldControl, WayRound};
use crate::addons::{gatekeeper, kyverno};
use crate::{Answer, PureAddon};

use ControlKind::{Gatekeeper, Kyverno, Webhook};

pub(super) static WAYS: &[WayRound] = &[
    // kubernetes.io, "Dynamic Admission Control", "Failure policy": Ignore lets in what cannot be
    // asked about. Gatekeeper's release says Ignore for what its constraints are about, and
    // policy-controller's says Fail. Kyverno 1.19 `pkg/utils/runtime/utils.go`, `IsGoingDown`: scaled
    // to none, it deletes its webhooks whatever they say.
    WayRound {
        name: "engine-away",
        kinds: &[Webhook, Kyverno, Gatekeeper],
        about: "nobody is there to be asked, and what cannot be asked about comes in",
        is_open: |control| control.mentions(IGNORES) || fails_open(control),
        is_tried: |control, steps| match engine(control.kind) {
            Some(engine) => steps.iter().any(|step| takes_away(step, engine)),
            None => steps.iter().any(|step| is_let_in(control, step)),
        },
    },
];

const IGNORES: &str = "\"failurePolicy\":\"Ignore\"";

/// The addon that decides by controls of this kind.
fn engine(kind: ControlKind) -> Option<&'static PureAddon> {
    [(Kyverno, &kyverno::ADDON), (Gatekeeper, &gatekeeper::ADDON)]
        .into_iter()
        .find_map(|(of, addon)| (of == kind).then_some(addon))
}

/// Whether everything comes in while the engine is away, whatever the policies say.
fn fails_open(control: &HeldControl<'_>) -> bool {
    let scales = || {
        let scaled = &["deployments", "deployments/scale"];
        grants(&control.cluster_rights, &["update", "patch"], "apps", scaled)
    };
    control.kind == Gatekeeper || control.kind == Kyverno && scales()
}

/// Whether a step changes a workload of this addon, which is then not there.
fn takes_away(step: &TriedStep<'_>, engine: &PureAddon) -> bool {
    let mut changes = step.changes().into_iter();
    step.step.namespace.as_deref() == engine.namespace
        && changes.any(|(_, kind)| is_workload_kind(&kind))
}

/// Whether what a webhook is for comes in. Webhooks of scenarios have nobody behind them.
fn is_let_in(control: &HeldControl<'_>, step: &TriedStep<'_>) -> bool {
    let resources = rule_resources(control);
    let is_guarded = |kind: &str| resources.iter().any(|one| is_plural(one, kind));
    step.step.intended_verdict(control.world) == Some(&Answer::Admitted)
        && step.changes().iter().any(|(_, kind)| is_guarded(kind))
}
