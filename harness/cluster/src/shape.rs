//! A cluster's shape with the contents of the files it names, so that equal shapes compare equal across scenarios.

use std::collections::{BTreeMap, BTreeSet};

use model::{Audit, Encryption, Install, Loaded, Shape, World};

/// What has to be decided before an API server starts, files' contents included.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResolvedShape {
    /// The Kubernetes release, `1.N`.
    pub kubernetes: String,
    /// How the API server seals Secrets in etcd.
    pub encryption: Encryption,
    /// What the API server writes into its audit log.
    pub audit: ResolvedAudit,
    /// An `AdmissionConfiguration`, as YAML text.
    pub admission: Option<String>,
    /// Feature gates, for every component.
    pub feature_gates: BTreeMap<String, bool>,
    /// `--runtime-config` entries of the API server.
    pub runtime_config: BTreeMap<String, bool>,
    /// How many nodes: 0 or 1.
    pub nodes: u8,
    /// What runs in it beside Kubernetes. A registry that is wanted over plain HTTP is the same registry.
    pub install: BTreeSet<Install>,
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

/// The shape that `world` of `loaded` asks for.
///
/// # Errors
/// When a file that the shape names cannot be read.
pub fn resolve(loaded: &Loaded, world: &World) -> Result<ResolvedShape, model::Error> {
    let Shape { kubernetes, encryption, audit, admission, feature_gates, runtime_config, nodes } =
        loaded.scenario.shape(world);
    let audit = match audit {
        Audit::None => ResolvedAudit::None,
        Audit::Metadata => ResolvedAudit::Metadata,
        Audit::Policy(file) => ResolvedAudit::Policy(loaded.file_text(&file)?),
        Audit::PolicyWithoutLog(file) => ResolvedAudit::PolicyWithoutLog(loaded.file_text(&file)?),
    };
    let admission = admission.map(|file| loaded.file_text(&file)).transpose()?;
    let one = |install| if install == Install::PlainRegistry { Install::Registry } else { install };
    let install = loaded.scenario.install(world).into_iter().map(one).collect();
    Ok(ResolvedShape { kubernetes, encryption, audit, admission, feature_gates, runtime_config, nodes, install })
}

impl ResolvedShape {
    /// The usual shape of a release (`1.N`): a node, an audit log, and nothing beside Kubernetes.
    #[must_use]
    pub fn usual(kubernetes: &str) -> Self {
        Self {
            kubernetes: kubernetes.to_owned(),
            encryption: Encryption::Identity,
            audit: ResolvedAudit::Metadata,
            admission: None,
            feature_gates: BTreeMap::new(),
            runtime_config: BTreeMap::new(),
            nodes: 1,
            install: BTreeSet::new(),
        }
    }

    /// The box of this shape.
    #[must_use]
    pub fn to_box(&self) -> native::BoxShape {
        let file = |policy: &String, log| native::AuditFile { policy: policy.clone(), log };
        native::BoxShape {
            kubernetes: self.kubernetes.clone(),
            encryption: match self.encryption {
                Encryption::Identity => native::Encryption::Identity,
                Encryption::Aescbc => native::Encryption::Aescbc,
                Encryption::Aesgcm => native::Encryption::Aesgcm,
                Encryption::Secretbox => native::Encryption::Secretbox,
            },
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
}

fn installed(install: &Install) -> native::Install {
    match install {
        Install::Registry => native::Install::Registry,
        Install::PlainRegistry => native::Install::PlainRegistry,
        Install::Sigstore => native::Install::Sigstore,
        Install::Kyverno => native::Install::Kyverno,
        Install::PolicyController => native::Install::PolicyController,
    }
}
