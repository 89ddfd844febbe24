//! The pinned components: what a box is made of, where each comes from and how it is built.

mod build;
mod cargo;
mod contain;
mod feed;
mod go;
mod probe_source;
mod recipes;
mod stamp;
mod transfer;

pub(crate) use contain::{ARMED, CONTAIN, armed, contain};

use std::path::PathBuf;
use std::sync::LazyLock;

use recipes::PINNED;

use crate::cache::Cache;

use crate::{Error, names};

/// The folder of a component's programs, in its own.
pub(crate) const BIN: &str = "bin";

/// The folder of a component's data.
pub(crate) const DATA: &str = "data";

/// A set of programs that are built together.
#[derive(Debug)]
pub struct Component {
    /// Its name, such as `kubernetes`.
    pub name: &'static str,
    /// Its version, without a `v`.
    pub version: &'static str,
    /// The programs that come out of it.
    pub binaries: &'static [&'static str],
    /// Files that it needs at run time, from its modules.
    data: &'static [Data],
    source: Source,
    /// How long its build takes.
    seconds: u16,
}

/// What a component is built from.
#[derive(Debug)]
enum Source {
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

/// Where a part lies in the component's folder.
fn place(part: &str) -> String {
    if is_data(part) {
        part.to_owned()
    } else {
        format!("{BIN}/{part}")
    }
}

/// Whether a part is data; no program has a slash in its name.
fn is_data(part: &str) -> bool {
    part.contains('/')
}

/// A file of a module. Such files are read from the module when the component is built, and never kept here.
#[derive(Debug)]
struct Data {
    module: &'static str,
    /// Inside the module.
    path: &'static str,
    /// Its name in the component's `data` folder.
    name: &'static str,
}

impl Data {
    fn part(&self) -> String {
        format!("{DATA}/{}", self.name)
    }
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

/// Everything that is pinned: Kubernetes releases, newest first, then the runtime, the probe and etcd's tools, then what
/// a world can install.
#[must_use]
pub fn pinned() -> &'static [Component] {
    PINNED
}

/// The control plane of a Kubernetes release, given as `1.36` or `1.36.3`: etcd, API server, controller manager.
///
/// # Errors
/// [`Error::UnknownRelease`], with the releases there are.
pub fn kubernetes(release: &str) -> Result<&'static Component, Error> {
    released("kubernetes", release)
}

/// What a node of this release runs, its scheduler, and `kubectl`.
///
/// # Errors
/// [`Error::UnknownRelease`], with the releases there are.
pub fn kubernetes_node(release: &str) -> Result<&'static Component, Error> {
    released(NODE, release)
}

/// The component of a node.
pub(crate) const NODE: &str = "kubernetes-node";

fn released(name: &str, release: &str) -> Result<&'static Component, Error> {
    let all = || PINNED.iter().filter(|component| component.name == name);
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
pub fn runtime() -> &'static Component {
    &recipes::RUNTIME
}

/// The program of the test image.
#[must_use]
pub fn probe() -> &'static Component {
    &recipes::PROBE
}

/// A component that is pinned in one version only, such as `cosign`, by its name.
///
/// # Errors
/// [`Error::UnknownComponent`].
pub fn tool(name: &str) -> Result<&'static Component, Error> {
    let found = PINNED.iter().find(|component| component.name == name);
    found.ok_or_else(|| Error::UnknownComponent(name.to_owned()))
}

/// The component of this title, `NAME-VERSION`.
///
/// # Errors
/// [`Error::UnknownComponent`].
pub fn titled(title: &str) -> Result<&'static Component, Error> {
    let found = PINNED.iter().find(|component| component.title() == title);
    found.ok_or_else(|| Error::UnknownComponent(title.to_owned()))
}

/// Programs for whoever looks into etcd, signs, lists and scans: they are in every box for which they are built.
const TOOLS: [&str; 4] = ["cosign", ETCD_TOOLS, "grype", "syft"];

/// What looks into etcd, and saves and restores what it holds. No box needs it by itself.
pub const ETCD_TOOLS: &str = "etcd-tools";

