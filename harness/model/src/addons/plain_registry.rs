//! The same registry without TLS.

use super::registry::REGISTRY_VERSIONS;
use crate::PureAddon;

/// The registry over plain HTTP. A box has both or none.
pub static ADDON: PureAddon = PureAddon {
    name: "plain-registry",
    about: "The same registry over plain HTTP: `$(registry)` names it there.",
    versions: REGISTRY_VERSIONS,
    part_of: None,
    needs_node: false,
    namespace: None,
    asks_registries: false,
    one_by_one: false,
    second_try: None,
    milestones: &[],
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
