//! An OCI registry, as a process of the box, with the tools that fill it.

use crate::{AddonVersion, PureAddon};

/// Both registries are one program.
const REGISTRY_VERSIONS: &[AddonVersion] = &[AddonVersion {
    version: "3.1.2",
    components: &[
        "registry-3.1.2",
        "cosign-3.1.3",
        "grype-0.109.0",
        "syft-1.42.1",
    ],
}];

/// What all of them have in common: a process of the box, which serves no kind of object.
pub(super) const REGISTRY_PROCESS: PureAddon = PureAddon {
    name: "",
    about: "",
    versions: REGISTRY_VERSIONS,
    part_of: None,
    needs_node: false,
    namespace: None,
    asks_registries: false,
    one_by_one: false,
    second_try: None,
    milestones: &["registry"],
    kinds: &[],
    without_barrier: &[],
    denials: &[],
    settle_message: None,
    unserved: None,
    varying_texts: &[],
    control: None,
    contradicts: None,
    made_policy_prefixes: &[],
};

/// The registry with TLS.
pub static ADDON: PureAddon = PureAddon {
    name: "registry",
    about: "An OCI registry, with TLS from the box's certificate authority.",
    ..REGISTRY_PROCESS
};
