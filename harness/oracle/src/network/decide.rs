//! The decision.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::policy::{Far, Policy, Rule, Target};
use super::{End, Family, Free, Gate, Pod, PodName, Probe, Verdict, World};
use crate::Error;
use crate::selector::Labels;

/// The label that every namespace has of its own name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A world whose policies have been read: each pod with those that isolate it.
#[derive(Clone, Debug)]
pub struct Network {
    namespaces: BTreeMap<String, Labels>,
    nodes: BTreeMap<String, Vec<IpAddr>>,
    pods: BTreeMap<PodName, Isolated>,
    policies: Vec<Policy>,
}

/// A pod, and which policies select it for which direction.
#[derive(Clone, Debug)]
struct Isolated {
    pod: Pod,
    ingress: Vec<usize>,
    egress: Vec<usize>,
}

/// An end of a connection, looked up.
struct Party<'a> {
    address: IpAddr,
    node: Option<&'a str>,
    /// `None` for a node, for what shares its network, and for what is outside.
    pod: Option<&'a Isolated>,
}

impl Network {
    /// Reads a world.
    ///
    /// # Errors
    /// When no API server would have stored one of the policies, or a pod's namespace or node is not there.
    pub fn new(world: World) -> Result<Self, Error> {
        let policies = world
            .policies
            .iter()
            .map(Policy::read)
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
            pods.insert(pod.name.clone(), Isolated::new(pod, &policies));
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
    /// When one of its ends is a pod or node that the world does not have, or has no address of the family.
    pub fn decide(&self, probe: &Probe) -> Result<Verdict, Error> {
        let (from, to) = (
            self.party(&probe.from, probe.family)?,
            self.party(&probe.to, probe.family)?,
        );
        if let Some(why) = exempt(&from, &to) {
            return Ok(Verdict {
                egress: Gate::Free(why),
                ingress: Gate::Free(why),
            });
        }
        let names = to.pod.map_or(&[][..], |to| &to.pod.ports);
        let target = Target {
            port: probe.port,
            protocol: probe.protocol,
            names,
        };
        let egress = from.pod.map(|pod| {
            self.gate(
                &pod.egress,
                |policy| &policy.egress,
                &self.far(&to),
                &target,
            )
        });
        let ingress = to.pod.map(|pod| {
            self.gate(
                &pod.ingress,
                |policy| &policy.ingress,
                &self.far(&from),
                &target,
            )
        });
        let no_pod = Gate::Free(Free::NoPod);
        Ok(Verdict {
            egress: egress.unwrap_or(no_pod.clone()),
            ingress: ingress.unwrap_or(no_pod),
        })
    }

    fn party(&self, end: &End, family: Family) -> Result<Party<'_>, Error> {
        let unknown = |kind, name: &dyn ToString| Error::Unknown {
            kind,
            name: name.to_string(),
        };
        let of = |addresses: &[IpAddr]| {
            family
                .among(addresses)
                .ok_or_else(|| unknown("address of the family at", end))
        };
        let node = |name: &str| {
            let (name, addresses) = self
                .nodes
                .get_key_value(name)
                .ok_or_else(|| unknown("node", &name))?;
            Ok(Party {
                address: of(addresses)?,
                node: Some(name),
                pod: None,
            })
        };
        match end {
            End::Outside(address) => Ok(Party {
                address: of(&[*address])?,
                node: None,
                pod: None,
            }),
            End::Node(name) => node(name),
            End::Pod(name) => {
                let found = self.pods.get(name).ok_or_else(|| unknown("pod", name))?;
                if found.pod.host_network {
                    return node(&found.pod.node);
                }
                Ok(Party {
                    address: of(&found.pod.addresses)?,
                    node: Some(&found.pod.node),
                    pod: Some(found),
                })
            }
        }
    }

    fn far<'a>(&'a self, party: &Party<'a>) -> Far<'a> {
        let pod = party.pod.and_then(|found| {
            let namespace = &found.pod.name.namespace;
            Some((
                namespace.as_str(),
                self.namespaces.get(namespace)?,
                &found.pod.labels,
            ))
        });
        Far {
            address: party.address,
            pod,
        }
    }

    /// One direction of a pod that these policies isolate.
    fn gate(
        &self,
        isolating: &[usize],
        rules: impl Fn(&Policy) -> &Option<Vec<Rule>>,
        far: &Far<'_>,
        target: &Target<'_>,
    ) -> Gate {
        let policies = || {
            isolating
                .iter()
                .filter_map(|index| self.policies.get(*index))
        };
        if isolating.is_empty() {
            return Gate::Free(Free::NotIsolated);
        }
        for policy in policies() {
            let rules = rules(policy).iter().flatten();
            if let Some(rule) = rules
                .into_iter()
                .position(|rule| rule.allows(&policy.namespace, far, target))
            {
                return Gate::Open {
                    policy: policy.name.clone(),
                    rule,
                };
            }
        }
        Gate::Shut {
            isolated_by: policies().map(|policy| policy.name.clone()).collect(),
        }
    }
}

impl Isolated {
    fn new(pod: Pod, policies: &[Policy]) -> Self {
        let mut isolated = Self {
            pod,
            ingress: Vec::new(),
            egress: Vec::new(),
        };
        let pod = &isolated.pod;
        let selects = |policy: &Policy| {
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
fn exempt(from: &Party<'_>, to: &Party<'_>) -> Option<Free> {
    match (from.pod, to.pod) {
        (Some(one), Some(other)) if one.pod.name == other.pod.name => Some(Free::Itself),
        (Some(_), None) | (None, Some(_)) if from.node.is_some() && from.node == to.node => {
            Some(Free::OwnNode)
        }
        _ => None,
    }
}
