//! The registry: a process of the box, with TLS and without.

use std::fs;

use cluster::HostAccess;
use futures::FutureExt;
use model::addons::registry::ADDON;

use crate::endpoints::{AddonEndpoint, reachable_address};
use crate::{Error, LiveAddon, barrier};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: None,
    barrier: barrier::no_waits,
    labels: barrier::no_labels,
    endpoints: |host_access| async move { registry_endpoints(host_access) }.boxed_local(),
};

pub(crate) fn registry_endpoints(host_access: HostAccess<'_>) -> Result<Vec<AddonEndpoint>, Error> {
    let authority = host_access.work_folder().join("ca.crt");
    fs::write(&authority, host_access.ca_certificate()).map_err(|source| Error::Write {
        path: authority.clone(),
        source,
    })?;
    let front = format!(
        "{}/FAULT/IMAGE",
        reachable_address(host_access, "http", HostAccess::FRONT)
    );
    Ok(vec![
        AddonEndpoint::described(
            "registry",
            reachable_address(host_access, "https", HostAccess::REGISTRY),
        ),
        AddonEndpoint::file("its authority", authority),
        AddonEndpoint::described(
            "without TLS",
            reachable_address(host_access, "http", HostAccess::PLAIN_REGISTRY),
        ),
        AddonEndpoint::described("spoiling answers", front),
    ])
}
