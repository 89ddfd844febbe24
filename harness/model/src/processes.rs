//! The processes of a box: what a cluster of a shape is made of, by their names.

use std::collections::BTreeSet;

use crate::{API_SERVER, ClusterSpec};

/// What every cluster has.
const FIRST_PROCESSES: [&str; 3] = ["etcd", API_SERVER, "kube-controller-manager"];

/// What each node has; a further node's have its number behind the name.
const NODE_PROCESSES: [&str; 3] = ["containerd", "kube-proxy", "kubelet"];

/// What each node has that does its work and ends.
const ENDING_NODE_PROCESS: &str = "image-import";

/// What a cluster has once that has nodes.
const SCHEDULER_PROCESS: &str = "kube-scheduler";

const REGISTRY_PROCESSES: [&str; 3] = ["front", "registry", "registry-plain"];
const PRIVATE_REGISTRY_PROCESS: &str = "registry-private";
const SIGSTORE_PROCESSES: [&str; 3] = ["fulcio", "rekor", "timestamp-authority"];

/// Counts what pods ask of those, and ends.
const COUNTING_PROCESS: &str = "count";

/// Each node's, where NetworkPolicies are enforced.
const ENFORCER_PROCESS: &str = "network-policy";

/// The names of the processes that run in such a cluster.
#[must_use]
pub fn lasting_processes(cluster: &ClusterSpec) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = FIRST_PROCESSES.map(str::to_owned).into();
    names.extend(cluster.kms.iter().map(|name| format!("kms-{name}")));
    for node in 1..=cluster.nodes {
        names.extend(NODE_PROCESSES.map(|name| node_process(name, node)));
        if cluster.enforce_network_policy {
            names.insert(node_process(ENFORCER_PROCESS, node));
        }
    }
    if cluster.nodes > 0 {
        names.insert(SCHEDULER_PROCESS.to_owned());
    }
    if cluster.has_registry() {
        names.extend(REGISTRY_PROCESSES.map(str::to_owned));
    }
    if cluster.has_private_registry() {
        names.insert(PRIVATE_REGISTRY_PROCESS.to_owned());
    }
    if cluster.has_sigstore() {
        names.extend(SIGSTORE_PROCESSES.map(str::to_owned));
    }
    names
}

/// The same with those that do their work and end: each leaves a log.
#[must_use]
pub fn logged_processes(cluster: &ClusterSpec) -> BTreeSet<String> {
    let mut names = lasting_processes(cluster);
    names.extend((1..=cluster.nodes).map(|node| node_process(ENDING_NODE_PROCESS, node)));
    if cluster.has_sigstore() && cluster.nodes > 0 {
        names.insert(COUNTING_PROCESS.to_owned());
    }
    names
}

fn node_process(name: &str, node: u8) -> String {
    match node {
        1 => name.to_owned(),
        _ => format!("{name}-{node}"),
    }
}
