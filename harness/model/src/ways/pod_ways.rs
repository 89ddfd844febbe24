//! Ways round what is said about pods: another list of the pod, another object that makes one.

use super::tried::{ChangeVerb, TriedStep, holds_field};
use super::{ControlKind, HeldControl, PolicySubject, WayRound, always};
use crate::{Action, makes_pods};

use ControlKind::{AdmissionPolicy, PodSecurity};

const POD_CONTROLS: &[ControlKind] = &[PodSecurity, AdmissionPolicy];

pub(super) static WAYS: &[WayRound] = &[
    // kubernetes.io, "Pod Security Admission", "Workload resources and Pod templates".
    WayRound {
        name: "workload",
        kinds: POD_CONTROLS,
        about: "a controller makes the pod, and its own account asks",
        is_open: is_about_pods,
        is_tried: |_, steps| steps.iter().any(TriedStep::is_workload),
    },
    // kubernetes.io, "Pod Security Standards": every rule names three lists of containers.
    WayRound {
        name: "init-container",
        kinds: POD_CONTROLS,
        about: "the container is in the list of init containers",
        is_open: is_about_containers,
        is_tried: |_, steps| steps.iter().any(|step| step.sends_field("initContainers")),
    },
    // kubernetes.io, "Ephemeral Containers": they come by a subresource, into a pod that runs.
    WayRound {
        name: "ephemeral-container",
        kinds: POD_CONTROLS,
        about: "the container is added to a pod that is there, through `pods/ephemeralcontainers`",
        is_open: is_about_containers,
        is_tried: |_, steps| {
            let is_added = |step: &TriedStep<'_>| {
                matches!(step.step.action, Action::EphemeralContainer { .. })
            };
            steps.iter().any(is_added)
        },
    },
    // kubernetes.io, "Pods", "Pod update and replacement": images can be changed afterwards.
    WayRound {
        name: "pod-changed",
        kinds: &[PodSecurity],
        about: "the pod, or the template of a workload, is clean when it is made, and changed afterwards",
        is_open: always,
        is_tried: |_, steps| steps.iter().any(changes_a_pod),
    },
    // kubernetes.io, "Pod Security Standards": a claim is allowed, whatever volume is behind it.
    WayRound {
        name: "other-volume",
        kinds: &[PodSecurity, AdmissionPolicy],
        about: "the folder of the node comes as a volume of another type, or behind a claim",
        is_open: |control| {
            control
                .attacks
                .iter()
                .any(|step| step.sends_field("hostPath"))
        },
        is_tried: |_, steps| {
            let volumes = |step: &TriedStep<'_>| {
                let mut changes = step.changes().into_iter();
                changes.any(|(_, kind)| kind == "persistentvolume")
            };
            steps.iter().any(volumes)
        },
    },
];

/// Whether a control is about pods: an admission policy names them among its resources.
fn is_about_pods(control: &HeldControl<'_>) -> bool {
    match control.kind {
        AdmissionPolicy => super::object_rules::rule_resources(control)
            .iter()
            .any(|resource| resource == "pods"),
        kind => kind == PodSecurity || kind.is_about(PolicySubject::Pods),
    }
}

/// Whether it asks about containers. Pod Security does where the attack is in a container, and where
/// its level wants something of every container.
fn is_about_containers(control: &HeldControl<'_>) -> bool {
    match control.kind {
        AdmissionPolicy => is_about_pods(control) && control.mentions("ontainers"),
        PodSecurity => {
            let is_restricted = control.mentions("\"restricted\"");
            let in_a_container = |step: &TriedStep<'_>| {
                IN_A_CONTAINER
                    .iter()
                    .any(|name| sets_in_container(step, name))
            };
            is_restricted || control.attacks.iter().any(in_a_container)
        }
        kind => kind == PodSecurity || kind.is_about(PolicySubject::Pods),
    }
}

/// Fields of containers that baseline has a rule about.
const IN_A_CONTAINER: [&str; 3] = ["securityContext", "hostPort", "host"];

/// Whether a container that is sent has a field of this name.
fn sets_in_container(step: &TriedStep<'_>, name: &str) -> bool {
    let lists = ["containers", "initContainers"];
    let pods = step
        .sent
        .iter()
        .flat_map(|object| [&object["spec"], &object["spec"]["template"]["spec"]]);
    let containers = pods.flat_map(|spec| lists.iter().filter_map(|list| spec[*list].as_array()));
    containers.flatten().any(|one| holds_field(one, name))
}

fn changes_a_pod(step: &TriedStep<'_>) -> bool {
    let is_added = matches!(step.step.action, Action::EphemeralContainer { .. });
    let is_change = |(verb, kind): (ChangeVerb, String)| {
        matches!(verb, ChangeVerb::Update | ChangeVerb::Patch)
            && (kind == "pod" || makes_pods(&kind))
    };
    !is_added && step.changes().into_iter().any(is_change)
}
