//! The pinned components: what a cluster is made of, where each comes from and how it is built.

use std::path::PathBuf;
use std::sync::LazyLock;

use crate::charts::RENDERER_FILES;
use crate::recipes::PINNED_COMPONENTS;
use crate::{BoxCache, Error, digest, recipes, stamp};

/// The folder of a component's programs, in its own.
pub const BIN_FOLDER: &str = "bin";

/// The folder of a component's data.
pub const DATA_FOLDER: &str = "data";

/// A set of programs that are built together.
#[derive(Debug)]
pub struct PinnedComponent {
    /// Its name, such as `kubernetes`.
    pub name: &'static str,
    /// Its version, without a `v`.
    pub version: &'static str,
    /// The programs that come out of it.
    pub binaries: &'static [&'static str],
    /// Files that it needs at run time, from its modules.
    pub(crate) data: &'static [Data],
    /// Charts of its modules that it needs rendered at run time.
    pub(crate) charts: &'static [Chart],
    pub(crate) source: ComponentSource,
    /// How long its build takes.
    pub(crate) seconds: u16,
}

/// What a component is built from.
#[derive(Debug)]
pub(crate) enum ComponentSource {
    /// Pinned Go modules.
    Go {
        go_mod: &'static str,
        go_sum: &'static str,
        steps: &'static [Step],
    },
    /// Rust sources that this program holds, by their path in a workspace.
    Cargo {
        files: &'static [(&'static str, &'static str)],
    },
}

/// The path of a part in the component's folder.
pub(crate) fn part_path(part: &str) -> String {
    if is_data(part) {
        part.to_owned()
    } else {
        format!("{BIN_FOLDER}/{part}")
    }
}

/// Whether a part is data; no program has a slash in its name.
pub(crate) fn is_data(part: &str) -> bool {
    part.contains('/')
}

/// A file of a module. Such files are read from the module when the component is built, and never
/// kept here. A component's hash covers the name of this type.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) module: &'static str,
    /// Inside the module.
    pub(crate) path: &'static str,
    /// Its name in the component's `data` folder.
    pub(crate) name: &'static str,
}

impl Data {
    pub(crate) fn part(&self) -> String {
        format!("{DATA_FOLDER}/{}", self.name)
    }
}

/// A Helm chart of a module, which is rendered with its own values when the component is built, and
/// never kept here. A component's hash covers the name of this type.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) module: &'static str,
    /// Inside the module.
    pub(crate) path: &'static str,
    /// What the release is called, and the namespace that it is rendered for.
    pub(crate) release: &'static str,
    /// The name of what comes out of it, in the component's `data` folder.
    pub(crate) name: &'static str,
}

impl Chart {
    pub(crate) fn part(&self) -> String {
        format!("{DATA_FOLDER}/{}", self.name)
    }
}

/// One call of `go build`. A component's hash covers the name of this type.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) packages: &'static [&'static str],
    pub(crate) cgo: bool,
    pub(crate) tags: &'static str,
    /// Whether Kubernetes' version is stamped in.
    pub(crate) stamped: bool,
    /// Programs whose package has another name than the program: package's last part, program.
    pub(crate) renames: &'static [(&'static str, &'static str)],
}

/// Everything that is pinned: Kubernetes releases, newest first, then the runtime, the probe and
/// etcd's tools, then what a world can install.
#[must_use]
pub fn pinned_components() -> &'static [PinnedComponent] {
    PINNED_COMPONENTS
}

/// The control plane of a Kubernetes release, given as `1.36` or `1.36.3`: etcd, API server,
/// controller manager.
///
/// # Errors
/// [`Error::UnknownRelease`], with the releases there are.
pub fn kubernetes_component(release: &str) -> Result<&'static PinnedComponent, Error> {
    released_component("kubernetes", release)
}

/// What a node of this release runs, its scheduler, and `kubectl`.
///
/// # Errors
/// [`Error::UnknownRelease`], with the releases there are.
pub fn kubernetes_node(release: &str) -> Result<&'static PinnedComponent, Error> {
    released_component(KUBERNETES_NODE, release)
}

/// The component of a node.
pub const KUBERNETES_NODE: &str = "kubernetes-node";

