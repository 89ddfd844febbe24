//! The registry: a process of the box, with TLS and without.

use std::fs;

use cluster::HostAccess;
use futures::FutureExt;
use model::addons::registry::ADDON;

use crate::endpoints::{Endpoint, reached};
use crate::{Error, LiveAddon, barrier};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: None,
    barrier: barrier::none,
    labels: barrier::no_labels,
    endpoints: |host_access| async move { endpoints(host_access) }.boxed_local(),
};

pub(crate) fn endpoints(host_access: HostAccess<'_>) -> Result<Vec<Endpoint>, Error> {
    let authority = host_access.work().join("ca.crt");
    fs::write(&authority, host_access.ca()).map_err(|source| Error::Write {
        path: authority.clone(),
        source,
    })?;
    let front = format!(
        "{}/FAULT/IMAGE",
        reached(host_access, "http", HostAccess::FRONT)
    );
    Ok(vec![
        Endpoint::described(
            "registry",
            reached(host_access, "https", HostAccess::REGISTRY),
        ),
        Endpoint::file("its authority", authority),
        Endpoint::described(
            "without TLS",
            reached(host_access, "http", HostAccess::PLAIN_REGISTRY),
        ),
        Endpoint::described("spoiling answers", front),
    ])
}
