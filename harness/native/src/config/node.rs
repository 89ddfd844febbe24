//! A node: its runtime, its kubelet and its kube-proxy. What is not the first node's goes by way of
//! this program, which joins the node's network and control group.

use std::net::Ipv4Addr;

use serde_json::json;

use super::{
    API_GATE_PORT, BOX_HOME, BoxBlueprint, BoxFile, BoxProcess, DNS_ADDRESS, OWN_PROGRAM, POD_CIDR,
    POD_CIDR_6, json_file, kubernetes_node, runtime, verbosity_flag,
};
use crate::node::BoxNode;
use crate::on_node::ON_NODE;

/// What starts with the box.
pub(super) fn first_processes(blueprint: &BoxBlueprint, node: BoxNode) -> Vec<BoxProcess> {
    let processes = runtime::containerd_processes(node)
        .into_iter()
        .chain([kubelet_process(blueprint, node)]);
    processes
        .map(|process| placed_process(blueprint, node, process))
        .collect()
}

/// What starts once the API server answers.
pub(super) fn second_processes(blueprint: &BoxBlueprint, node: BoxNode) -> BoxProcess {
    let config = format!("--config={BOX_HOME}/{}.yaml", node.own_name("kube-proxy"));
    placed_process(blueprint, node, kubernetes_node("kube-proxy", vec![config]))
}

/// Where what runs on a node reaches the API server: at the gate in the node's own network, which
/// goes on from the node's address.
pub(crate) fn apiserver_url() -> String {
    format!("https://{}:{API_GATE_PORT}", Ipv4Addr::LOCALHOST)
}

/// The process of a node, under the node's own name for it and in the node's place.
pub(super) fn placed_process(
    blueprint: &BoxBlueprint,
    node: BoxNode,
    process: BoxProcess,
) -> BoxProcess {
    if node.is_first() {
        return process;
    }
    let program = process.program.to_string_lossy().into_owned();
    let join = [
        ON_NODE.to_owned(),
        node.name(),
        blueprint.cgroup_root.to_owned(),
        program,
    ];
    BoxProcess {
        name: node.own_name(&process.name),
        program: format!("{BOX_HOME}/{OWN_PROGRAM}").into(),
        args: join.into_iter().chain(process.args).collect(),
        ..process
    }
}

fn kubelet_process(blueprint: &BoxBlueprint, node: BoxNode) -> BoxProcess {
    let own = node.own_name("kubelet");
    let mut args = vec![
        format!("--config={BOX_HOME}/{own}.yaml"),
        format!("--kubeconfig={BOX_HOME}/{own}.kubeconfig"),
        format!("--root-dir={BOX_HOME}/{own}"),
        format!("--hostname-override={}", node.name()),
        format!(
            "--node-ip={}",
            blueprint.families(&node.address().to_string(), &node.address_6().to_string())
        ),
    ];
    args.extend(verbosity_flag(blueprint.cluster));
    let mut process = kubernetes_node("kubelet", args);
    process.after_socket = Some(runtime::containerd_socket(node).into());
    process
}

pub(super) fn node_files(blueprint: &BoxBlueprint, node: BoxNode) -> Vec<BoxFile> {
    let (own, proxy) = (node.own_name("kubelet"), node.own_name("kube-proxy"));
    let gates = &blueprint.cluster.feature_gates;
    let mut kubelet = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": format!("{BOX_HOME}/pki/ca.crt") },
        },
        "authorization": { "mode": "Webhook" },
        "tlsCertFile": format!("{BOX_HOME}/pki/{own}.crt"),
        "tlsPrivateKeyFile": format!("{BOX_HOME}/pki/{own}.key"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup_root(blueprint, node),
        "failCgroupV1": false,
        "failSwapOn": false,
        "enforceNodeAllocatable": [],
        "containerRuntimeEndpoint": format!("unix://{}", runtime::containerd_socket(node)),
        "clusterDomain": "cluster.local",
        "clusterDNS": [DNS_ADDRESS],
        "resolvConf": "",
        "evictionHard": {},
        "maxPods": 500,
        "serializeImagePulls": false,
        "kubeAPIQPS": 1000,
        "kubeAPIBurst": 2000,
        "eventRecordQPS": 0,
        "registryPullQPS": 0,
        "nodeStatusUpdateFrequency": "1s",
        "nodeStatusReportFrequency": "10s",
        "volumePluginDir": format!("{BOX_HOME}/kubelet-plugins"),
        "shutdownGracePeriod": "0s",
        "enableDebuggingHandlers": true,
        "featureGates": gates,
    });
    if let Some(frequency) = &blueprint.cluster.sync_frequency {
        kubelet["syncFrequency"] = json!(frequency);
    }
    if blueprint.cluster.seccomp_default {
        kubelet["seccompDefault"] = json!(true);
    }
    if blueprint.cluster.node_monitor_grace_period.is_some() {
        // It renews its lease four times in that time, so every second.
        kubelet["nodeLeaseDurationSeconds"] = json!(4);
    }
    if !node.is_first() {
        // A kubelet takes the logs of pods away that it does not know.
        kubelet["podLogsDir"] = json!(format!("/var/log/{}", node.own_name("pods")));
    }
    let config = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": blueprint.families(POD_CIDR, POD_CIDR_6),
        "clientConnection": { "kubeconfig": format!("{BOX_HOME}/{proxy}.kubeconfig") },
        "hostnameOverride": node.name(),
        "nftables": { "minSyncPeriod": "100ms" },
        "conntrack": { "maxPerCore": 0 },
        "featureGates": gates,
    });
    vec![
        json_file(&format!("{own}.yaml"), &kubelet),
        json_file(&format!("{proxy}.yaml"), &config),
    ]
}

/// The group that a node's pods are below.
fn cgroup_root(blueprint: &BoxBlueprint, node: BoxNode) -> String {
    let root = blueprint.cgroup_root;
    if node.is_first() {
        root.to_owned()
    } else {
        format!("{root}/{}", node.name())
    }
}
