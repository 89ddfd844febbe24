//! Fulcio, Rekor and a timestamp authority: processes of the box.

use cluster::{HostAccess, Trust};
use futures::FutureExt;
use model::addons::sigstore::ADDON;

use crate::endpoints::{Endpoint, reached};
use crate::{Error, LiveAddon, barrier};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: None,
    barrier: barrier::none,
    labels: barrier::no_labels,
    endpoints: |host_access| endpoints(host_access).boxed_local(),
};

async fn endpoints(host_access: HostAccess<'_>) -> Result<Vec<Endpoint>, Error> {
    let root = Trust::of_box(host_access)
        .await?
        .write(host_access, host_access.work(), "trusted-root")
        .await?;
    let fulcio = reached(host_access, "http", HostAccess::FULCIO);
    Ok(vec![
        Endpoint::described(
            "Fulcio",
            format!("{fulcio}; it takes tokens of ServiceAccounts for `sigstore`"),
        ),
        Endpoint::described("Rekor", reached(host_access, "http", HostAccess::REKOR)),
        Endpoint::described(
            "timestamps",
            reached(host_access, "http", HostAccess::TIMESTAMPS),
        ),
        Endpoint::file("a trusted root", root),
    ])
}
