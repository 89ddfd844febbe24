//! How to reach addons: from this machine by the box's address, in the box and its pods by name.

use cluster::{Cluster, HostAccess};
use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::{Error, LIVE_ADDONS};

/// A service, or a file that helps to use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddonEndpoint {
    /// What it is.
    pub name: &'static str,
    /// Where it is.
    pub at: EndpointPlace,
}

/// Where something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointPlace {
    /// As these words say.
    Words(String),
    /// In this file.
    File(std::path::PathBuf),
}

impl AddonEndpoint {
    /// One that is described in words.
    pub(crate) fn described(name: &'static str, words: impl Into<String>) -> Self {
        Self {
            name,
            at: EndpointPlace::Words(words.into()),
        }
    }

    /// One that is a file.
    pub(crate) fn file(name: &'static str, path: std::path::PathBuf) -> Self {
        Self {
            name,
            at: EndpointPlace::File(path),
        }
    }
}

/// How to reach the addons of these names in a box, each thing once.
///
/// # Errors
/// When one of them cannot be asked, or a file cannot be written.
pub async fn addon_endpoints(
    cluster: &Cluster,
    names: &[&str],
) -> Result<Vec<AddonEndpoint>, Error> {
    let Some(host_access) = cluster.host_access() else {
        return Ok(Vec::new());
    };
    let mut all: Vec<AddonEndpoint> = Vec::new();
    for live in LIVE_ADDONS
        .iter()
        .filter(|live| names.contains(&live.addon.name))
    {
        for endpoint in (live.endpoints)(host_access).await? {
            if !all.contains(&endpoint) {
                all.push(endpoint);
            }
        }
    }
    Ok(all)
}

/// What is described in a line.
pub(crate) fn describe_line<'a>(
    name: &'static str,
    words: &str,
) -> LocalBoxFuture<'a, Result<Vec<AddonEndpoint>, Error>> {
    let all = Ok(vec![AddonEndpoint::described(name, words)]);
    async { all }.boxed_local()
}

/// A service's address as this machine reaches it, and its name in the box.
pub(crate) fn reachable_address(host_access: HostAccess<'_>, scheme: &str, name: &str) -> String {
    let port = name.rsplit(':').next().unwrap_or_default();
    format!(
        "{scheme}://{}:{port}, in the box {name}",
        host_access.address()
    )
}
