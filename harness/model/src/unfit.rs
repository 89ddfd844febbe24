//! Why the scheduler gives a pod no node, read from the message of its condition `PodScheduled`.
//!
//! Sources: kubernetes 1.36 `pkg/scheduler/framework/types.go` (`FitError.Error`, how the message
//! is put together) and `pkg/scheduler/framework/plugins`, a folder for each reason.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One reason why the scheduler gives a pod no node.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Unfit {
    /// The pod has scheduling gates.
    Gate,
    /// There is no node at all.
    NoNode,
    /// A taint that the pod does not tolerate.
    Taint,
    /// The node is cordoned.
    Cordon,
    /// The pod's node selector or node affinity matches no such node.
    NodeAffinity,
    /// The pod's affinity to other pods, or theirs to it.
    PodAffinity,
    /// The pod's spread over nodes.
    Spread,
    /// Not enough of a resource, or too many pods.
    Capacity,
    /// A host port that is taken.
    Port,
    /// A volume or a claim that the node cannot have.
    Volume,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gate => "gate",
            Self::NoNode => "no-node",
            Self::Taint => "taint",
            Self::Cordon => "cordon",
            Self::NodeAffinity => "node-affinity",
            Self::PodAffinity => "pod-affinity",
            Self::Spread => "spread",
            Self::Capacity => "capacity",
            Self::Port => "port",
            Self::Volume => "volume",
        })
    }
}

/// What the scheduler says of one node, or of the pod.
const UNFIT_TEXTS: [(&str, Unfit); 22] = [
    ("node(s) had untolerated taint(s)", Unfit::Taint),
    ("node(s) were unschedulable", Unfit::Cordon),
    (
        "node(s) didn't match Pod's node affinity/selector",
        Unfit::NodeAffinity,
    ),
    (
        "node(s) didn't match scheduler-enforced node affinity",
        Unfit::NodeAffinity,
    ),
    ("pod affinity terms conflict", Unfit::NodeAffinity),
    (
        "node(s) didn't satisfy existing pods anti-affinity rules",
        Unfit::PodAffinity,
    ),
    (
        "node(s) didn't match pod affinity rules",
        Unfit::PodAffinity,
    ),
    (
        "node(s) didn't match pod anti-affinity rules",
        Unfit::PodAffinity,
    ),
    (
        "node(s) didn't match pod topology spread constraints",
        Unfit::Spread,
    ),
    ("Insufficient ", Unfit::Capacity),
    ("Too many pods", Unfit::Capacity),
    (
        "node(s) didn't have free ports for the requested pod ports",
        Unfit::Port,
    ),
    ("persistentvolumeclaim \"", Unfit::Volume),
    (
        "pod has unbound immediate PersistentVolumeClaims",
        Unfit::Volume,
    ),
    (
        "node(s) didn't find available persistent volumes to bind",
        Unfit::Volume,
    ),
    (
        "node(s) didn't match PersistentVolume's node affinity",
        Unfit::Volume,
    ),
    ("node(s) did not have enough free storage", Unfit::Volume),
    (
        "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
        Unfit::Volume,
    ),
    (
        "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode",
        Unfit::Volume,
    ),
    ("node(s) had no available volume zone", Unfit::Volume),
    ("node(s) had no available disk", Unfit::Volume),
    ("node(s) exceed max volume count", Unfit::Volume),
];

/// Every reason in a scheduler's message; nothing where one of them is not known.
#[must_use]
pub fn read_unfit(message: &str) -> Option<BTreeSet<Unfit>> {
    if message == "no nodes available to schedule pods" {
        return Some(BTreeSet::from([Unfit::NoNode]));
    }
    first_sentence(message)?
        .split(", ")
        .map(|part| of_part(part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ')))
        .collect()
}

/// The part of a scheduler's message that does not hang on what it tried afterwards: preemption,
/// mostly.
fn first_sentence(message: &str) -> Option<&str> {
    let (count, rest) = message.split_once(" nodes are available: ")?;
    count.strip_prefix("0/")?;
    let rest = rest.split_once(". ").map_or(rest, |(first, _)| first);
    Some(rest.strip_suffix('.').unwrap_or(rest))
}

fn of_part(part: &str) -> Option<Unfit> {
    let known = UNFIT_TEXTS.iter().find(|(text, _)| part.starts_with(text));
    known.map(|(_, unfit)| *unfit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfit_reasons(message: &str) -> Option<Vec<String>> {
        let all = read_unfit(message)?;
        Some(all.iter().map(Unfit::to_string).collect())
    }

    #[test]
    fn every_reason_is_named() {
        let message = "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector, \
            1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/3 nodes are available: \
            3 Preemption is not helpful for scheduling.";
        assert_eq!(
            unfit_reasons(message).unwrap(),
            ["taint", "node-affinity", "capacity"]
        );
        assert_eq!(
            unfit_reasons("0/1 nodes are available: 1 node(s) had untolerated taint(s).").unwrap(),
            ["taint"]
        );
        assert_eq!(
            unfit_reasons(
                "0/2 nodes are available: persistentvolumeclaim \"a.b\" not found. not found"
            )
            .unwrap(),
            ["volume"]
        );
        assert_eq!(
            unfit_reasons("no nodes available to schedule pods").unwrap(),
            ["no-node"]
        );
    }

    #[test]
    fn one_reason_that_is_not_known_leaves_the_whole_unread() {
        for message in [
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were on the moon.",
            "1/2 nodes are available: 1 Insufficient cpu.",
            "0/2 nodes are available: ",
            "node(s) had untolerated taint(s)",
            "",
        ] {
            assert_eq!(unfit_reasons(message), None, "{message}");
        }
    }
}
