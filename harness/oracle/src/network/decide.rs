//! The decision.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::policy::{FarEnd, ParsedPolicy, PolicyRule, ProbeTarget};
use super::{
    AddressFamily, ConnectionEnd, ConnectionProbe, FreeReason, GateVerdict, NetworkPod,
    NetworkVerdict, NetworkWorld, PodName,
};
use crate::Error;
use crate::selector::ObjectLabels;

/// The label that every namespace has of its own name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A world whose policies have been read: each pod with those that isolate it.
#[derive(Clone, Debug)]
pub struct NetworkRules {
    namespaces: BTreeMap<String, ObjectLabels>,
    nodes: BTreeMap<String, Vec<IpAddr>>,
    pods: BTreeMap<PodName, IsolatedPod>,
    policies: Vec<ParsedPolicy>,
}

/// A pod, and which policies select it for which direction.
#[derive(Clone, Debug)]
struct IsolatedPod {
    pod: NetworkPod,
    ingress: Vec<usize>,
    egress: Vec<usize>,
}

/// An end of a connection, looked up.
struct ConnectionParty<'a> {
    address: IpAddr,
    node: Option<&'a str>,
    /// `None` for a node, for what shares its network, and for what is outside.
    pod: Option<&'a IsolatedPod>,
}

impl NetworkRules {
    /// Reads a world.
    ///
    /// # Errors
    /// When no API server would have stored one of the policies, or a pod's namespace or node is
    /// not there.
    pub fn new(world: NetworkWorld) -> Result<Self, Error> {
        let policies = world
            .policies
            .iter()
            .map(ParsedPolicy::read)
            .collect::<Result<Vec<_>, _>>()?;
        let mut namespaces = world.namespaces;
        for (name, labels) in &mut namespaces {
            labels.insert(NAME_LABEL.to_owned(), name.clone());
        }
        let mut pods = BTreeMap::new();
        for pod in world.pods {
            let known = |kind, name: &String, known: bool| {
                if known {
                    Ok(())
                } else {
                    Err(Error::Unknown {
                        kind,
                        name: name.clone(),
                    })
                }
            };
            known(
                "namespace",
                &pod.name.namespace,
                namespaces.contains_key(&pod.name.namespace),
            )?;
            known("node", &pod.node, world.nodes.contains_key(&pod.node))?;
            pods.insert(pod.name.clone(), IsolatedPod::new(pod, &policies));
        }
        Ok(Self {
            namespaces,
            nodes: world.nodes,
            pods,
            policies,
        })
    }

    /// Whether a connection is let through.
    ///
    /// # Errors
    /// When one of its ends is a pod or node that the world does not have, or has no address of the
    /// family.
    pub fn decide(&self, probe: &ConnectionProbe) -> Result<NetworkVerdict, Error> {
        let (from, to) = (
            self.party(&probe.from, probe.family)?,
            self.party(&probe.to, probe.family)?,
        );
        if let Some(why) = exempt_reason(&from, &to) {
            return Ok(NetworkVerdict {
                egress: GateVerdict::Free(why),
                ingress: GateVerdict::Free(why),
            });
        }
        let names = to.pod.map_or(&[][..], |to| &to.pod.ports);
        let target = ProbeTarget {
            port: probe.port,
            protocol: probe.protocol,
            names,
        };
        let egress = from.pod.map(|pod| {
            self.decide_gate(
                &pod.egress,
                |policy| &policy.egress,
                &self.far_end(&to),
                &target,
            )
        });
        let ingress = to.pod.map(|pod| {
            self.decide_gate(
                &pod.ingress,
                |policy| &policy.ingress,
                &self.far_end(&from),
                &target,
            )
        });
        let no_pod = GateVerdict::Free(FreeReason::NoPod);
        Ok(NetworkVerdict {
            egress: egress.unwrap_or(no_pod.clone()),
            ingress: ingress.unwrap_or(no_pod),
        })
    }

