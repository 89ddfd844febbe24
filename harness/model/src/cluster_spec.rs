//! What a cluster has to look like before its API server starts: a scenario's `cluster` with the
//! contents of the files that it names, so that equal ones compare equal across scenarios.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::addons::{plain_registry, registry, sigstore};
use crate::{
    Action, AddonInstall, AuditShape, AuthorizationMode, ClusterShape, EncryptionShape, Error,
    FileText, LoadedScenario, PluginSwitches, USUAL_AUTHORIZATION, includes_addon,
};

/// A cluster to start. Texts are contents of files, not their paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterSpec {
    /// The Kubernetes release, as `1.36` or `1.36.3`.
    pub kubernetes: String,
    /// How the API server seals Secrets in etcd. A configuration still has its placeholders until
    /// the cluster's keys are known.
    pub encryption: EncryptionShape<FileText>,
    /// The names of the KMS plugins beside the API server: those that any of the world's encryption
    /// configurations names.
    pub kms: BTreeSet<String>,
    /// `--v` of the API server, the controller manager, the scheduler and the kubelet.
    pub verbosity: Option<u8>,
    /// The kubelet's `syncFrequency`, such as `2s`: how often it looks at its pods again, and so
    /// how soon a changed Secret reaches the files of a pod. A minute, where nothing is said.
    pub sync_frequency: Option<String>,
    /// The controller manager's `--node-monitor-grace-period`, such as `8s`, with kubelets that
    /// renew their leases often enough for it.
    pub node_monitor_grace_period: Option<String>,
    /// What the API server writes into its audit log.
    pub audit: AuditShape<FileText>,
    /// An `AdmissionConfiguration` (YAML text).
    pub admission: Option<String>,
    /// Admission plugins that are turned on or off by name.
    pub admission_plugins: PluginSwitches,
    /// An `AuthenticationConfiguration` (YAML text).
    pub authentication: Option<String>,
    /// The modes of authorization, in their order.
    pub authorization: Vec<AuthorizationMode>,
    /// Whether the kubelets set `seccompDefault`.
    pub seccomp_default: bool,
    /// Feature gates, for every component.
    pub feature_gates: BTreeMap<String, bool>,
    /// `--runtime-config` entries of the API server.
    pub runtime_config: BTreeMap<String, bool>,
    /// How many nodes. None: etcd, API server, and the controllers that a namespace needs.
    pub nodes: u8,
    /// Whether NetworkPolicies are enforced. Without it the API server takes them, and nothing
    /// enforces them.
    pub enforce_network_policy: bool,
    /// Whether nodes, pods, and the Services that ask for it have an IPv6 address beside their IPv4
    /// one.
    pub dual_stack: bool,
    /// What stands beside the cluster.
    pub install: BTreeSet<AddonInstall>,
}

impl Default for ClusterSpec {
    /// A node of the usual release, an audit log, and nothing beside Kubernetes.
    fn default() -> Self {
        Self {
            kubernetes: "1.36".into(),
            encryption: EncryptionShape::Identity,
            kms: BTreeSet::new(),
            verbosity: None,
            sync_frequency: None,
            node_monitor_grace_period: None,
            audit: AuditShape::Metadata,
            admission: None,
            admission_plugins: PluginSwitches::default(),
            authentication: None,
            authorization: USUAL_AUTHORIZATION.to_vec(),
            seccomp_default: false,
            feature_gates: BTreeMap::new(),
            runtime_config: BTreeMap::new(),
            nodes: 1,
            enforce_network_policy: false,
            dual_stack: false,
            install: BTreeSet::new(),
        }
    }
}

impl ClusterSpec {
    /// The cluster that the world of this name asks for.
    ///
    /// # Errors
    /// When a file that the scenario names cannot be read.
    pub fn resolve(loaded: &LoadedScenario, world_name: &str) -> Result<Self, Error> {
        let world = &loaded
            .scenario
            .worlds
            .get(world_name)
            .cloned()
            .unwrap_or_default();
        // Taken apart, so that a new key of the shape has to be decided here.
        let ClusterShape {
            kubernetes,
            encryption,
            verbosity,
            sync_frequency,
            node_monitor_grace_period,
            audit,
            admission,
            admission_plugins,
            authentication,
            authorization,
            seccomp_default,
            feature_gates,
            runtime_config,
            nodes,
            enforce_network_policy,
            dual_stack,
        } = loaded.scenario.world_shape(world);
        let text = |file: String| loaded.file_text(&file).map(FileText);
        let install = loaded
            .scenario
            .world_installs(world)
            .into_iter()
            .map(with_tls);
        Ok(Self {
            kms: kms_plugins(loaded, world_name, &encryption)?,
            kubernetes,
            encryption: encryption.try_map(text)?,
            verbosity,
            sync_frequency,
            node_monitor_grace_period,
            audit: audit.try_map(text)?,
            admission: admission.map(|file| loaded.file_text(&file)).transpose()?,
            admission_plugins,
            authentication: authentication
                .map(|file| loaded.file_text(&file))
                .transpose()?,
            authorization,
            seccomp_default,
            feature_gates,
            runtime_config,
            nodes,
            enforce_network_policy,
            dual_stack,
            install: install.collect(),
        })
    }

