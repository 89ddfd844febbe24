//! Ways round the API server's own admission plugins: what they do not look at, and who they do not
//! take for the one that they are about.

use super::tried::{ChangeVerb, TriedStep, plain_kind};
use super::{ControlKind, HeldControl, WayRound, always};
use crate::system_users::{NODE_PREFIX, NODES_GROUP};
use crate::{Action, Answer, Plugin, Refuser, StepIdentity};

use ControlKind::{AdmissionPlugin, NodeRestriction};

pub(super) static WAYS: &[WayRound] = &[
    // kubernetes 1.36 `plugin/pkg/admission/noderestriction/admission.go`, `admitNode`: status keeps
    // the metadata that comes with it.
    WayRound {
        name: "node-through-status",
        kinds: &[NodeRestriction],
        about: "a kubelet changes its Node through `nodes/status`",
        is_open: is_about_nodes,
        is_tried: |_, steps| {
            by_kubelets(steps).any(|(_, step)| {
                let door = step.subresource();
                door.is_some_and(|(kind, name)| kind == "node" && name == "status")
            })
        },
    },
    // The same: a creation is looked at by itself.
    WayRound {
        name: "node-created",
        kinds: &[NodeRestriction],
        about: "a kubelet makes its Node, with what it may not change later",
        is_open: is_about_nodes,
        is_tried: |_, steps| {
            by_kubelets(steps).any(|(_, step)| {
                step.changes()
                    .contains(&(ChangeVerb::Create, "node".to_owned()))
            })
        },
    },
    // The same, `admitPod` and `admitPodStatus`.
    WayRound {
        name: "object-of-another-node",
        kinds: &[NodeRestriction],
        about: "a kubelet writes the Node of another, or a pod that runs there",
        is_open: always,
        is_tried: |control, steps| {
            by_kubelets(steps).any(|(node, step)| is_about_another(control, node, step))
        },
    },
    // The same, `admitServiceAccount`: tokens are for pods of the node.
    WayRound {
        name: "token-of-an-account",
        kinds: &[NodeRestriction],
        about: "a kubelet asks for a token of a ServiceAccount",
        is_open: always,
        is_tried: |_, steps| {
            by_kubelets(steps).any(|(_, step)| matches!(step.step.action, Action::Token { .. }))
        },
    },
    // kubernetes 1.36 `pkg/auth/nodeidentifier/default.go`: the name and the group, both.
    WayRound {
        name: "group-without-the-name",
        kinds: &[NodeRestriction],
        about: "a member of `system:nodes` asks whose name is not `system:node:…`, and the plugin does not take it for a kubelet",
        is_open: always,
        is_tried: |_, steps| {
            steps.iter().any(|step| match &step.step.identity {
                Some(StepIdentity::User { name, groups, .. }) => {
                    groups.iter().any(|group| group == NODES_GROUP)
                        && !name.starts_with(NODE_PREFIX)
                }
                Some(StepIdentity::Serviceaccount { .. } | StepIdentity::Anonymous) | None => false,
            })
        },
    },
    // kubernetes 1.36 `plugin/pkg/admission/network/denyserviceexternalips/admission.go`: it compares
    // the specs. CVE-2020-8554 names the other field.
    WayRound {
        name: "address-in-status",
        kinds: &[AdmissionPlugin],
        about: "the address is put into the Service's status, as that of its load balancer",
        is_open: |control| has_plugin(control, &[Plugin::DenyServiceExternalIPs]),
        is_tried: |_, steps| {
            steps.iter().any(|step| {
                let door = step.subresource();
                door.is_some_and(|(kind, name)| kind == "service" && name == "status")
            })
        },
    },
    // The same: an address that was there before is not looked at again.
    WayRound {
        name: "changed-after-the-plugin",
        kinds: &[AdmissionPlugin],
        about: "the object is clean when it is made, and changed afterwards",
        is_open: |control| {
            has_plugin(
                control,
                &[Plugin::DenyServiceExternalIPs, Plugin::AlwaysPullImages],
            )
        },
        is_tried: |control, steps| {
            let made = control.attacks.iter().flat_map(TriedStep::changes);
            let kinds: Vec<String> = made.map(|(_, kind)| kind).collect();
            let whole = steps.iter().filter(|step| step.subresource().is_none());
            let changes = whole.flat_map(TriedStep::changes);
            let mut changed =
                changes.filter(|(verb, _)| matches!(verb, ChangeVerb::Update | ChangeVerb::Patch));
            changed.any(|(_, kind)| kinds.contains(&kind))
        },
    },
    // kubernetes 1.36 `plugin/pkg/admission/serviceaccount`, `runtimeclass`, `priority`: they go by
    // the name alone.
    WayRound {
        name: "made-again",
        kinds: &[AdmissionPlugin],
        about: "what the pod names is deleted, and another user makes it again under the same name",
        is_open: |control| {
            has_plugin(
                control,
                &[
                    Plugin::ServiceAccount,
                    Plugin::RuntimeClass,
                    Plugin::Priority,
                ],
            )
        },
        is_tried: |_, steps| {
            let gone = steps.iter().flat_map(TriedStep::changes);
            let gone: Vec<String> = gone
                .filter(|(verb, _)| *verb == ChangeVerb::Delete)
                .map(|(_, kind)| kind)
                .collect();
            let made = steps.iter().flat_map(TriedStep::changes);
            let mut made = made.filter(|(verb, _)| *verb == ChangeVerb::Create);
            made.any(|(_, kind)| NAMED_KINDS.contains(&kind.as_str()) && gone.contains(&kind))
        },
    },
];

