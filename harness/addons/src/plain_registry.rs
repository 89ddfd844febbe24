//! The registry without TLS: a box has it with the other.

use futures::FutureExt;
use model::addons::plain_registry::ADDON;

use crate::registry::endpoints;
use crate::{LiveAddon, barrier};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: None,
    barrier: barrier::none,
    labels: barrier::no_labels,
    endpoints: |toolbox| async move { endpoints(toolbox) }.boxed_local(),
};
