//! How to reach what stands beside Kubernetes.

use std::collections::BTreeSet;

use addons::{Endpoint, Place};
use cluster::Cluster;
use model::Install;
use native::Cache;

use crate::fault::Fault;
use crate::folders::quoted;

/// A line for each service, and for each file that helps to use it.
pub(crate) async fn lines(
    cluster: &Cluster,
    cache: &Cache,
    install: &BTreeSet<Install>,
) -> Result<Vec<String>, Fault> {
    let names: Vec<&str> = install.iter().map(|one| one.addon().name).collect();
    let mut lines: Vec<String> = addons::endpoints(cluster, &names)
        .await?
        .iter()
        .map(told)
        .collect();
    let cosign = native::components::only("cosign")
        .ok()
        .filter(|tool| cache.built(tool));
    if let Some(cosign) = cosign.filter(|_| !install.is_empty()) {
        lines.push(line(
            "cosign",
            &quoted(&cache.binary(cosign, "cosign").to_string_lossy()),
        ));
    }
    Ok(lines)
}

fn told(endpoint: &Endpoint) -> String {
    match &endpoint.at {
        Place::Words(words) => line(endpoint.name, words),
        Place::File(path) => line(endpoint.name, &quoted(&path.to_string_lossy())),
    }
}

fn line(name: &str, rest: &str) -> String {
    format!("  {name:<18} {rest}")
}
