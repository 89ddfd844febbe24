//! How to reach what stands beside Kubernetes.

use std::collections::BTreeSet;

use addons::{AddonEndpoint, EndpointPlace};
use cluster::Cluster;
use model::AddonInstall;
use native::BoxCache;

use crate::fault::CommandFault;
use crate::folders::shell_quoted;

/// A line for each service, and for each file that helps to use it.
pub(crate) async fn service_lines(
    cluster: &Cluster,
    cache: &BoxCache,
    install: &BTreeSet<AddonInstall>,
) -> Result<Vec<String>, CommandFault> {
    let names: Vec<&str> = install.iter().map(|one| one.addon().name).collect();
    let mut lines: Vec<String> = addons::addon_endpoints(cluster, &names)
        .await?
        .iter()
        .map(describe_endpoint)
        .collect();
    let cosign = components::only_version("cosign")
        .ok()
        .filter(|tool| cache.is_built(tool));
    if let Some(cosign) = cosign.filter(|_| !install.is_empty()) {
        lines.push(aligned_line(
            "cosign",
            &shell_quoted(&cache.binary_path(cosign, "cosign").to_string_lossy()),
        ));
    }
    Ok(lines)
}

fn describe_endpoint(endpoint: &AddonEndpoint) -> String {
    match &endpoint.at {
        EndpointPlace::Words(words) => aligned_line(endpoint.name, words),
        EndpointPlace::File(path) => {
            aligned_line(endpoint.name, &shell_quoted(&path.to_string_lossy()))
        }
    }
}

fn aligned_line(name: &str, rest: &str) -> String {
    format!("  {name:<18} {rest}")
}
