//! What a cluster can be asked for beyond the answers of an API server.

use std::fmt;

use serde::Serialize;

use crate::AddonInstall;

/// Something that a world may need of its cluster, and that not every cluster has. An API server
/// that answers is not a capability: without one there is no cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// At least this many nodes that run pods.
    Nodes(u8),
    /// The image of the program that speaks for a pod.
    ProbeImage,
    /// NetworkPolicies that are enforced, by an enforcer that reports from when on.
    NetworkPolicy,
    /// That NetworkPolicies are not enforced.
    UnenforcedNetworkPolicy,
    /// IPv6 beside IPv4.
    DualStack,
    /// Reading the API server's audit log.
    AuditLog,
    /// Reading what Kubernetes' components log.
    ComponentLogs,
    /// Reading and changing what etcd holds, past the API server.
    Etcd,
    /// An API server that starts with the world's files and flags.
    ApiServerFlags,
    /// Components beside it that start with the world's flags.
    ComponentFlags,
    /// Stopping, freezing and starting single processes of the cluster.
    Processes,
    /// Cutting off, freezing and killing whole nodes.
    NodeFaults,
    /// The test's key management plugin beside the API server.
    KmsPlugin,
    /// Programs that run beside the cluster's services: cosign, syft, grype.
    HostTools,
    /// Users that authenticate, where impersonation is not enough.
    UserCredentials,
    /// An addon.
    Addon(AddonInstall),
    /// This release of Kubernetes, `1.N`.
    Release(String),
}

impl Capability {
    /// Whether a cluster that has `self` also has `other`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nodes(has), Self::Nodes(wanted)) => has >= wanted,
            _ => self == other,
        }
    }

    /// What there is to say of a cluster that does not have it.
    #[must_use]
    pub fn describe_lack(&self) -> String {
        match self {
            Self::Nodes(1) => "this cluster has no node that runs pods".into(),
            Self::Nodes(number) => format!("this cluster has fewer than {number} nodes"),
            Self::ProbeImage => "the probe image cannot be loaded into this cluster".into(),
            Self::NetworkPolicy => "nothing says when NetworkPolicies are in force in this cluster".into(),
            Self::UnenforcedNetworkPolicy => {
                "the network of this cluster may enforce NetworkPolicies, and the world expects that it does not".into()
            }
            Self::DualStack => "this cluster is not known to have IPv6 beside IPv4".into(),
            Self::AuditLog => "the audit log of this cluster cannot be read".into(),
            Self::ComponentLogs => "the logs of this cluster's components cannot be read".into(),
            Self::Etcd => "the etcd of this cluster cannot be read".into(),
            Self::ApiServerFlags => "the API server of this cluster cannot be given the world's configuration".into(),
            Self::ComponentFlags => "the components of this cluster cannot be given the world's flags".into(),
            Self::Processes => "the processes of this cluster cannot be stopped".into(),
            Self::NodeFaults => "the nodes of this cluster cannot be cut off".into(),
            Self::KmsPlugin => "this cluster has no test KMS plugin".into(),
            Self::HostTools => "no tool can run beside the services of this cluster".into(),
            Self::UserCredentials => "no user can authenticate to this cluster".into(),
            Self::Addon(_) => {
                format!("{self} is not looked for in a cluster that was there before")
            }
            Self::Release(_) => format!("this cluster is not {self}"),
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodes(1) => f.write_str("a node"),
            Self::Nodes(number) => write!(f, "{number} nodes"),
            Self::ProbeImage => f.write_str("the probe image"),
            Self::NetworkPolicy => f.write_str("NetworkPolicy"),
            Self::UnenforcedNetworkPolicy => f.write_str("NetworkPolicy without enforcement"),
            Self::DualStack => f.write_str("IPv6"),
            Self::AuditLog => f.write_str("the audit log"),
            Self::ComponentLogs => f.write_str("component logs"),
            Self::Etcd => f.write_str("etcd"),
            Self::ApiServerFlags => f.write_str("API server flags"),
            Self::ComponentFlags => f.write_str("component flags"),
            Self::Processes => f.write_str("processes"),
            Self::NodeFaults => f.write_str("node faults"),
            Self::KmsPlugin => f.write_str("a KMS plugin"),
            Self::HostTools => f.write_str("host tools"),
            Self::UserCredentials => f.write_str("users' credentials"),
            Self::Addon(install) => install.serialize(f),
            Self::Release(release) => write!(f, "Kubernetes {release}"),
        }
    }
}
