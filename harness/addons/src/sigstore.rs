//! Fulcio, Rekor and a timestamp authority: processes of the box.

use cluster::{HostAccess, TrustedParties};
use futures::FutureExt;
use model::addons::sigstore::ADDON;

use crate::endpoints::{AddonEndpoint, reachable_address};
use crate::{Error, LiveAddon, barrier};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: None,
    barrier: barrier::no_waits,
    labels: barrier::no_labels,
    endpoints: |host_access| sigstore_endpoints(host_access).boxed_local(),
};

async fn sigstore_endpoints(host_access: HostAccess<'_>) -> Result<Vec<AddonEndpoint>, Error> {
    let root = TrustedParties::of_box(host_access)
        .await?
        .write_trusted_root(host_access, host_access.work_folder(), "trusted-root")
        .await?;
    let fulcio = reachable_address(host_access, "http", HostAccess::FULCIO);
    Ok(vec![
        AddonEndpoint::described(
            "Fulcio",
            format!("{fulcio}; it takes tokens of ServiceAccounts for `sigstore`"),
        ),
        AddonEndpoint::described(
            "Rekor",
            reachable_address(host_access, "http", HostAccess::REKOR),
        ),
        AddonEndpoint::described(
            "timestamps",
            reachable_address(host_access, "http", HostAccess::TIMESTAMPS),
        ),
        AddonEndpoint::file("a trusted root", root),
    ])
}
