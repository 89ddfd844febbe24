//! The pinned components: what a box is made of, where each comes from and how it is built.

mod build;
mod contain;
mod feed;
mod stamp;
mod transfer;

pub(crate) use contain::{ARMED, CONTAIN, armed, contain};

use std::path::PathBuf;
use std::sync::LazyLock;

use crate::cache::Cache;
use crate::{Error, names};

/// A set of programs built from one `go.mod`.
#[derive(Debug)]
pub struct Component {
    /// Its name, such as `kubernetes`.
    pub name: &'static str,
    /// Its version, without a `v`.
    pub version: &'static str,
    /// The programs that come out of it.
    pub binaries: &'static [&'static str],
    go_mod: &'static str,
    go_sum: &'static str,
    steps: &'static [Step],
}

/// One call of `go build`.
#[derive(Debug)]
struct Step {
    packages: &'static [&'static str],
    cgo: bool,
    tags: &'static str,
    /// Whether Kubernetes' version is stamped in.
    stamped: bool,
    /// Programs whose package has another name than the program: package's last part, program.
    renames: &'static [(&'static str, &'static str)],
}

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
            go_mod: include_str!(concat!("../components/kubernetes-", $version, "/go.mod")),
            go_sum: include_str!(concat!("../components/kubernetes-", $version, "/go.sum")),
            steps: &[Step { packages: &["tool"], cgo: false, tags: "", stamped: true, renames: &[("server", "etcd")] }],
        }
    };
}

static PINNED: [Component; 3] = [
    kubernetes!("1.36.3"),
    kubernetes!("1.35.4"),
    Component {
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
        go_mod: include_str!("../components/runtime-2.4.2/go.mod"),
        go_sum: include_str!("../components/runtime-2.4.2/go.sum"),
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
];

/// Everything that is pinned; Kubernetes releases newest first.
#[must_use]
pub fn pinned() -> &'static [Component] {
    &PINNED
}

/// The Kubernetes component of a release, given as `1.36` or `1.36.3`.
///
/// # Errors
/// [`Error::UnknownRelease`], with the releases there are.
pub fn kubernetes(release: &str) -> Result<&'static Component, Error> {
    let all = || PINNED.iter().filter(|component| component.name == "kubernetes");
    let matches =
        |version: &str| version == release || version.rsplit_once('.').is_some_and(|(minor, _)| minor == release);
    all().find(|component| matches(component.version)).ok_or_else(|| Error::UnknownRelease {
        wanted: release.to_owned(),
        pinned: all().map(|component| component.version).collect::<Vec<_>>().join(", "),
    })
}

/// The container runtime: containerd, runc and the CNI plugins.
#[must_use]
pub fn runtime() -> &'static Component {
    &PINNED[2]
}

/// What a box of this shape is made of.
///
/// # Errors
/// [`Error::UnknownRelease`].
pub fn needed(shape: &crate::BoxShape) -> Result<Vec<&'static Component>, Error> {
    let kubernetes = kubernetes(&shape.kubernetes)?;
    Ok(if shape.nodes == 0 { vec![kubernetes] } else { vec![kubernetes, runtime()] })
}

impl Component {
    /// `NAME-VERSION`.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// `NAME-VERSION-HASH`: the folder's name. The hash covers go.mod, go.sum and the recipe.
    #[must_use]
    pub fn id(&self) -> String {
        static IDS: LazyLock<Vec<String>> = LazyLock::new(|| PINNED.iter().map(Component::compute_id).collect());
        PINNED
            .iter()
            .position(|pinned| std::ptr::eq(pinned, self))
            .map_or_else(|| self.compute_id(), |at| IDS[at].clone())
    }

    fn compute_id(&self) -> String {
        let recipe = format!("{}\n{}\n{:?}", self.go_mod, self.go_sum, self.steps);
        format!("{}-{}", self.title(), &names::sha256(recipe.as_bytes())[..12])
    }
}

impl Cache {
    /// A component's folder; its programs are in `bin` below it.
    #[must_use]
    pub fn component_dir(&self, component: &Component) -> PathBuf {
        self.components().join(component.id())
    }

    /// A program of a component.
    #[must_use]
    pub fn binary(&self, component: &Component, binary: &str) -> PathBuf {
        self.component_dir(component).join("bin").join(binary)
    }

    /// Whether a component is there, complete.
    #[must_use]
    pub fn built(&self, component: &Component) -> bool {
        stamp::is_whole(&self.component_dir(component), component)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_found_by_minor_and_by_patch() {
        assert_eq!(kubernetes("1.36").unwrap().version, "1.36.3");
        assert_eq!(kubernetes("1.35.4").unwrap().version, "1.35.4");
        assert_eq!(
            kubernetes("1.3").unwrap_err().to_string(),
            "Kubernetes `1.3` is not pinned; pinned are 1.36.3, 1.35.4"
        );
    }

    #[test]
    fn every_sum_is_pinned_and_every_folder_has_its_own_name() {
        for component in pinned() {
            assert!(component.go_mod.contains("tool ("), "{}", component.title());
            assert!(component.go_sum.lines().count() > 100, "{}", component.title());
        }
        let ids: std::collections::BTreeSet<_> = pinned().iter().map(Component::id).collect();
        assert_eq!(ids.len(), pinned().len());
    }
}
