//! A cluster's shape with the contents of the files it names, so that equal shapes compare equal across scenarios.

use std::collections::{BTreeMap, BTreeSet};

use model::{Action, Audit, Encryption, Install, Loaded, Shape};

/// What has to be decided before an API server starts, files' contents included.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResolvedShape {
    /// The Kubernetes release, `1.N`.
    pub kubernetes: String,
    /// How the API server seals Secrets in etcd.
    pub encryption: ResolvedEncryption,
    /// The KMS plugins beside it, by name: those that any of the world's encryption configurations names.
    pub kms: BTreeSet<String>,
    /// `-v` of Kubernetes' components.
    pub verbosity: Option<u8>,
    /// The kubelet's `syncFrequency`.
    pub sync_frequency: Option<String>,
    /// The controller manager's `--node-monitor-grace-period`.
    pub node_monitor_grace_period: Option<String>,
    /// What the API server writes into its audit log.
    pub audit: ResolvedAudit,
    /// An `AdmissionConfiguration`, as YAML text.
    pub admission: Option<String>,
    /// Feature gates, for every component.
    pub feature_gates: BTreeMap<String, bool>,
    /// `--runtime-config` entries of the API server.
    pub runtime_config: BTreeMap<String, bool>,
    /// How many nodes: 0 to 3.
    pub nodes: u8,
    /// Whether the box enforces NetworkPolicies.
    pub enforce_network_policy: bool,
    /// Whether it has IPv6 beside IPv4.
    pub dual_stack: bool,
    /// What runs in it beside Kubernetes. A registry that is wanted over plain HTTP is the same registry.
    pub install: BTreeSet<Install>,
    /// The world that has this cluster for itself, because its steps change the cluster.
    pub alone: Option<String>,
}

/// How the API server seals Secrets in etcd.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResolvedEncryption {
    /// By a provider with a key of the box's own, or not at all.
    Provider(Encryption),
    /// As this `EncryptionConfiguration` says (YAML text, its placeholders still in it).
    Config {
        /// The text.
        text: String,
        /// Whether the API server looks at the file by itself.
        reload: bool,
    },
}

/// The API server's audit policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResolvedAudit {
    /// No policy and no log.
    None,
    /// Every request, without bodies.
    Metadata,
    /// This policy (YAML text), and a log.
    Policy(String),
    /// This policy (YAML text), and no log to write to.
    PolicyWithoutLog(String),
}

/// The shape that the world of this name asks for.
///
/// # Errors
/// When a file that the shape names cannot be read.
pub fn resolve(loaded: &Loaded, world_name: &str) -> Result<ResolvedShape, model::Error> {
    let world = &loaded.scenario.worlds.get(world_name).cloned().unwrap_or_default();
    let shape = loaded.scenario.shape(world);
    let Shape { kubernetes, audit, admission, feature_gates, runtime_config, nodes, .. } = shape;
    let Shape { verbosity, sync_frequency, node_monitor_grace_period, .. } = shape;
    let audit = match audit {
        Audit::None => ResolvedAudit::None,
        Audit::Metadata => ResolvedAudit::Metadata,
        Audit::Policy(file) => ResolvedAudit::Policy(loaded.file_text(&file)?),
        Audit::PolicyWithoutLog(file) => ResolvedAudit::PolicyWithoutLog(loaded.file_text(&file)?),
    };
    let admission = admission.map(|file| loaded.file_text(&file)).transpose()?;
    let one = |install| if install == Install::PlainRegistry { Install::Registry } else { install };
    let install = loaded.scenario.install(world).into_iter().map(one).collect();
    let changes = loaded.scenario.changes_cluster(world_name);
    Ok(ResolvedShape {
        kubernetes,
        kms: kms(loaded, world_name, &shape.encryption)?,
        encryption: encryption(loaded, shape.encryption)?,
        verbosity,
        sync_frequency,
        node_monitor_grace_period,
        audit,
        admission,
        feature_gates,
        runtime_config,
        nodes,
        enforce_network_policy: shape.enforce_network_policy,
        dual_stack: shape.dual_stack,
        install,
        alone: changes.then(|| format!("{} {world_name}", loaded.id)),
    })
}

fn encryption(loaded: &Loaded, wanted: Encryption) -> Result<ResolvedEncryption, model::Error> {
    Ok(match wanted {
        Encryption::Config(file) => ResolvedEncryption::Config { text: loaded.file_text(&file)?, reload: false },
        Encryption::ReloadingConfig(file) => {
            ResolvedEncryption::Config { text: loaded.file_text(&file)?, reload: true }
        }
        provider => ResolvedEncryption::Provider(provider),
    })
}

