//! How to reach what stands beside Kubernetes: from this machine by the box's address, in the box and its pods by name.

use std::collections::BTreeSet;
use std::path::Path;

use cluster::{Cluster, Toolbox, Trust};
use model::Install;
use native::Cache;

use crate::fault::Fault;
use crate::folders::quoted;

/// A line for each service, and for each file that helps to use it.
pub(crate) async fn lines(cluster: &Cluster, cache: &Cache, install: &BTreeSet<Install>) -> Result<Vec<String>, Fault> {
    let Some(toolbox) = cluster.toolbox() else { return Ok(Vec::new()) };
    let mut lines = Vec::new();
    if install.contains(&Install::Registry) {
        lines.extend(registry(toolbox)?);
    }
    if install.contains(&Install::Sigstore) {
        lines.extend(sigstore(toolbox).await?);
    }
    if install.contains(&Install::Kyverno) {
        lines.push(line("Kyverno", "pods in the namespace kyverno"));
    }
    if install.contains(&Install::PolicyController) {
        let label = "policy.sigstore.dev/include=true";
        lines.push(line("policy-controller", &format!("pods in cosign-system; it looks at namespaces with {label}")));
    }
    if install.contains(&Install::Dns) {
        lines.push(line("CoreDNS", &format!("{} in the box: the cluster's names, and no others", native::DNS_ADDRESS)));
    }
    let cosign = native::components::tool("cosign").ok().filter(|tool| cache.built(tool));
    if let Some(cosign) = cosign.filter(|_| !install.is_empty()) {
        lines.push(line("cosign", &quoted(&cache.binary(cosign, "cosign").to_string_lossy())));
    }
    Ok(lines)
}

fn registry(toolbox: Toolbox<'_>) -> Result<[String; 4], Fault> {
    let authority = toolbox.work().join("ca.crt");
    put(&authority, toolbox.ca())?;
    let at = |scheme: &str, name: &str| {
        let port = name.rsplit(':').next().unwrap_or_default();
        format!("{scheme}://{}:{port}, in the box {name}", toolbox.address())
    };
    Ok([
        line("registry", &at("https", Toolbox::REGISTRY)),
        line("its authority", &quoted(&authority.to_string_lossy())),
        line("without TLS", &at("http", Toolbox::PLAIN_REGISTRY)),
        line("spoiling answers", &format!("{}/FAULT/IMAGE", at("http", Toolbox::FRONT))),
    ])
}

async fn sigstore(toolbox: Toolbox<'_>) -> Result<Vec<String>, Fault> {
    let at = |name: &str| {
        let port = name.rsplit(':').next().unwrap_or_default();
        format!("http://{}:{port}, in the box {name}", toolbox.address())
    };
    let root = Trust::of_box(toolbox).await?.write(toolbox, toolbox.work(), "trusted-root").await?;
    Ok(vec![
        line("Fulcio", &format!("{}; it takes tokens of ServiceAccounts for `sigstore`", at(Toolbox::FULCIO))),
        line("Rekor", &at(Toolbox::REKOR)),
        line("timestamps", &at(Toolbox::TIMESTAMPS)),
        line("a trusted root", &quoted(&root.to_string_lossy())),
    ])
}

fn put(path: &Path, text: &str) -> Result<(), Fault> {
    let failed = |error: std::io::Error| Fault::machine(format!("cannot write `{}`", path.display())).because(&error);
    std::fs::write(path, text).map_err(failed)
}

fn line(name: &str, rest: &str) -> String {
    format!("  {name:<18} {rest}")
}
