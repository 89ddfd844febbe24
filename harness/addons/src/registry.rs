//! The registry: a process of the box, with TLS and without.

use std::fs;

use cluster::Toolbox;
use futures::FutureExt;
use model::addons::registry::ADDON;

use crate::endpoints::{Endpoint, reached};
use crate::{Error, LiveAddon, barrier};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: None,
    barrier: barrier::none,
    labels: barrier::no_labels,
    endpoints: |toolbox| async move { endpoints(toolbox) }.boxed_local(),
};

pub(crate) fn endpoints(toolbox: Toolbox<'_>) -> Result<Vec<Endpoint>, Error> {
    let authority = toolbox.work().join("ca.crt");
    fs::write(&authority, toolbox.ca()).map_err(|source| Error::Write { path: authority.clone(), source })?;
    let front = format!("{}/FAULT/IMAGE", reached(toolbox, "http", Toolbox::FRONT));
    Ok(vec![
        Endpoint::described("registry", reached(toolbox, "https", Toolbox::REGISTRY)),
        Endpoint::file("its authority", authority),
        Endpoint::described("without TLS", reached(toolbox, "http", Toolbox::PLAIN_REGISTRY)),
        Endpoint::described("spoiling answers", front),
    ])
}