/// The program of the box's own image, which images of scenarios begin with.
pub const PROBE: &str = "probe";

/// What a box of this cluster is made of: Kubernetes first.
///
/// # Errors
/// [`Error::UnknownRelease`].
pub fn needed(cluster: &model::ClusterSpec) -> Result<Vec<&'static Component>, Error> {
    let mut wanted = Vec::new();
    let mut all = vec![kubernetes(&cluster.kubernetes)?];
    if cluster.needs_probe() {
        wanted.push(PROBE);
    }
    if cluster.nodes > 0 {
        wanted.push("runtime");
        all.push(kubernetes_node(&cluster.kubernetes)?);
    }
    let titles: Vec<&str> = cluster
        .install
        .iter()
        .flat_map(|install| install.version().components)
        .copied()
        .collect();
    let is_wanted =
        |one: &&Component| wanted.contains(&one.name) || titles.contains(&one.title().as_str());
    all.extend(PINNED.iter().filter(is_wanted));
    Ok(all)
}

impl Component {
    /// How long its build takes beside that of others, in seconds on a quiet machine of two cores that does nothing else,
    /// with the modules still to be fetched and the components before it in [`pinned`] built.
    #[must_use]
    pub fn build_seconds(&self) -> u16 {
        self.seconds
    }

    /// `NAME-VERSION`.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// `NAME-VERSION-HASH`: the folder's name. The hash covers go.mod, go.sum and the recipe.
    #[must_use]
    pub fn id(&self) -> String {
        static IDS: LazyLock<Vec<String>> =
            LazyLock::new(|| PINNED.iter().map(Component::compute_id).collect());
        PINNED
            .iter()
            .position(|pinned| std::ptr::eq(pinned, self))
            .map_or_else(|| self.compute_id(), |at| IDS[at].clone())
    }

    /// Whether it has files beside its programs.
    pub(crate) fn has_data(&self) -> bool {
        !self.data.is_empty()
    }

    /// What it consists of, sorted: its programs by name, its data as `data/NAME`.
    fn parts(&self) -> Vec<String> {
        let programs = self.binaries.iter().map(|name| (*name).to_owned());
        let mut parts: Vec<String> = programs.chain(self.data.iter().map(Data::part)).collect();
        parts.sort();
        parts
    }

    fn compute_id(&self) -> String {
        let mut recipe = match &self.source {
            Source::Go {
                go_mod,
                go_sum,
                steps,
            } => format!("{go_mod}\n{go_sum}\n{steps:?}"),
            Source::Cargo { files } => format!("{files:?}"),
        };
        if !self.data.is_empty() {
            recipe += &format!("\n{:?}", self.data);
        }
        format!(
            "{}-{}",
            self.title(),
            &names::sha256(recipe.as_bytes())[..12]
        )
    }
}

impl Cache {
    /// A component's folder; its programs are in `bin` below it, what it needs beside them in `data`.
    #[must_use]
    pub fn component_dir(&self, component: &Component) -> PathBuf {
        self.components().join(component.id())
    }

    /// A file that a component needs at run time, such as Kyverno's `install.yaml`.
    #[must_use]
    pub fn data(&self, component: &Component, file: &str) -> PathBuf {
        self.component_dir(component).join(DATA).join(file)
    }

    /// A program of a component.
    #[must_use]
    pub fn binary(&self, component: &Component, binary: &str) -> PathBuf {
        self.component_dir(component).join(BIN).join(binary)
    }

