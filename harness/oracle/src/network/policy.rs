//! A policy, read once: which pods it isolates in which direction, and what its rules let through.

use std::net::IpAddr;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::block::AddressBlock;
use super::{NamedPort, PortProtocol};
use crate::Error;
use crate::selector::{ObjectLabels, ParsedSelector};

/// A policy that an API server could have stored.
#[derive(Clone, Debug)]
pub(super) struct ParsedPolicy {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) pods: ParsedSelector,
    /// Its rules for what comes in; `None` where it says nothing about that direction.
    pub(super) ingress: Option<Vec<PolicyRule>>,
    /// The same for what goes out.
    pub(super) egress: Option<Vec<PolicyRule>>,
}

/// A rule: one of the peers, at one of the ports. No peers means all of them, and no ports means
/// all ports.
#[derive(Clone, Debug)]
pub(super) struct PolicyRule {
    peers: Vec<PolicyPeer>,
    ports: Vec<PolicyPort>,
}

#[derive(Clone, Debug)]
enum PolicyPeer {
    /// Pods of the policy's own namespace, or of the namespaces that are selected.
    Pods {
        pods: Option<ParsedSelector>,
        namespaces: Option<ParsedSelector>,
    },
    Block {
        block: AddressBlock,
        except: Vec<AddressBlock>,
    },
}

#[derive(Clone, Debug)]
struct PolicyPort {
    protocol: PortProtocol,
    which: PeerKind,
}

#[derive(Clone, Debug)]
enum PeerKind {
    All,
    Range(u16, u16),
    Named(String),
}

/// The far end of a connection, as a rule sees it.
pub(super) struct FarEnd<'a> {
    pub(super) address: IpAddr,
    /// Its namespace, the labels of that, and its own; `None` where it is not a pod with its own
    /// address.
    pub(super) pod: Option<(&'a str, &'a ObjectLabels, &'a ObjectLabels)>,
}

/// What is knocked at.
pub(super) struct ProbeTarget<'a> {
    pub(super) port: u16,
    pub(super) protocol: PortProtocol,
    /// The named ports of the pod that is connected to.
    pub(super) names: &'a [NamedPort],
}

impl ParsedPolicy {
    pub(super) fn read(policy: &NetworkPolicy) -> Result<Self, Error> {
        let namespace = policy.metadata.namespace.clone().unwrap_or_default();
        let name = format!(
            "{namespace}/{}",
            policy.metadata.name.as_deref().unwrap_or_default()
        );
        let spec = policy.spec.clone().unwrap_or_default();
        let (ingress, egress) = (
            spec.ingress.unwrap_or_default(),
            spec.egress.unwrap_or_default(),
        );
        let types = match spec.policy_types.filter(|types| !types.is_empty()) {
            Some(types) => types,
            None if egress.is_empty() => vec!["Ingress".to_owned()],
            None => vec!["Ingress".to_owned(), "Egress".to_owned()],
        };
        if let Some(text) = types
            .iter()
            .find(|text| !matches!(text.as_str(), "Ingress" | "Egress"))
        {
            return Err(Error::Direction {
                policy: name,
                text: text.clone(),
            });
        }
        let says = |direction: &str| types.iter().any(|text| text == direction);
        let incoming = ingress
            .iter()
            .map(|rule| (rule.from.as_deref(), rule.ports.as_deref()));
        let outgoing = egress
            .iter()
            .map(|rule| (rule.to.as_deref(), rule.ports.as_deref()));
        let read = |(peers, ports)| PolicyRule::read(&name, peers, ports);
        let incoming = incoming.map(read).collect::<Result<Vec<_>, _>>()?;
        let outgoing = outgoing.map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            pods: ParsedSelector::read(&spec.pod_selector.unwrap_or_default())?,
            ingress: says("Ingress").then_some(incoming),
            egress: says("Egress").then_some(outgoing),
            namespace,
            name,
        })
    }
}

impl PolicyRule {
    fn read(
        policy: &str,
        peers: Option<&[NetworkPolicyPeer]>,
        ports: Option<&[NetworkPolicyPort]>,
    ) -> Result<Self, Error> {
        let peers = peers
            .unwrap_or_default()
            .iter()
            .map(|peer| PolicyPeer::read(policy, peer));
        let ports = ports
            .unwrap_or_default()
            .iter()
            .map(|port| PolicyPort::read(policy, port));
        Ok(Self {
            peers: peers.collect::<Result<_, _>>()?,
            ports: ports.collect::<Result<_, _>>()?,
        })
    }

