//! Which pod reaches which under `networking.k8s.io/v1`: policies, namespaces, pods and a probe in;
//! reached or blocked out, and why.
//!
//! What the API leaves open is taken as the box takes it:
//! * A probe goes to a pod, a node or an address outside; one to a Service is one to the pod behind
//!   it, at the pod's own port.
//! * A block of addresses is compared with the address that the packet carries, be it a pod's; a
//!   selector selects a pod at each of its addresses.
//! * A named port is looked up at the pod the packet goes to, whatever kind of peer the rule names.
//!   Where it goes to no pod, no name is known.
//! * A pod on the host's network is its node: no selector selects it, and no policy isolates it.
//! * Replies are not asked about: they follow what was let through.

mod block;
mod compare;
mod decide;
mod policy;
mod verdict;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use k8s_openapi::api::networking::v1::NetworkPolicy;

pub use compare::{NetworkDisagreement, compare_cells};
pub use decide::NetworkRules;
pub use verdict::{FreeReason, GateVerdict, NetworkVerdict};

/// A cluster, as far as policies look at it.
#[derive(Clone, Debug, Default)]
pub struct NetworkWorld {
    /// Labels of namespaces, by name. That of the name itself is added, as the API server does.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// Addresses of nodes, by name: one of each family that the cluster has.
    pub nodes: BTreeMap<String, Vec<IpAddr>>,
    /// Pods that run.
    pub pods: Vec<NetworkPod>,
    /// Policies.
    pub policies: Vec<NetworkPolicy>,
}

/// A pod that runs.
#[derive(Clone, Debug)]
pub struct NetworkPod {
    /// Its namespace and name.
    pub name: PodName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its own addresses, one of each family that the cluster has; not looked at where it is on the
    /// host's network.
    pub addresses: Vec<IpAddr>,
    /// The node it runs on.
    pub node: String,
    /// Whether it shares its node's network.
    pub host_network: bool,
    /// The ports of its containers that have a name.
    pub ports: Vec<NamedPort>,
}

/// A namespace and a name in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodName {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl PodName {
    /// Shorthand.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for PodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A container's port that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPort {
    /// Its name.
    pub name: String,
    /// Its number.
    pub port: u16,
    /// Its protocol.
    pub protocol: PortProtocol,
}

/// What policies tell apart above IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortProtocol {
    /// The one where nothing is said.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl fmt::Display for PortProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressFamily {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl AddressFamily {
    /// The one of these addresses that is of this family.
    #[must_use]
    pub fn address_among(self, addresses: &[IpAddr]) -> Option<IpAddr> {
        addresses
            .iter()
            .copied()
            .find(|address| address.is_ipv6() == (self == Self::Ipv6))
    }
}

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectionEnd {
    /// A pod.
    Pod(PodName),
    /// A node, by its name.
    Node(String),
    /// An address that is neither a pod's nor a node's.
    Outside(IpAddr),
}

impl fmt::Display for ConnectionEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(name) => name.fmt(f),
            Self::Node(name) => write!(f, "node {name}"),
            Self::Outside(address) => address.fmt(f),
        }
    }
}

/// An attempt to connect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionProbe {
    /// The client.
    pub from: ConnectionEnd,
    /// The destination.
    pub to: ConnectionEnd,
    /// The port at the destination.
    pub port: u16,
    /// By which protocol.
    pub protocol: PortProtocol,
    /// Over addresses of which family.
    pub family: AddressFamily,
}

impl fmt::Display for ConnectionProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.family == AddressFamily::Ipv6 {
            " over IPv6"
        } else {
            ""
        };
        write!(
            f,
            "{} → {} {}/{}{family}",
            self.from, self.to, self.protocol, self.port
        )
    }
}
