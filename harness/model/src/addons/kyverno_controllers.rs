//! Kyverno's controllers beside the one that is asked at admission.

use super::kyverno;
use crate::{AddonVersion, PureAddon};

/// They generate, change what exists, delete by a schedule and gather reports.
pub static ADDON: PureAddon = PureAddon {
    name: "kyverno-controllers",
    about: "Kyverno's background, cleanup and reports controllers, as released: policies that generate, change what exists or delete need them.",
    versions: &[AddonVersion {
        version: "1.19.1",
        components: &["kyverno-1.19.1"],
    }],
    part_of: Some(&kyverno::ADDON),
    needs_node: true,
    asks_registries: false,
    one_by_one: false,
    second_try: None,
    milestones: &[],
    kinds: &[],
    without_barrier: &[],
    denials: &[],
    settle_message: None,
    unserved: None,
};
