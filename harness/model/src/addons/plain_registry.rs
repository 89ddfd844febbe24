//! The same registry without TLS.

use crate::{Addon, AddonVersion};

/// The registry over plain HTTP. A box has both or none.
pub static ADDON: Addon = Addon {
    name: "plain-registry",
    about: "The same registry over plain HTTP: `$(registry)` names it there.",
    versions: &[AddonVersion {
        version: "3.1.2",
        components: &[
            "registry-3.1.2",
            "cosign-3.1.3",
            "grype-0.109.0",
            "syft-1.42.1",
        ],
    }],
    needs_node: false,
    asks_registries: false,
    one_by_one: false,
    second_try: None,
    milestones: &[],
    kinds: &[],
    without_barrier: &[],
    denials: &[],
};
