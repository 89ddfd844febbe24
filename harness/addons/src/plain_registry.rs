//! The registry without TLS: a box has it with the other.

use futures::FutureExt;
use model::addons::plain_registry::ADDON;

use crate::registry::registry_endpoints;
use crate::{LiveAddon, barrier};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: None,
    barrier: barrier::no_waits,
    labels: barrier::no_labels,
    endpoints: |host_access| async move { registry_endpoints(host_access) }.boxed_local(),
};
