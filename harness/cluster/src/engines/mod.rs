//! Installs what verifies images at admission, and what brings secrets in. Such an engine runs as pods of the test image,
//! with its own program from the box; what it wants to find in the cluster is partly ours (below `manifests`) and partly
//! its own, read from its component's data. It is ready when it has been seen at work: when the API server, on its word,
//! has refused an object that is known to be bad, or when a secret has come in.

mod api;
mod definitions;
mod external_secrets;
mod kyverno;
mod policy_controller;
mod tuf;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kube::Client;
use model::Install;

use crate::{Error, ResolvedShape};

/// Where an engine is installed.
pub(crate) struct Site<'a> {
    pub(crate) admin: &'a Client,
    pub(crate) running: &'a native::Running,
    pub(crate) cache: &'a native::Cache,
    /// Whether Fulcio, Rekor and a timestamp authority are there.
    pub(crate) sigstore: bool,
}

impl Site<'_> {
    /// A data file of an engine's component.
    fn data(&self, engine: &str, file: &str) -> Result<PathBuf, String> {
        let component = native::components::pinned().iter().find(|component| component.name == engine);
        component.map(|component| self.cache.data(component, file)).ok_or_else(|| format!("`{engine}` is not pinned"))
    }
}

/// Installs the engines of `shape`, side by side, and says when each was ready, counted from `start`.
pub(crate) async fn install(
    site: &Site<'_>,
    shape: &ResolvedShape,
    start: Instant,
) -> Result<Vec<(String, Duration)>, Error> {
    let kyverno = one(shape, Install::Kyverno, "kyverno", start, async || {
        kyverno::install(site).await.map_err(|why| Error::Engine { engine: "Kyverno", why })
    });
    let policy_controller = one(shape, Install::PolicyController, "policy-controller", start, async || {
        policy_controller::install(site).await.map_err(|why| Error::Engine { engine: "policy-controller", why })
    });
    let external_secrets = one(shape, Install::ExternalSecrets, "external-secrets", start, async || {
        let engine = "External Secrets Operator";
        external_secrets::install(site).await.map_err(|why| Error::Engine { engine, why })
    });
    let (kyverno, policy_controller, external_secrets) =
        tokio::try_join!(kyverno, policy_controller, external_secrets)?;
    Ok([kyverno, policy_controller, external_secrets].into_iter().flatten().collect())
}

/// Installs one engine, if it is wanted, and says when it was ready.
async fn one(
    shape: &ResolvedShape,
    install: Install,
    name: &str,
    start: Instant,
    work: impl AsyncFnOnce() -> Result<(), Error>,
) -> Result<Option<(String, Duration)>, Error> {
    if !shape.install.contains(&install) {
        return Ok(None);
    }
    work().await?;
    Ok(Some((name.to_owned(), start.elapsed())))
}