    fn party(
        &self,
        end: &ConnectionEnd,
        family: AddressFamily,
    ) -> Result<ConnectionParty<'_>, Error> {
        let unknown = |kind, name: &dyn ToString| Error::Unknown {
            kind,
            name: name.to_string(),
        };
        let of = |addresses: &[IpAddr]| {
            family
                .address_among(addresses)
                .ok_or_else(|| unknown("address of the family at", end))
        };
        let node = |name: &str| {
            let (name, addresses) = self
                .nodes
                .get_key_value(name)
                .ok_or_else(|| unknown("node", &name))?;
            Ok(ConnectionParty {
                address: of(addresses)?,
                node: Some(name),
                pod: None,
            })
        };
        match end {
            ConnectionEnd::Outside(address) => Ok(ConnectionParty {
                address: of(&[*address])?,
                node: None,
                pod: None,
            }),
            ConnectionEnd::Node(name) => node(name),
            ConnectionEnd::Pod(name) => {
                let found = self.pods.get(name).ok_or_else(|| unknown("pod", name))?;
                if found.pod.host_network {
                    return node(&found.pod.node);
                }
                Ok(ConnectionParty {
                    address: of(&found.pod.addresses)?,
                    node: Some(&found.pod.node),
                    pod: Some(found),
                })
            }
        }
    }

    fn far_end<'a>(&'a self, party: &ConnectionParty<'a>) -> FarEnd<'a> {
        let pod = party.pod.and_then(|found| {
            let namespace = &found.pod.name.namespace;
            Some((
                namespace.as_str(),
                self.namespaces.get(namespace)?,
                &found.pod.labels,
            ))
        });
        FarEnd {
            address: party.address,
            pod,
        }
    }

    /// One direction of a pod that these policies isolate.
    fn decide_gate(
        &self,
        isolating: &[usize],
        rules: impl Fn(&ParsedPolicy) -> &Option<Vec<PolicyRule>>,
        far: &FarEnd<'_>,
        target: &ProbeTarget<'_>,
    ) -> GateVerdict {
        let policies = || {
            isolating
                .iter()
                .filter_map(|index| self.policies.get(*index))
        };
        if isolating.is_empty() {
            return GateVerdict::Free(FreeReason::NotIsolated);
        }
        for policy in policies() {
            let rules = rules(policy).iter().flatten();
            if let Some(rule) = rules
                .into_iter()
                .position(|rule| rule.allows(&policy.namespace, far, target))
            {
                return GateVerdict::Open {
                    policy: policy.name.clone(),
                    rule,
                };
            }
        }
        GateVerdict::Shut {
            isolated_by: policies().map(|policy| policy.name.clone()).collect(),
        }
    }
}

impl IsolatedPod {
    fn new(pod: NetworkPod, policies: &[ParsedPolicy]) -> Self {
        let mut isolated = Self {
            pod,
            ingress: Vec::new(),
            egress: Vec::new(),
        };
        let pod = &isolated.pod;
        let selects = |policy: &ParsedPolicy| {
            policy.namespace == pod.name.namespace && policy.pods.selects(&pod.labels)
        };
        for (index, policy) in policies
            .iter()
            .enumerate()
            .filter(|(_, policy)| selects(policy))
        {
            isolated
                .ingress
                .extend(policy.ingress.is_some().then_some(index));
            isolated
                .egress
                .extend(policy.egress.is_some().then_some(index));
        }
        isolated
    }
}

/// What no policy can block.
fn exempt_reason(from: &ConnectionParty<'_>, to: &ConnectionParty<'_>) -> Option<FreeReason> {
    match (from.pod, to.pod) {
        (Some(one), Some(other)) if one.pod.name == other.pod.name => Some(FreeReason::Itself),
        (Some(_), None) | (None, Some(_)) if from.node.is_some() && from.node == to.node => {
            Some(FreeReason::OwnNode)
        }
        _ => None,
    }
}
