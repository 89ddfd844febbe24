//! What a caller asks of a box.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A box to start.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The box's name: 1 to 40 of `a-z`, `0-9` and `-`, beginning and ending with a letter or digit.
    pub name: String,
    /// What the cluster looks like.
    pub shape: BoxShape,
    /// The program that calls [`crate::hidden_main`] first thing in its `main`; it is run again with hidden arguments.
    pub launcher: PathBuf,
}

/// What has to be decided before an API server starts. Texts are contents of files, not their paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BoxShape {
    /// A pinned release, as `1.36` or `1.36.3`.
    pub kubernetes: String,
    /// How Secrets, or whatever a configuration names, are sealed in etcd.
    pub encryption: Encryption,
    /// The names of key management plugins (KMS v2, for tests). A configuration calls the plugin `NAME` by its endpoint
    /// `unix:///run/gauntlet/work/kms/NAME/kms.sock`; its process is `kms-NAME`. See [`crate::Running::kms`].
    pub kms: BTreeSet<String>,
    /// The audit policy; without one the API server has neither policy nor log.
    pub audit: Option<AuditFile>,
    /// An `AdmissionConfiguration` (YAML text).
    pub admission: Option<String>,
    /// Feature gates, for every component.
    pub feature_gates: BTreeMap<String, bool>,
    /// `--runtime-config` of the API server.
    pub runtime_config: BTreeMap<String, bool>,
    /// `--v` of the API server, the controller manager, the scheduler and the kubelet.
    pub verbosity: Option<u8>,
    /// The kubelet's `syncFrequency`, such as `2s`: how often it looks at its pods again, and so how soon a changed
    /// Secret reaches the files of a pod. A minute, where nothing is said.
    pub sync_frequency: Option<String>,
    /// The controller manager's `--node-monitor-grace-period`, such as `8s`, with kubelets that renew their leases often
    /// enough for it.
    pub node_monitor_grace_period: Option<String>,
    /// 0 (no node: etcd, API server, and the controllers that a namespace needs) to [`crate::MOST_NODES`]. The first has
    /// the API server beside it and is `node-1`, each further one a network of its own and processes that are called
    /// after it: `kubelet-2`.
    pub nodes: u8,
    /// Whether NetworkPolicies are enforced, by a process `network-policy` for each node (see
    /// [`crate::Running::network_policy`]). Without it the API server takes them, and nobody looks at them.
    pub enforce_network_policy: bool,
    /// Whether nodes, pods, and the Services that ask for it have an IPv6 address beside their IPv4 one.
    pub dual_stack: bool,
    /// What stands beside the cluster. The services run as processes of the box; of the controllers only the programs are
    /// there, at `/run/gauntlet/bin/NAME`, and their files at `/run/gauntlet/data/NAME`: they run as pods.
    pub install: BTreeSet<Install>,
    /// The first state that it begins with, if [`crate::prepare`] has made one of this name: Kubernetes' own, with a few
    /// objects more. Empty for Kubernetes' own.
    pub first_state: String,
}

/// An object of a first state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstObject {
    /// Where objects of its kind are made, such as `/api/v1/namespaces`.
    pub collection: String,
    /// The object.
    pub object: Value,
    /// What the API server answers with 200 once the object has come into force, if that is to be waited for. For a
    /// Deployment it is its own path, and its pods have to be there as well.
    pub in_force: Option<String>,
}

/// What can stand beside a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Install {
    /// An OCI registry with TLS from the box's authority, at `registry.box:5000`.
    Registry,
    /// The same registry over plain HTTP, at `registry.localhost:5001`. Both are there when either is asked for, and
    /// at `front.localhost:5002` a front that spoils the registry's answers on request.
    PlainRegistry,
    /// Fulcio at `fulcio.box:5555`, Rekor at `rekor.box:3003`, a timestamp authority at `tsa.box:3004`; plain HTTP.
    Sigstore,
    /// Kyverno's program and definitions.
    Kyverno,
    /// The programs and definitions of sigstore's policy-controller.
    PolicyController,
    /// The program and definitions of External Secrets Operator.
    ExternalSecrets,
    /// CoreDNS's program.
    Dns,
    /// Vault's program.
    Vault,
}

impl BoxShape {
    /// Whether there is a registry.
    #[must_use]
    pub fn has_registry(&self) -> bool {
        self.install.contains(&Install::Registry) || self.install.contains(&Install::PlainRegistry)
    }

    /// Whether anything in the box runs the probe: pods, and the front of the registry.
    #[must_use]
    pub fn needs_probe(&self) -> bool {
        self.nodes > 0 || self.has_registry()
    }

    /// Whether there are Fulcio, Rekor and a timestamp authority.
    #[must_use]
    pub fn has_sigstore(&self) -> bool {
        self.install.contains(&Install::Sigstore)
    }
}

impl Default for BoxShape {
    fn default() -> Self {
        Self {
            kubernetes: "1.36".into(),
            encryption: Encryption::default(),
            kms: BTreeSet::new(),
            audit: Some(AuditFile::default()),
            admission: None,
            feature_gates: BTreeMap::new(),
            runtime_config: BTreeMap::new(),
            verbosity: None,
            sync_frequency: None,
            node_monitor_grace_period: None,
            nodes: 1,
            enforce_network_policy: false,
            dual_stack: false,
            install: BTreeSet::new(),
            first_state: String::new(),
        }
    }
}

/// An audit policy, and whether there is a log to write to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditFile {
    /// An `audit.k8s.io/v1` `Policy` (YAML text). One rule is put before its own: requests to non-resource URLs
    /// `/gauntlet/sentinel*` are recorded at `Metadata` whoever makes them, so that "it is not in the log" can be
    /// believed once a later sentinel is.
    pub policy: String,
    /// Whether the API server gets `--audit-log-path`.
    pub log: bool,
}

impl Default for AuditFile {
    /// Everything at `Metadata`, with a log.
    fn default() -> Self {
        let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n";
        Self { policy: policy.into(), log: true }
    }
}

/// Encryption at rest. That of one provider is for Secrets; its key is random and dies with the box.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encryption {
    /// No encryption: what an API server does by default.
    #[default]
    Identity,
    /// AES-CBC with PKCS#7 padding.
    Aescbc,
    /// AES-GCM.
    Aesgcm,
    /// XSalsa20 and Poly1305.
    Secretbox,
    /// A configuration of the caller's own, which lies on the host and can be replaced there while the box is up: see
    /// [`crate::Running::encryption_config`].
    Config {
        /// An `EncryptionConfiguration` (YAML text), keys and all.
        text: String,
        /// Whether the API server looks for a new one by itself, once a minute.
        reload: bool,
    },
}
