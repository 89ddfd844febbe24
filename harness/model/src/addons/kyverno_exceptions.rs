//! Exceptions from Kyverno's policies, in every namespace.

use super::kyverno;
use crate::{AddonVersion, PureAddon};

/// They are off, as released.
pub static ADDON: PureAddon = PureAddon {
    name: "kyverno-exceptions",
    about: "Exceptions from Kyverno's policies, which are off as released, in every namespace (`--exceptionNamespace=*`).",
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