    /// What is shown in a box of this cluster: what it is made of, and the tools that are built.
    pub(crate) fn shown(
        &self,
        cluster: &model::ClusterSpec,
    ) -> Result<Vec<&'static Component>, Error> {
        let mut shown = needed(cluster)?;
        let is_tool =
            |component: &&Component| TOOLS.contains(&component.name) && self.built(component);
        let tools: Vec<_> = PINNED
            .iter()
            .filter(is_tool)
            .filter(|tool| !shown.iter().any(|it| it.name == tool.name))
            .collect();
        shown.extend(tools);
        Ok(shown)
    }

    /// Those of `needed` that are not built.
    #[must_use]
    pub fn unbuilt(&self, needed: &[&'static Component]) -> Vec<&'static Component> {
        needed
            .iter()
            .copied()
            .filter(|component| !self.built(component))
            .collect()
    }

    /// Fails where a box of this cluster would have to build components first: for tests, which are not to build for half an
    /// hour without a word.
    ///
    /// # Errors
    /// What is not built and what to run, as one sentence.
    pub fn needs_nothing_built(&self, cluster: &model::ClusterSpec) -> Result<(), String> {
        let missing = self.unbuilt(&needed(cluster).map_err(|error| error.to_string())?);
        let titles: Vec<String> = missing.iter().map(|component| component.title()).collect();
        match titles.is_empty() {
            true => Ok(()),
            false => Err(format!(
                "not built: {}; run `cargo run --release -- run --setup` first",
                titles.join(", ")
            )),
        }
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
    fn what_is_installed_is_needed_and_nothing_else() {
        use model::addons::{dns, external_secrets, plain_registry, policy_controller, registry};
        let names = |addons: &[&'static model::Addon]| {
            let cluster = model::ClusterSpec {
                install: addons
                    .iter()
                    .map(|addon| model::Install::usual(addon))
                    .collect(),
                ..Default::default()
            };
            needed(&cluster)
                .unwrap()
                .iter()
                .map(|component| component.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(&[]),
            ["kubernetes", "kubernetes-node", "probe", "runtime"]
        );
        let plain = names(&[&plain_registry::ADDON]);
        assert_eq!(
            plain,
            [
                "kubernetes",
                "kubernetes-node",
                "probe",
                "runtime",
                "registry",
                "cosign",
                "syft",
                "grype"
            ]
        );
        assert_eq!(names(&[&registry::ADDON, &plain_registry::ADDON]), plain);
        assert_eq!(
            names(&[&policy_controller::ADDON]),
            [
                "kubernetes",
                "kubernetes-node",
                "probe",
                "runtime",
                "policy-controller"
            ]
        );
        assert_eq!(
            names(&[&external_secrets::ADDON]),
            [
                "kubernetes",
                "kubernetes-node",
                "probe",
                "runtime",
                "external-secrets"
            ]
        );
        assert_eq!(
            names(&[&dns::ADDON]),
            [
                "kubernetes",
                "kubernetes-node",
                "probe",
                "runtime",
                "coredns"
            ]
        );
        let alone = model::ClusterSpec {
            nodes: 0,
            ..Default::default()
        };
        let alone = needed(&alone)
            .unwrap()
            .iter()
            .map(|component| component.name)
            .collect::<Vec<_>>();
        assert_eq!(
            alone,
            ["kubernetes"],
            "an API server alone needs nothing that runs pods"
        );
        assert_eq!(tool("kyverno").unwrap().binaries, ["kyverno"]);
        assert!(matches!(tool("trivy"), Err(Error::UnknownComponent(_))));
    }

    #[test]
    fn every_version_of_an_addon_is_pinned_and_begins_with_its_own_component() {
        for addon in model::ADDONS {
            for version in addon.versions {
                assert!(
                    version.components.iter().all(|title| titled(title).is_ok()),
                    "{addon}"
                );
                assert_eq!(
                    titled(version.components[0]).unwrap().version,
                    version.version,
                    "{addon}"
                );
            }
        }
    }

    #[test]
    fn every_sum_is_pinned_and_every_folder_has_its_own_name() {
        for component in pinned() {
            let Source::Go { go_mod, go_sum, .. } = &component.source else {
                continue;
            };
            assert!(go_mod.contains("\ntool "), "{}", component.title());
            assert!(go_sum.lines().count() > 100, "{}", component.title());
        }
        let ids: std::collections::BTreeSet<_> = pinned().iter().map(Component::id).collect();
        assert_eq!(ids.len(), pinned().len());
    }
}
