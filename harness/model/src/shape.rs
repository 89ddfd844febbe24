//! The shape of a cluster: what has to be decided before its API server starts.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::authorization::{AuthorizationMode, USUAL_AUTHORIZATION, is_usual_authorization};

/// What a world asks of its cluster. Worlds of equal shape share one.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClusterShape {
    /// The Kubernetes release, `1.N`, one of those that are pinned (`gauntlet components`).
    pub kubernetes: String,
    /// How the API server seals Secrets in etcd.
    pub encryption: EncryptionShape,
    /// `-v` of Kubernetes' components; their own default where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<u8>,
    /// The kubelet's `syncFrequency`, such as `2s`; its own default, a minute, where it is left
    /// out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_frequency: Option<String>,
    /// For how long a node may be silent before it counts as not ready, such as `8s`, 5 s being the
    /// least; its own default, 50 s, where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_monitor_grace_period: Option<String>,
    /// What the API server writes into its audit log.
    pub audit: AuditShape,
    /// A file of the scenario with an `AdmissionConfiguration`. The plugins that it names are turned
    /// on, also those that are off by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admission: Option<String>,
    /// Admission plugins that are turned on or off by name, beside those that a file in `admission`
    /// names.
    #[serde(skip_serializing_if = "PluginSwitches::is_empty")]
    pub admission_plugins: PluginSwitches,
    /// A file of the scenario with an `AuthenticationConfiguration`, whose `anonymous` says whether,
    /// and at which paths, a request without credentials is let in as `system:anonymous`. Its `jwt`
    /// is refused: an API server reaches no issuer here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication: Option<String>,
    /// Who the API server asks, in this order, whether a user may do something
    /// (`--authorization-mode`); `[Node, RBAC]` where it is left out. Without `Node` a kubelet may do
    /// what its roles say and nothing else, so that such a cluster has no node.
    #[serde(skip_serializing_if = "is_usual_authorization")]
    pub authorization: Vec<AuthorizationMode>,
    /// Whether the kubelets give containers that name no seccomp profile the runtime's own
    /// (`seccompDefault`).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub seccomp_default: bool,
    /// Feature gates, for every component.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub feature_gates: BTreeMap<String, bool>,
    /// `--runtime-config` entries of the API server, such as
    /// `admissionregistration.k8s.io/v1beta1: true`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub runtime_config: BTreeMap<String, bool>,
    /// How many nodes: 0 (an API server alone, for scenarios that start no pod) to 3. `$(node:2)`
    /// names the second.
    pub nodes: u8,
    /// Whether the box enforces NetworkPolicies. Where it does not, the API server takes them and
    /// nothing enforces them. Worlds that depend on either are skipped on other clusters: nothing
    /// there says when a policy is in force.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub enforce_network_policy: bool,
    /// Whether nodes, pods, and the Services that ask for it have an IPv6 address beside their IPv4
    /// one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dual_stack: bool,
}

impl Default for ClusterShape {
    fn default() -> Self {
        Self {
            kubernetes: "1.36".into(),
            encryption: EncryptionShape::Identity,
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
        }
    }
}

/// The API server's `--enable-admission-plugins` and `--disable-admission-plugins`.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PluginSwitches {
    /// Those that are off by default and act here.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub enable: BTreeSet<String>,
    /// Those that act by default, and do not here. `NodeRestriction` is one of them in a box.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub disable: BTreeSet<String>,
}

impl PluginSwitches {
    /// Whether it leaves every plugin as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.enable.is_empty() && self.disable.is_empty()
    }
}

/// The contents of a file, where a scenario names the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileText(pub String);

// A scenario names files; a `ClusterSpec` has their contents.
/// Encryption at rest for Secrets.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Encryption")]
pub enum EncryptionShape<File = String> {
    /// None: what an API server does by default.
    #[default]
    Identity,
    /// `aescbc`, the provider most articles show.
    Aescbc,
    /// `aesgcm`.
    Aesgcm,
    /// `secretbox`.
    Secretbox,
    /// A file of the scenario with an `EncryptionConfiguration`: `$(sealing-key:NAME)` is a random
    /// key of 32 bytes in base64, the same in every step of one cluster, `$(kms:NAME)` the endpoint
    /// of a test KMS plugin.
    Config(File),
    /// The same, with `--encryption-provider-config-automatic-reload`.
    ReloadingConfig(File),
}

impl<File> EncryptionShape<File> {
    /// The configuration file that it names.
    #[must_use]
    pub fn file(&self) -> Option<&File> {
        match self {
            Self::Config(file) | Self::ReloadingConfig(file) => Some(file),
            Self::Identity | Self::Aescbc | Self::Aesgcm | Self::Secretbox => None,
        }
    }

    /// The same, to be changed.
    #[must_use]
    pub fn file_mut(&mut self) -> Option<&mut File> {
        match self {
            Self::Config(file) | Self::ReloadingConfig(file) => Some(file),
            Self::Identity | Self::Aescbc | Self::Aesgcm | Self::Secretbox => None,
        }
    }

    /// The same with something else for the file.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn try_map<Other, E>(
        self,
        change: impl FnOnce(File) -> Result<Other, E>,
    ) -> Result<EncryptionShape<Other>, E> {
        Ok(match self {
            Self::Identity => EncryptionShape::Identity,
            Self::Aescbc => EncryptionShape::Aescbc,
            Self::Aesgcm => EncryptionShape::Aesgcm,
            Self::Secretbox => EncryptionShape::Secretbox,
            Self::Config(file) => EncryptionShape::Config(change(file)?),
            Self::ReloadingConfig(file) => EncryptionShape::ReloadingConfig(change(file)?),
        })
    }
}

// A scenario names files; a `ClusterSpec` has their contents.
/// The API server's audit policy.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Audit")]
pub enum AuditShape<File = String> {
    /// No policy and no log: what an API server does by default.
    None,
    /// Every request, without bodies.
    #[default]
    Metadata,
    /// A file of the scenario with an `audit.k8s.io/v1` `Policy`, and a log.
    Policy(File),
    /// A file of the scenario with an `audit.k8s.io/v1` `Policy`, and no log to write to.
    PolicyWithoutLog(File),
}

impl<File> AuditShape<File> {
    /// Whether there is a log.
    #[must_use]
    pub fn has_log(&self) -> bool {
        match self {
            Self::Metadata | Self::Policy(_) => true,
            Self::None | Self::PolicyWithoutLog(_) => false,
        }
    }

    /// The same with something else for the file.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn try_map<Other, E>(
        self,
        change: impl FnOnce(File) -> Result<Other, E>,
    ) -> Result<AuditShape<Other>, E> {
        Ok(match self {
            Self::None => AuditShape::None,
            Self::Metadata => AuditShape::Metadata,
            Self::Policy(file) => AuditShape::Policy(change(file)?),
            Self::PolicyWithoutLog(file) => AuditShape::PolicyWithoutLog(change(file)?),
        })
    }
}

impl AuditShape<FileText> {
    /// The policy (YAML text), where there is one.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Metadata => {
                Some("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n")
            }
            Self::Policy(FileText(text)) | Self::PolicyWithoutLog(FileText(text)) => Some(text),
        }
    }
}
