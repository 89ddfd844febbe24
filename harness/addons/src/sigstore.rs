//! Fulcio, Rekor and a timestamp authority: processes of the box.

use cluster::{Toolbox, Trust};
use futures::FutureExt;
use model::addons::sigstore::ADDON;

use crate::endpoints::{Endpoint, reached};
use crate::{Error, LiveAddon, barrier};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: None,
    barrier: barrier::none,
    labels: barrier::no_labels,
    endpoints: |toolbox| endpoints(toolbox).boxed_local(),
};

async fn endpoints(toolbox: Toolbox<'_>) -> Result<Vec<Endpoint>, Error> {
    let root = Trust::of_box(toolbox).await?.write(toolbox, toolbox.work(), "trusted-root").await?;
    let fulcio = reached(toolbox, "http", Toolbox::FULCIO);
    Ok(vec![
        Endpoint::described("Fulcio", format!("{fulcio}; it takes tokens of ServiceAccounts for `sigstore`")),
        Endpoint::described("Rekor", reached(toolbox, "http", Toolbox::REKOR)),
        Endpoint::described("timestamps", reached(toolbox, "http", Toolbox::TIMESTAMPS)),
        Endpoint::file("a trusted root", root),
    ])
}
