//! The same registry without TLS.

use super::registry::REGISTRY_PROCESS;
use crate::PureAddon;

/// The registry over plain HTTP. A box has both or none.
pub static ADDON: PureAddon = PureAddon {
    name: "plain-registry",
    about: "The same registry over plain HTTP: `$(registry)` names it there.",
    milestones: &[],
    ..REGISTRY_PROCESS
};