/// Kinds that a pod names.
const NAMED_KINDS: [&str; 3] = ["serviceaccount", "runtimeclass", "priorityclass"];

fn has_plugin(control: &HeldControl<'_>, plugins: &[Plugin]) -> bool {
    control
        .attacks
        .iter()
        .any(|step| match step.step.intended_verdict(control.world) {
            Some(Answer::Denied {
                by: Refuser::Plugin(plugin),
            }) => plugins.contains(plugin),
            _ => false,
        })
}

/// Whether a kubelet is kept from changing a Node.
fn is_about_nodes(control: &HeldControl<'_>) -> bool {
    let changes = control.attacks.iter().flat_map(TriedStep::changes);
    changes.map(|(_, kind)| kind).any(|kind| kind == "node")
}

/// The steps in which a kubelet asks, each with the name of its node.
fn by_kubelets<'s, 'a>(
    steps: &'s [TriedStep<'a>],
) -> impl Iterator<Item = (&'a str, &'s TriedStep<'a>)> {
    steps.iter().filter_map(|step| match &step.step.identity {
        Some(StepIdentity::User { name, .. }) => Some((name.strip_prefix(NODE_PREFIX)?, step)),
        Some(StepIdentity::Serviceaccount { .. } | StepIdentity::Anonymous) | None => None,
    })
}

/// Whether a step is about another node than this one, or about a pod that is bound there.
fn is_about_another(control: &HeldControl<'_>, node: &str, step: &TriedStep<'_>) -> bool {
    let is_elsewhere = |pod: &str| {
        control.objects.iter().any(|object| {
            object["kind"] == "Pod"
                && object["metadata"]["name"] == pod
                && object["spec"]["nodeName"]
                    .as_str()
                    .is_some_and(|bound| bound != node)
        })
    };
    let is_another_object = |kind: &str, name: &str| match kind {
        "node" => name != node,
        "pod" => is_elsewhere(name),
        _ => false,
    };
    let is_sent = step.sent.iter().any(|object| {
        let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        kind == "node" && is_another_object("node", name)
    });
    let target = match &step.step.action {
        Action::Patch { target, .. }
        | Action::UpdateSubresource { target, .. }
        | Action::Label { target, .. }
        | Action::Delete(target)
        | Action::DeleteCollection(target) => Some((plain_kind(target), target.name.as_str())),
        Action::Evict(pod) => Some(("pod".to_owned(), pod.as_str())),
        _ => None,
    };
    is_sent || target.is_some_and(|(kind, name)| is_another_object(&kind, name))
}

#[cfg(test)]
mod tests;
