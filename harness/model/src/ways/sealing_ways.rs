//! Ways round encryption at rest: what it does not cover, what was there before, and places where
//! the value lies in the clear all the same.

use super::sealing_rules::{
    has_identity_behind, has_identity_first, lists_everything, lists_kind, looks_at_disk,
    looks_outside, makes_object, reads_kind, stored_bytes,
};
use super::tried::TriedStep;
use super::{ControlKind, HeldControl, WayRound, always};
use crate::{Action, Answer, ObjectTarget, object_kind_called};

use ControlKind::Encryption;

pub(super) static WAYS: &[WayRound] = &[
    // kubernetes.io, "Encrypting Confidential Data at Rest", "Understanding the encryption at rest
    // configuration": `resources`.
    WayRound {
        name: "unlisted-resource",
        kinds: &[Encryption],
        about: "the value is in an object of a kind that the configuration does not list",
        is_open: is_partial,
        is_tried: |control, steps| {
            looked_into(steps).any(|target| {
                !is_listed(control, target) && object_kind_called(&target.kind).is_some()
            })
        },
    },
    // The same page: "*.*" is what covers custom resources that nobody has named yet.
    WayRound {
        name: "custom-resource",
        kinds: &[Encryption],
        about: "the value is in a custom resource, whose kind is listed only by name or by `*.*`",
        is_open: is_partial,
        is_tried: |control, steps| {
            looked_into(steps).any(|target| {
                !is_listed(control, target) && object_kind_called(&target.kind).is_none()
            })
        },
    },
    // The same page, "Ensure all relevant data are encrypted".
    WayRound {
        name: "old-bytes",
        kinds: &[Encryption],
        about: "what was written before the configuration changed lies there as it was",
        is_open: |control| control.configurations.len() > 1,
        is_tried: |_, steps| {
            let given = places_of(steps, |step| {
                matches!(step.step.action, Action::SetEncryption(_))
            });
            given.into_iter().any(|at| looks_at_older(&steps[at..]))
        },
    },
    // The same page: "the first provider in the list is used to encrypt".
    WayRound {
        name: "identity-first",
        kinds: &[Encryption],
        about: "a configuration with `identity` before the other providers looks as if it sealed, and does not",
        is_open: |control| control.configurations.iter().any(has_identity_first),
        is_tried: |control, steps| {
            steps
                .iter()
                .any(|step| step.step.intended_verdict(control.world) == Some(&Answer::Plaintext))
        },
    },
    // The same page, "Decrypt all data" and its note on `identity`: what is not sealed is read.
    WayRound {
        name: "identity-behind",
        kinds: &[Encryption],
        about: "while `identity` is among the providers, plain bytes that were put into etcd are read",
        is_open: |control| {
            control
                .configurations
                .last()
                .is_some_and(has_identity_behind)
        },
        is_tried: |control, steps| {
            let made_plain = control.configurations.iter().any(has_identity_first);
            let moves = |step: &TriedStep<'_>| matches!(step.step.action, Action::CopyEtcdValue(_));
            made_plain && steps.iter().any(moves)
        },
    },
    // kubernetes 1.36 `apiserver/pkg/storage/value/encrypt`: aescbc and secretbox do not take the
    // place into what they seal; none takes the time.
    WayRound {
        name: "moved-ciphertext",
        kinds: &[Encryption],
        about: "sealed bytes are put into another object's place, or back into their own",
        is_open: always,
        is_tried: |_, steps| {
            let moved = places_of(steps, |step| {
                matches!(step.step.action, Action::CopyEtcdValue(_))
            });
            moved.into_iter().any(|at| {
                let Action::CopyEtcdValue(moved) = &steps[at].step.action else {
                    return false;
                };
                let mut later = steps[at..].iter();
                later.any(
                    |step| matches!(&step.step.action, Action::Get(target) if *target == moved.to),
                )
            })
        },
    },
    // etcd.io, "Disaster recovery" and "Maintenance": a snapshot is the whole store, and space is
    // used again only after a compaction.
    WayRound {
        name: "disk-or-backup",
        kinds: &[Encryption],
        about: "the value is looked for in the files of etcd, or in a snapshot",
        is_open: always,
        is_tried: |_, steps| steps.iter().any(looks_at_disk),
    },
    // kubernetes.io, "Good practices for Kubernetes Secrets": who may read one through the API has it.
    WayRound {
        name: "read-through-the-api",
        kinds: &[Encryption],
        about: "a user who may read the object asks the API server, which decrypts it",
        is_open: always,
        is_tried: |control, steps| {
            steps.iter().any(|step| {
                let is_given = step.step.intended_verdict(control.world) == Some(&Answer::Allowed);
                is_given && reads_kind(step, "secret")
            })
        },
    },
    // The same page: logs, environment and other copies.
    WayRound {
        name: "copy-elsewhere",
        kinds: &[Encryption],
        about: "the value is written to another place as well: a log, an event, another object, an image",
        is_open: always,
        is_tried: |_, steps| steps.iter().any(|step| looks_outside(steps, step)),
    },
];

/// Whether some kinds are not sealed.
fn is_partial(control: &HeldControl<'_>) -> bool {
    let mut configurations = control.configurations.iter();
    !configurations.any(lists_everything)
}

fn is_listed(control: &HeldControl<'_>, target: &ObjectTarget) -> bool {
    let mut configurations = control.configurations.iter();
    configurations.any(|one| lists_kind(one, &target.kind))
}

/// The objects whose bytes are looked at.
fn looked_into<'a>(steps: &[TriedStep<'a>]) -> impl Iterator<Item = &'a ObjectTarget> {
    steps.iter().filter_map(stored_bytes)
}

fn places_of(steps: &[TriedStep<'_>], is_it: fn(&TriedStep<'_>) -> bool) -> Vec<usize> {
    let numbered = steps.iter().enumerate();
    numbered
        .filter(|(_, step)| is_it(step))
        .map(|(at, _)| at)
        .collect()
}

/// Whether, after a change of the configuration, somebody looks at what was there before: at bytes
/// that were not written again, or at the disk, where rewriting erases nothing.
fn looks_at_older(after: &[TriedStep<'_>]) -> bool {
    let rewritten = after
        .iter()
        .position(|step| matches!(step.step.action, Action::RewriteSecrets(_)));
    let unwritten = &after[..rewritten.unwrap_or(after.len())];
    let is_older = |target: &ObjectTarget| !unwritten.iter().any(|step| makes_object(step, target));
    unwritten.iter().filter_map(stored_bytes).any(is_older) || after.iter().any(looks_at_disk)
}

#[cfg(test)]
mod tests;