    /// Whether there is a registry.
    #[must_use]
    pub fn has_registry(&self) -> bool {
        includes_addon(&self.install, &registry::ADDON)
            || includes_addon(&self.install, &plain_registry::ADDON)
    }

    /// Whether anything in the cluster runs the probe: pods, and the front of the registry.
    #[must_use]
    pub fn needs_probe(&self) -> bool {
        self.nodes > 0 || self.has_registry()
    }

    /// Whether there are Fulcio, Rekor and a timestamp authority.
    #[must_use]
    pub fn has_sigstore(&self) -> bool {
        includes_addon(&self.install, &sigstore::ADDON)
    }

    /// Whether its API server admits by what was asked of it before, so that what one world asks
    /// decides over another, and over its own second look.
    #[must_use]
    pub fn remembers_requests(&self) -> bool {
        let is_configured = self
            .admission
            .as_ref()
            .is_some_and(|text| text.contains(COUNTING_PLUGIN));
        is_configured || self.admission_plugins.enable.contains(COUNTING_PLUGIN)
    }

    /// The same cluster with a node where it has none: scenarios that start no pod run on it as
    /// well, so that they can share a cluster that is started anyway.
    #[must_use]
    pub fn with_node(&self) -> Self {
        Self {
            nodes: self.nodes.max(1),
            ..self.clone()
        }
    }

    /// The same cluster without nodes, for worlds that need none.
    #[must_use]
    pub fn without_node(&self) -> Self {
        Self {
            nodes: 0,
            ..self.clone()
        }
    }

    /// The same cluster with at least this many nodes, if it has any.
    #[must_use]
    pub fn with_more_nodes(self, nodes: u8) -> Self {
        Self {
            nodes: if self.nodes > 0 {
                self.nodes.max(nodes)
            } else {
                0
            },
            ..self
        }
    }
}

/// What worlds that share a cluster have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterKey {
    /// The cluster.
    pub spec: ClusterSpec,
    /// The only world that may use it, because its steps change the cluster, or because its API
    /// server remembers what was asked: scenario and world.
    pub only_for: Option<(String, String)>,
}

impl ClusterKey {
    /// That of the world of this name.
    ///
    /// # Errors
    /// Those of [`ClusterSpec::resolve`].
    pub fn resolve(loaded: &LoadedScenario, world: &str) -> Result<Self, Error> {
        let spec = ClusterSpec::resolve(loaded, world)?;
        let is_alone = loaded.scenario.changes_cluster(world) || spec.remembers_requests();
        Ok(Self {
            only_for: is_alone.then(|| (loaded.id.clone(), world.to_owned())),
            spec,
        })
    }
}

/// The admission plugin whose answer depends on what was asked before: it has a bucket for the
/// whole server, or for each namespace, user or object, and forgets the oldest of those (kubernetes
/// `plugin/pkg/admission/eventratelimit`).
const COUNTING_PLUGIN: &str = "EventRateLimit";

/// A registry that is wanted over plain HTTP is the same registry, in the same version.
fn with_tls(install: AddonInstall) -> AddonInstall {
    if *install.addon() != plain_registry::ADDON {
        return install;
    }
    let same = format!("{}@{}", registry::ADDON.name, install.version().version);
    same.parse().unwrap_or(install)
}

/// The plugins that the first configuration and those of the world's steps name.
fn kms_plugins(
    loaded: &LoadedScenario,
    world: &str,
    first: &EncryptionShape,
) -> Result<BTreeSet<String>, Error> {
    let steps = loaded
        .scenario
        .steps_in(world)
        .filter_map(|step| match &step.action {
            Action::SetEncryption(encrypt) => Some(&encrypt.with),
            _ => None,
        });
    let mut plugins = BTreeSet::new();
    for file in first.file().into_iter().chain(steps) {
        plugins
            .extend(crate::named_placeholders(&loaded.file_text(file)?, "kms").map(str::to_owned));
    }
    Ok(plugins)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// One bucket for the whole API server: what one world asks would be counted for another.
    #[test]
    fn a_world_whose_api_server_counts_requests_shares_its_cluster_with_nobody() {
        let is_alone = |plugin: &str| {
            let folder = tempfile::tempdir().unwrap();
            let text = "scenario: v2\nwhy: It counts.\ncluster: { admission: admission.yaml }\nworlds: { bare: {} }\n\
                steps: [{ id: read, do: { path: /version }, expect: allowed }]\n";
            fs::write(folder.path().join("scenario.yaml"), text).unwrap();
            let admission = format!("plugins: [{{ name: {plugin} }}]\n");
            fs::write(folder.path().join("admission.yaml"), admission).unwrap();
            let loaded = LoadedScenario::read("a/b".into(), folder.path().to_owned()).unwrap();
            let key = ClusterKey::resolve(&loaded, "bare").unwrap();
            key.only_for.is_some()
        };
        assert!(is_alone("EventRateLimit"));
        assert!(!is_alone("PodSecurity"));
    }
}