fn released_component(name: &str, release: &str) -> Result<&'static PinnedComponent, Error> {
    let all = || {
        PINNED_COMPONENTS
            .iter()
            .filter(|component| component.name == name)
    };
    let matches = |version: &str| {
        version == release
            || version
                .rsplit_once('.')
                .is_some_and(|(minor, _)| minor == release)
    };
    all()
        .find(|component| matches(component.version))
        .ok_or_else(|| Error::UnknownRelease {
            wanted: release.to_owned(),
            pinned: all()
                .map(|component| component.version)
                .collect::<Vec<_>>()
                .join(", "),
        })
}

/// The container runtime: containerd, runc and the CNI plugins.
#[must_use]
pub fn runtime_component() -> &'static PinnedComponent {
    &recipes::RUNTIME_COMPONENT
}

/// The program of the test image.
#[must_use]
pub fn probe_component() -> &'static PinnedComponent {
    &recipes::PROBE_COMPONENT
}

/// The component of this name and version.
///
/// # Errors
/// [`Error::UnknownComponent`].
pub fn find_component(name: &str, version: &str) -> Result<&'static PinnedComponent, Error> {
    let found = PINNED_COMPONENTS
        .iter()
        .find(|component| component.name == name && component.version == version);
    found.ok_or_else(|| Error::UnknownComponent(format!("{name}-{version}")))
}

/// The component of this title, `NAME-VERSION`.
///
/// # Errors
/// [`Error::UnknownComponent`].
pub fn find_titled(title: &str) -> Result<&'static PinnedComponent, Error> {
    let found = PINNED_COMPONENTS
        .iter()
        .find(|component| component.title() == title);
    found.ok_or_else(|| Error::UnknownComponent(title.to_owned()))
}

/// The only version of a component, such as `cosign`: who asks has no version to name.
///
/// # Errors
/// [`Error::UnknownComponent`], where there is none, or several and one has to be named.
pub fn only_version(name: &str) -> Result<&'static PinnedComponent, Error> {
    let mut found = PINNED_COMPONENTS
        .iter()
        .filter(|component| component.name == name);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) | (Some(_), Some(_)) => Err(Error::UnknownComponent(name.to_owned())),
    }
}

/// What looks into etcd, and saves and restores what it holds. No box needs it by itself.
pub const ETCD_TOOLS: &str = "etcd-tools";

/// The program of the box's own image, which images of scenarios begin with.
pub const PROBE_NAME: &str = "probe";

impl PinnedComponent {
    /// Whether it is built from Rust sources; every other one is built from Go modules.
    #[must_use]
    pub fn is_cargo(&self) -> bool {
        matches!(self.source, ComponentSource::Cargo { .. })
    }

    /// How long its build takes beside that of others, in seconds on a quiet machine of two cores
    /// that does nothing else, with the modules still to be fetched and the components before it in
    /// [`pinned_components`] built.
    #[must_use]
    pub fn build_seconds(&self) -> u16 {
        self.seconds
    }

    /// `NAME-VERSION`.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// `NAME-VERSION-HASH`: the folder's name. The hash covers go.mod, go.sum, the recipe, and what
    /// renders its charts.
    #[must_use]
    pub fn id(&self) -> String {
        static IDS: LazyLock<Vec<String>> = LazyLock::new(|| {
            PINNED_COMPONENTS
                .iter()
                .map(PinnedComponent::compute_id)
                .collect()
        });
        PINNED_COMPONENTS
            .iter()
            .position(|pinned| std::ptr::eq(pinned, self))
            .map_or_else(|| self.compute_id(), |at| IDS[at].clone())
    }

