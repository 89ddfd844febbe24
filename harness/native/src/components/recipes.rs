//! The recipes: which packages make up a component, and how they are built.

mod names;
mod signing;
mod stores;
mod verifiers;

use super::{Component, Step};

/// A component that is built in one step, without cgo, from the `tool` lines of its `go.mod`.
macro_rules! tools {
    ($name:literal, $version:literal, $binaries:expr, renames: $renames:expr, data: $data:expr) => {
        $crate::components::Component {
            name: $name,
            version: $version,
            binaries: &$binaries,
            data: &$data,
            go_mod: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/components/", $name, "-", $version, "/go.mod")),
            go_sum: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/components/", $name, "-", $version, "/go.sum")),
            steps: &[$crate::components::Step {
                packages: &["tool"],
                cgo: false,
                tags: "",
                stamped: false,
                renames: &$renames,
            }],
        }
    };
}
use tools;

macro_rules! kubernetes {
    ($version:literal) => {
        Component {
            name: "kubernetes",
            version: $version,
            binaries: &[
                "etcd",
                "kube-apiserver",
                "kube-controller-manager",
                "kube-proxy",
                "kube-scheduler",
                "kubectl",
                "kubelet",
            ],
            data: &[],
            go_mod: include_str!(concat!("../../components/kubernetes-", $version, "/go.mod")),
            go_sum: include_str!(concat!("../../components/kubernetes-", $version, "/go.sum")),
            steps: &[Step { packages: &["tool"], cgo: false, tags: "", stamped: true, renames: &[("server", "etcd")] }],
        }
    };
}

pub(super) static PINNED: [Component; 16] = [
    kubernetes!("1.36.3"),
    kubernetes!("1.35.4"),
    RUNTIME,
    ETCD_TOOLS,
    signing::REGISTRY,
    signing::COSIGN,
    signing::FULCIO,
    signing::REKOR,
    signing::TIMESTAMPS,
    signing::SYFT,
    signing::GRYPE,
    verifiers::KYVERNO,
    verifiers::POLICY_CONTROLLER,
    stores::EXTERNAL_SECRETS,
    stores::VAULT,
    names::COREDNS,
];

/// What looks into etcd, and saves and restores what it holds.
const ETCD_TOOLS: Component = tools!("etcd-tools", "3.6.8", ["etcdctl", "etcdutl"], renames: [], data: []);

const RUNTIME: Component = Component {
    name: "runtime",
    version: "2.4.2",
    binaries: &[
        "bridge",
        "containerd",
        "containerd-shim-runc-v2",
        "ctr",
        "host-local",
        "loopback",
        "portmap",
        "ptp",
        "runc",
    ],
    data: &[],
    go_mod: include_str!("../../components/runtime-2.4.2/go.mod"),
    go_sum: include_str!("../../components/runtime-2.4.2/go.sum"),
    steps: &[
        Step {
            packages: &[
                "github.com/containerd/containerd/v2/cmd/containerd",
                "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
                "github.com/containerd/containerd/v2/cmd/ctr",
                "github.com/containernetworking/plugins/plugins/main/bridge",
                "github.com/containernetworking/plugins/plugins/main/loopback",
                "github.com/containernetworking/plugins/plugins/main/ptp",
                "github.com/containernetworking/plugins/plugins/ipam/host-local",
                "github.com/containernetworking/plugins/plugins/meta/portmap",
            ],
            cgo: false,
            tags: "",
            stamped: false,
            renames: &[],
        },
        Step {
            packages: &["github.com/opencontainers/runc"],
            cgo: true,
            tags: "seccomp",
            stamped: false,
            renames: &[],
        },
    ],
};