    /// Whether a rule of a policy in `namespace` lets this through.
    pub(super) fn allows(
        &self,
        namespace: &str,
        far: &FarEnd<'_>,
        target: &ProbeTarget<'_>,
    ) -> bool {
        let peer = self.peers.is_empty() || self.peers.iter().any(|peer| peer.is(namespace, far));
        let port = self.ports.is_empty() || self.ports.iter().any(|port| port.is(target));
        peer && port
    }
}

impl PolicyPeer {
    fn read(policy: &str, peer: &NetworkPolicyPeer) -> Result<Self, Error> {
        let read = |selector: &Option<_>| selector.as_ref().map(ParsedSelector::read).transpose();
        match (
            read(&peer.pod_selector)?,
            read(&peer.namespace_selector)?,
            &peer.ip_block,
        ) {
            (None, None, Some(block)) => Self::block(policy, block),
            (None, None, None) | (_, _, Some(_)) => Err(Error::Peer {
                policy: policy.to_owned(),
            }),
            (pods, namespaces, None) => Ok(Self::Pods { pods, namespaces }),
        }
    }

    fn block(policy: &str, block: &IPBlock) -> Result<Self, Error> {
        let read = |text: &String| {
            AddressBlock::read(text).ok_or_else(|| Error::Block {
                policy: policy.to_owned(),
                text: text.clone(),
            })
        };
        let except = block
            .except
            .iter()
            .flatten()
            .map(read)
            .collect::<Result<_, _>>()?;
        Ok(Self::Block {
            block: read(&block.cidr)?,
            except,
        })
    }

    fn is(&self, own: &str, far: &FarEnd<'_>) -> bool {
        match (self, far.pod) {
            (Self::Block { block, except }, _) => {
                block.contains(far.address)
                    && !except.iter().any(|except| except.contains(far.address))
            }
            (Self::Pods { pods, namespaces }, Some((namespace, namespace_labels, labels))) => {
                let there = namespaces
                    .as_ref()
                    .map_or(namespace == own, |chosen| chosen.selects(namespace_labels));
                there && pods.as_ref().is_none_or(|chosen| chosen.selects(labels))
            }
            (Self::Pods { .. }, None) => false,
        }
    }
}

impl PolicyPort {
    fn read(policy: &str, port: &NetworkPolicyPort) -> Result<Self, Error> {
        let wrong = |text: String| Error::Port {
            policy: policy.to_owned(),
            text,
        };
        let number = |number: i32| match u16::try_from(number) {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(wrong(number.to_string())),
        };
        let which = match (&port.port, port.end_port) {
            (None, None) => PeerKind::All,
            (Some(IntOrString::String(name)), None) => PeerKind::Named(name.clone()),
            (Some(IntOrString::Int(first)), last) => {
                let (first, last) = (number(*first)?, number(last.unwrap_or(*first))?);
                if first > last {
                    return Err(wrong(format!("{first} to {last}")));
                }
                PeerKind::Range(first, last)
            }
            (_, Some(last)) => return Err(wrong(format!("up to {last}"))),
        };
        let protocol = match port.protocol.as_deref() {
            None | Some("TCP") => PortProtocol::Tcp,
            Some("UDP") => PortProtocol::Udp,
            Some("SCTP") => PortProtocol::Sctp,
            Some(text) => {
                return Err(Error::Protocol {
                    policy: policy.to_owned(),
                    text: text.to_owned(),
                });
            }
        };
        Ok(Self { protocol, which })
    }

    fn is(&self, target: &ProbeTarget<'_>) -> bool {
        let named = |name: &String| {
            let same = |port: &NamedPort| {
                port.name == *name && port.protocol == target.protocol && port.port == target.port
            };
            target.names.iter().any(same)
        };
        self.protocol == target.protocol
            && match &self.which {
                PeerKind::All => true,
                PeerKind::Range(first, last) => (*first..=*last).contains(&target.port),
                PeerKind::Named(name) => named(name),
            }
    }
}
