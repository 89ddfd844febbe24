//! A node: its kubelet and its kube-proxy.

use serde_json::json;

use super::{Blueprint, DNS_ADDRESS, File, HOME, NODE, POD_CIDR, Process, json as json_file, kubernetes, verbosity};
use crate::config::runtime::SOCKET;
use crate::net::NODE_ADDRESS;

pub(super) fn kubelet(blueprint: &Blueprint) -> Process {
    let mut args = vec![
        format!("--config={HOME}/kubelet.yaml"),
        format!("--kubeconfig={HOME}/kubelet.kubeconfig"),
        format!("--root-dir={HOME}/kubelet"),
        format!("--hostname-override={NODE}"),
        format!("--node-ip={NODE_ADDRESS}"),
    ];
    args.extend(verbosity(blueprint.shape));
    let mut process = kubernetes("kubelet", args);
    process.after_socket = Some(SOCKET.into());
    process
}

pub(super) fn proxy() -> Process {
    kubernetes("kube-proxy", vec![format!("--config={HOME}/kube-proxy.yaml")])
}

pub(super) fn files(blueprint: &Blueprint) -> Vec<File> {
    let gates = &blueprint.shape.feature_gates;
    let mut kubelet = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": format!("{HOME}/pki/ca.crt") },
        },
        "authorization": { "mode": "Webhook" },
        "tlsCertFile": format!("{HOME}/pki/kubelet.crt"),
        "tlsPrivateKeyFile": format!("{HOME}/pki/kubelet.key"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": blueprint.cgroup_root,
        "failCgroupV1": false,
        "failSwapOn": false,
        "enforceNodeAllocatable": [],
        "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
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
        "volumePluginDir": format!("{HOME}/kubelet-plugins"),
        "shutdownGracePeriod": "0s",
        "enableDebuggingHandlers": true,
        "featureGates": gates,
    });
    if let Some(frequency) = &blueprint.shape.sync_frequency {
        kubelet["syncFrequency"] = json!(frequency);
    }
    let proxy = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": POD_CIDR,
        "clientConnection": { "kubeconfig": format!("{HOME}/kube-proxy.kubeconfig") },
        "hostnameOverride": NODE,
        "nftables": { "minSyncPeriod": "100ms" },
        "conntrack": { "maxPerCore": 0 },
        "featureGates": gates,
    });
    vec![json_file("kubelet.yaml", &kubelet), json_file("kube-proxy.yaml", &proxy)]
}
