//! The registry that wants credentials: a process of the box, beside those that do not.

use cluster::HostAccess;
use futures::FutureExt;
use model::addons::private_registry::{ADDON, USER_NAME, USER_PASSWORD};

use crate::endpoints::{AddonEndpoint, reachable_address};
use crate::{LiveAddon, barrier};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: None,
    barrier: barrier::no_waits,
    labels: barrier::no_labels,
    endpoints: |host_access| {
        async move {
            Ok(vec![AddonEndpoint::described(
                "registry with credentials",
                format!(
                    "{} as {USER_NAME}, {USER_PASSWORD}",
                    reachable_address(host_access, "https", HostAccess::PRIVATE_REGISTRY)
                ),
            )])
        }
        .boxed_local()
    },
};
