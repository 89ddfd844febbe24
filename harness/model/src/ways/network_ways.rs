//! Ways round a NetworkPolicy: what another object adds, and other paths to the same pod.

use std::collections::BTreeSet;

use serde_json::Value;

use super::object_rules::selector_keys;
use super::tried::{TriedStep, holds_field};
use super::{ControlKind, HeldControl, WayRound, always};
use crate::Action;

use ControlKind::NetworkPolicy;

pub(super) static WAYS: &[WayRound] = &[
    // kubernetes.io, "Network Policies": "Network policies do not conflict; they are additive."
    WayRound {
        name: "other-policy",
        kinds: &[NetworkPolicy],
        about: "another policy that selects the pod allows it",
        is_open: always,
        is_tried: |control, steps| control.objects.len() > 1 || steps.iter().any(sends_policy),
    },
    // The same page: pods and namespaces are selected by labels.
    WayRound {
        name: "pod-label",
        kinds: &[NetworkPolicy],
        about: "a pod takes the label that is let in, or takes off the one by which it is selected",
        is_open: |control| !pod_labels(control).is_empty(),
        is_tried: |control, steps| {
            let labels = pod_labels(control);
            let sets = |step: &TriedStep<'_>| {
                let mut changes = step.changes().into_iter();
                changes.any(|(_, kind)| kind == "pod")
                    && labels.iter().any(|label| step.mentions(label))
            };
            steps.iter().any(sets)
        },
    },
    // The same page, "Targeting a Namespace by its name": other labels can be set by others.
    WayRound {
        name: "namespace-label",
        kinds: &[NetworkPolicy],
        about: "a namespace takes the label that is let in",
        is_open: |control| !namespace_labels(control).is_empty(),
        is_tried: |control, steps| {
            let labels = namespace_labels(control);
            let sets = |step: &TriedStep<'_>| {
                let mut changes = step.changes().into_iter();
                changes.any(|(_, kind)| kind == "namespace")
                    && labels.iter().any(|label| step.mentions(label))
            };
            steps.iter().any(sets)
        },
    },
    // The same page, "NetworkPolicy and hostNetwork pods".
    WayRound {
        name: "host-network",
        kinds: &[NetworkPolicy],
        about: "a pod in the network of its node is not selected, and has the node's address",
        is_open: always,
        is_tried: |_, steps| steps.iter().any(|step| step.sends_field("hostNetwork")),
    },
    // The same page, "Behavior of to and from selectors": addresses of Services are rewritten.
    WayRound {
        name: "service-address",
        kinds: &[NetworkPolicy],
        about: "the pod is reached by the address, the port or the name of a Service",
        is_open: always,
        is_tried: |_, steps| {
            let is_service = |step: &TriedStep<'_>| {
                let target = step.step.action.facts().connects_to;
                target.is_some_and(|to| !to.contains("$(pod-ip") && !to.starts_with("dns://"))
            };
            steps.iter().any(is_service)
        },
    },
    // The same page: a rule with ports is for these, and TCP where it names no protocol.
    WayRound {
        name: "other-port",
        kinds: &[NetworkPolicy],
        about: "another port of the same pod, or another protocol",
        is_open: |control| {
            control
                .objects
                .iter()
                .any(|policy| holds_field(policy, "ports"))
        },
        is_tried: |_, steps| {
            let ends: BTreeSet<(&str, &str)> = steps
                .iter()
                .filter_map(|step| step.step.action.facts().connects_to)
                .filter_map(protocol_and_port)
                .collect();
            ends.len() > 1
        },
    },
    // kubernetes.io, "IPv4/IPv6 dual-stack": a block is of one family.
    WayRound {
        name: "other-family",
        kinds: &[NetworkPolicy],
        about: "the same pod by its IPv6 address, where a block is of IPv4",
        is_open: |control| {
            control.dual_stack
                && control
                    .objects
                    .iter()
                    .any(|policy| holds_field(policy, "ipBlock"))
        },
        is_tried: |_, steps| {
            let is_six = |step: &TriedStep<'_>| {
                step.step
                    .action
                    .facts()
                    .connects_to
                    .is_some_and(|to| to.contains("ipv6"))
            };
            steps.iter().any(is_six)
        },
    },
    // kubernetes.io, "Network Policies", "Pod lifecycle" and "What you can't do": what is open
    // when a policy comes may stay open.
    WayRound {
        name: "open-before",
        kinds: &[NetworkPolicy],
        about: "the connection was open before the policy came",
        is_open: |control| control.steps.iter().any(sends_policy),
        is_tried: |_, steps| {
            let opens =
                |step: &TriedStep<'_>| matches!(step.step.action, Action::OpenConnection(_));
            steps.iter().any(opens)
        },
    },
];

/// Whether a step makes or changes a policy, while pods run.
fn sends_policy(step: &TriedStep<'_>) -> bool {
    let mut changes = step.changes().into_iter();
    changes.any(|(_, kind)| kind == "networkpolicy")
}

fn protocol_and_port(target: &str) -> Option<(&str, &str)> {
    let (protocol, rest) = target.split_once("://")?;
    let end = rest.split('?').next()?;
    Some((protocol, end.rsplit_once(':').map_or("", |(_, port)| port)))
}

/// The labels of pods by which the policies select, and by which they let in.
fn pod_labels(control: &HeldControl<'_>) -> BTreeSet<String> {
    selected_by(control, "podSelector")
}

/// The same of namespaces, but for their names, which nobody can change.
fn namespace_labels(control: &HeldControl<'_>) -> BTreeSet<String> {
    let mut labels = selected_by(control, "namespaceSelector");
    labels.remove("kubernetes.io/metadata.name");
    labels
}

fn selected_by(control: &HeldControl<'_>, selector: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    for policy in &control.objects {
        collect_keys(policy, selector, &mut labels);
    }
    labels
}

fn collect_keys(value: &Value, selector: &str, labels: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == selector {
                    labels.extend(selector_keys(value));
                } else {
                    collect_keys(value, selector, labels);
                }
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_keys(item, selector, labels)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