    /// Where the file of this name in its data is in the module that it comes from, or the chart
    /// that it is rendered from.
    #[must_use]
    pub fn data_origin(&self, name: &str) -> Option<&'static str> {
        let files = self.data.iter().map(|data| (data.name, data.path));
        let charts = self.charts.iter().map(|chart| (chart.name, chart.path));
        let mut found = files.chain(charts).filter(|(own, _)| *own == name);
        found.next().map(|(_, path)| path)
    }

    /// Whether it has files beside its programs.
    #[must_use]
    pub fn has_data(&self) -> bool {
        !self.data.is_empty() || !self.charts.is_empty()
    }

    /// What it consists of, sorted: its programs by name, its data as `data/NAME`.
    pub(crate) fn parts(&self) -> Vec<String> {
        let programs = self.binaries.iter().map(|name| (*name).to_owned());
        let data = self.data.iter().map(Data::part);
        let charts = self.charts.iter().map(Chart::part);
        let mut parts: Vec<String> = programs.chain(data).chain(charts).collect();
        parts.sort();
        parts
    }

    fn compute_id(&self) -> String {
        let mut recipe = match &self.source {
            ComponentSource::Go {
                go_mod,
                go_sum,
                steps,
            } => format!("{go_mod}\n{go_sum}\n{steps:?}"),
            ComponentSource::Cargo { files } => format!("{files:?}"),
        };
        if !self.data.is_empty() {
            recipe += &format!("\n{:?}", self.data);
        }
        if !self.charts.is_empty() {
            recipe += &format!("\n{:?}\n{RENDERER_FILES:?}", self.charts);
        }
        format!(
            "{}-{}",
            self.title(),
            &digest::sha256_hex(recipe.as_bytes())[..12]
        )
    }
}

impl BoxCache {
    /// A component's folder; its programs are in `bin` below it, what it needs beside them in
    /// `data`.
    #[must_use]
    pub fn component_dir(&self, component: &PinnedComponent) -> PathBuf {
        self.components_folder().join(component.id())
    }

    /// A file that a component needs at run time, such as Kyverno's `install.yaml`.
    #[must_use]
    pub fn data_path(&self, component: &PinnedComponent, file: &str) -> PathBuf {
        self.component_dir(component).join(DATA_FOLDER).join(file)
    }

    /// A program of a component.
    #[must_use]
    pub fn binary_path(&self, component: &PinnedComponent, binary: &str) -> PathBuf {
        self.component_dir(component).join(BIN_FOLDER).join(binary)
    }

    /// Those of `needed` that are not built.
    #[must_use]
    pub fn unbuilt_components(
        &self,
        needed: &[&'static PinnedComponent],
    ) -> Vec<&'static PinnedComponent> {
        needed
            .iter()
            .copied()
            .filter(|component| !self.is_built(component))
            .collect()
    }

    /// Whether a component is there, complete.
    #[must_use]
    pub fn is_built(&self, component: &PinnedComponent) -> bool {
        stamp::is_whole(&self.component_dir(component), component)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_found_by_minor_and_by_patch() {
        assert_eq!(kubernetes_component("1.36").unwrap().version, "1.36.3");
        assert_eq!(kubernetes_component("1.35.4").unwrap().version, "1.35.4");
        assert_eq!(
            kubernetes_component("1.3").unwrap_err().to_string(),
            "Kubernetes `1.3` is not pinned; pinned are 1.36.3, 1.35.4"
        );
    }

    #[test]
    fn a_component_is_found_by_name_and_version_and_never_by_chance() {
        let kyverno = find_titled("kyverno-1.19.1").unwrap();
        assert!(kyverno.binaries.contains(&"kyverno") && kyverno.binaries.len() == 4);
        assert_eq!(
            find_component("kyverno", kyverno.version).unwrap().id(),
            kyverno.id()
        );
        assert_eq!(find_titled(&kyverno.title()).unwrap().id(), kyverno.id());
        for found in [
            only_version("trivy"),
            only_version("kubernetes"),
            find_component("kyverno", "0.0.1"),
            find_titled("kyverno"),
        ] {
            assert!(
                matches!(found, Err(Error::UnknownComponent(_))),
                "{found:?}"
            );
        }
    }

    #[test]
    fn every_sum_is_pinned_and_every_folder_has_its_own_name() {
        for component in pinned_components() {
            let ComponentSource::Go { go_mod, go_sum, .. } = &component.source else {
                continue;
            };
            assert!(go_mod.contains("\ntool "), "{}", component.title());
            assert!(go_sum.lines().count() > 100, "{}", component.title());
        }
        let ids: std::collections::BTreeSet<_> = pinned_components()
            .iter()
            .map(PinnedComponent::id)
            .collect();
        assert_eq!(ids.len(), pinned_components().len());
    }
}