/// The plugins that the first configuration and those of the world's steps name.
fn kms(loaded: &Loaded, world: &str, first: &Encryption) -> Result<BTreeSet<String>, model::Error> {
    let steps = loaded.scenario.steps_in(world).filter_map(|step| match &step.action {
        Action::Encrypt(encrypt) => Some(encrypt.with.as_str()),
        _ => None,
    });
    let mut plugins = BTreeSet::new();
    for file in first.file().into_iter().chain(steps) {
        plugins.extend(model::named(&loaded.file_text(file)?, "kms").map(str::to_owned));
    }
    Ok(plugins)
}

impl ResolvedShape {
    /// The usual shape of a release (`1.N`): a node, an audit log, and nothing beside Kubernetes.
    #[must_use]
    pub fn usual(kubernetes: &str) -> Self {
        Self {
            kubernetes: kubernetes.to_owned(),
            encryption: ResolvedEncryption::Provider(Encryption::Identity),
            kms: BTreeSet::new(),
            verbosity: None,
            sync_frequency: None,
            node_monitor_grace_period: None,
            audit: ResolvedAudit::Metadata,
            admission: None,
            feature_gates: BTreeMap::new(),
            runtime_config: BTreeMap::new(),
            nodes: 1,
            enforce_network_policy: false,
            dual_stack: false,
            install: BTreeSet::new(),
            alone: None,
        }
    }

    /// The box of this shape; an encryption configuration in it still has its placeholders.
    #[must_use]
    pub fn to_box(&self) -> native::BoxShape {
        let file = |policy: &String, log| native::AuditFile { policy: policy.clone(), log };
        native::BoxShape {
            kubernetes: self.kubernetes.clone(),
            encryption: self.encryption.to_box(),
            verbosity: self.verbosity,
            sync_frequency: self.sync_frequency.clone(),
            node_monitor_grace_period: self.node_monitor_grace_period.clone(),
            kms: self.kms.clone(),
            audit: match &self.audit {
                ResolvedAudit::None => None,
                ResolvedAudit::Metadata => Some(native::AuditFile::default()),
                ResolvedAudit::Policy(policy) => Some(file(policy, true)),
                ResolvedAudit::PolicyWithoutLog(policy) => Some(file(policy, false)),
            },
            admission: self.admission.clone(),
            feature_gates: self.feature_gates.clone(),
            runtime_config: self.runtime_config.clone(),
            nodes: self.nodes,
            enforce_network_policy: self.enforce_network_policy,
            dual_stack: self.dual_stack,
            install: self.install.iter().map(installed).collect(),
            first_state: String::new(),
        }
    }

    /// This shape with a node where it has none: scenarios that start no pod run on it as well, so that they can share
    /// a cluster that is started anyway.
    #[must_use]
    pub fn with_node(&self) -> Self {
        Self { nodes: self.nodes.max(1), ..self.clone() }
    }

    /// This shape without nodes, for worlds that need none.
    #[must_use]
    pub fn without_node(&self) -> Self {
        Self { nodes: 0, ..self.clone() }
    }

    /// The same cluster with at least so many nodes, if it has any.
    #[must_use]
    pub fn with_more_nodes(self, nodes: u8) -> Self {
        Self { nodes: if self.nodes > 0 { self.nodes.max(nodes) } else { 0 }, ..self }
    }
}

impl ResolvedEncryption {
    fn to_box(&self) -> native::Encryption {
        match self {
            Self::Provider(Encryption::Aescbc) => native::Encryption::Aescbc,
            Self::Provider(Encryption::Aesgcm) => native::Encryption::Aesgcm,
            Self::Provider(Encryption::Secretbox) => native::Encryption::Secretbox,
            Self::Provider(_) => native::Encryption::Identity,
            Self::Config { text, reload } => native::Encryption::Config { text: text.clone(), reload: *reload },
        }
    }
}

fn installed(install: &Install) -> native::Install {
    match install {
        Install::Registry => native::Install::Registry,
        Install::PlainRegistry => native::Install::PlainRegistry,
        Install::Sigstore => native::Install::Sigstore,
        Install::Kyverno => native::Install::Kyverno,
        Install::PolicyController => native::Install::PolicyController,
        Install::ExternalSecrets => native::Install::ExternalSecrets,
        Install::Dns => native::Install::Dns,
        Install::Vault => native::Install::Vault,
    }
}
