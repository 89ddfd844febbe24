//! The recipes: which packages make up a component, and how they are built. Those of what a world
//! can install, and of the tools, are beside their modules: `modules/NAME-VERSION/recipe.rs`.

use crate::component::{Chart, ComponentSource, Data, PinnedComponent, Step};
use crate::probe_source;

/// The text of a file in a component's folder.
macro_rules! folder_text {
    ($name:literal, $version:literal, $file:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/modules/",
            $name,
            "-",
            $version,
            "/",
            $file
        ))
    };
}

/// A component that is built in one step, without cgo, from the `tool` lines of its `go.mod`. Its
/// turn says where it comes in the order of building, and is read by the build script; its seconds
/// say how long its build takes; its data are files of a module, as path and name, and perhaps a
/// chart of it, as path, release and name.
macro_rules! tools {
    (
        $name:literal, $version:literal, $binaries:expr,
        turn: $turn:literal,
        seconds: $seconds:literal,
        renames: $renames:expr,
        data: $module:literal [$(($path:literal, $file:literal)),* $(,)?]
        $(, chart: ($chart:literal, $release:literal, $manifest:literal))?
    ) => {
        $crate::component::PinnedComponent {
            name: $name,
            version: $version,
            binaries: &$binaries,
            data: &[$(Data { module: $module, path: $path, name: $file }),*],
            charts: &[$(Chart {
                module: $module,
                path: $chart,
                release: $release,
                name: $manifest,
            })?],
            seconds: $seconds,
            source: $crate::component::ComponentSource::Go {
                go_mod: folder_text!($name, $version, "go.mod"),
                go_sum: folder_text!($name, $version, "go.sum"),
                steps: &[$crate::component::Step {
                    packages: &["tool"],
                    cgo: false,
                    tags: "",
                    stamped: false,
                    renames: &$renames,
                }],
            },
        }
    };
}
/// A part of a Kubernetes release. All parts of a release are built from one `go.mod`.
macro_rules! kubernetes {
    ($name:literal, $version:literal, $binaries:expr, $packages:expr, seconds: $seconds:literal, renames: $renames:expr) => {
        PinnedComponent {
            seconds: $seconds,
            name: $name,
            version: $version,
            binaries: &$binaries,
            data: &[],
            charts: &[],
            source: ComponentSource::Go {
                go_mod: folder_text!("kubernetes", $version, "go.mod"),
                go_sum: folder_text!("kubernetes", $version, "go.sum"),
                steps: &[Step {
                    packages: &$packages,
                    cgo: false,
                    tags: "",
                    stamped: true,
                    renames: &$renames,
                }],
            },
        }
    };
}

/// What answers: a box without nodes has no more than this, so it is built by itself and first.
macro_rules! control_plane {
    ($version:literal) => {
        kubernetes!(
            "kubernetes", $version,
            ["etcd", "kube-apiserver", "kube-controller-manager"],
            [
                "go.etcd.io/etcd/server/v3",
                "k8s.io/kubernetes/cmd/kube-apiserver",
                "k8s.io/kubernetes/cmd/kube-controller-manager",
            ],
            seconds: 190,
            renames: [("server", "etcd")]
        )
    };
}

/// What runs pods, and the client.
macro_rules! node {
    ($version:literal) => {
        kubernetes!(
            "kubernetes-node", $version,
            ["kube-proxy", "kube-scheduler", "kubectl", "kubelet"],
            [
                "k8s.io/kubernetes/cmd/kube-proxy",
                "k8s.io/kubernetes/cmd/kube-scheduler",
                "k8s.io/kubernetes/cmd/kubectl",
                "k8s.io/kubernetes/cmd/kubelet",
            ],
            seconds: 110,
            renames: []
        )
    };
}

/// Those that are named here, around those of folders.
macro_rules! pinned {
    ($($folder:expr),* $(,)?) => {
        &[
            control_plane!("1.36.3"),
            ETCD_TOOLS,
            PROBE_COMPONENT,
            RUNTIME_COMPONENT,
            node!("1.36.3"),
            $($folder,)*
            control_plane!("1.35.4"),
            node!("1.35.4"),
        ]
    };
}

/// In the order in which they are built where several are missing: what most scenarios need comes
/// first.
pub(crate) static PINNED_COMPONENTS: &[PinnedComponent] =
    include!(concat!(env!("OUT_DIR"), "/pinned.rs"));

/// What looks into etcd, and saves and restores what it holds.
const ETCD_TOOLS: PinnedComponent = tools!("etcd-tools", "3.6.8", ["etcdctl", "etcdutl"], turn: 0, seconds: 45, renames: [], data: "" []);

/// What every pod runs, and the front of the registry; see [`probe_source`].
pub(crate) const PROBE_COMPONENT: PinnedComponent = PinnedComponent {
    name: "probe",
    version: env!("CARGO_PKG_VERSION"),
    binaries: &["probe"],
    seconds: 60,
    data: &[],
    charts: &[],
    source: ComponentSource::Cargo {
        files: probe_source::SOURCE_FILES,
    },
};

pub(crate) const RUNTIME_COMPONENT: PinnedComponent = PinnedComponent {
    name: "runtime",
    version: "2.4.2",
    seconds: 110,
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
    charts: &[],
    source: ComponentSource::Go {
        go_mod: include_str!("../modules/runtime-2.4.2/go.mod"),
        go_sum: include_str!("../modules/runtime-2.4.2/go.sum"),
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
    },
};
