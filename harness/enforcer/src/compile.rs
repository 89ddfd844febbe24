//! From what is known of the cluster to what a node lets through. Nothing here sends a request.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};

use super::objects::{
    IpBlock, NetworkPolicy, PodObject, PolicyPeer, PolicyPort, PolicyRule, PortProtocol,
    PortReference,
};
use super::ranges::{NumberRanges, address_number};
use super::state::{ClusterState, LocatedPod};

/// What a node lets through: for each of its pods that is isolated in a direction, the number of
/// its list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PolicyTable {
    pub(crate) ingress: IsolatedPods,
    pub(crate) egress: IsolatedPods,
    /// How many pods are isolated in either direction.
    pub(crate) isolated: usize,
    /// Whether any pod of the cluster may be: then no pod may send under another's address, on
    /// whichever node.
    pub(crate) is_guarded: bool,
}

/// One direction. Pods, by each of their addresses; those to which the same is allowed have the
/// same list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IsolatedPods {
    pub(crate) pods: BTreeMap<IpAddr, usize>,
    pub(crate) lists: Vec<AllowedTraffic>,
}

/// What is allowed: addresses at the other end, and ports at the server's end. All else is not.
pub(crate) type AllowedTraffic = Vec<(NumberRanges, PortSet)>;

/// Ports at the server's end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PortSet {
    /// Everything, of whatever protocol.
    All,
    Some(BTreeMap<PortProtocol, NumberRanges>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PolicyDirection {
    Ingress,
    Egress,
}

/// A rule with its peers found.
struct ResolvedRule<'a> {
    peers: NumberRanges,
    ports: &'a [PolicyPort],
}

/// Everything that the rules are looked up in.
struct ClusterView<'a> {
    state: &'a ClusterState,
    located: BTreeMap<IpAddr, LocatedPod<'a>>,
}

/// What the node of this name lets through.
pub(crate) fn compile_node(state: &ClusterState, node: &str) -> PolicyTable {
    let cluster = ClusterView {
        state,
        located: state.located_pods(),
    };
    let (ingress, egress) = (
        cluster.isolate_pods(node, PolicyDirection::Ingress),
        cluster.isolate_pods(node, PolicyDirection::Egress),
    );
    let isolated = ingress.pods.keys().chain(egress.pods.keys());
    let isolated: BTreeSet<_> = isolated
        .map(|address| &cluster.located[address].pod.metadata.uid)
        .collect();
    let isolated = isolated.len();
    PolicyTable {
        ingress,
        egress,
        isolated,
        is_guarded: state.policies.iter().next().is_some(),
    }
}

impl<'a> ClusterView<'a> {
    fn isolate_pods(&self, node: &str, direction: PolicyDirection) -> IsolatedPods {
        let mut by_namespace: BTreeMap<&str, Vec<(&NetworkPolicy, Vec<ResolvedRule<'_>>)>> =
            BTreeMap::new();
        for policy in self
            .state
            .policies
            .iter()
            .filter(|policy| direction.concerns(policy))
        {
            let rules = direction
                .rules(policy)
                .iter()
                .map(|rule| self.resolve_rules(&policy.metadata.namespace, rule));
            by_namespace
                .entry(&policy.metadata.namespace)
                .or_default()
                .push((policy, rules.collect()));
        }
        let mut isolation = IsolatedPods::default();
        // Many pods are picked by the same policies, and many such picks come down to the same
        // list.
        let (mut picks, mut numbers) = (HashMap::new(), HashMap::new());
        for located in self
            .located
            .values()
            .filter(|located| located.pod.spec.node_name == node)
        {
            let pod = located.pod;
            let Some(policies) = by_namespace.get(pod.metadata.namespace.as_str()) else {
                continue;
            };
            let picked = policies.iter().enumerate();
            let picked = picked
                .filter(|(_, (policy, _))| policy.spec.pod_selector.picks(&pod.metadata.labels));
            let picked: Vec<usize> = picked.map(|(index, _)| index).collect();
            if picked.is_empty() {
                continue;
            }
            let rules = || picked.iter().flat_map(|index| &policies[*index].1);
            let named = if direction == PolicyDirection::Ingress {
                named_ports(rules(), pod)
            } else {
                Vec::new()
            };
            let pick = (pod.metadata.namespace.as_str(), picked.clone(), named);
            let number = *picks.entry(pick).or_insert_with(|| {
                let list = join_entries(
                    rules()
                        .flat_map(|found| self.allowed_traffic(found, direction, pod))
                        .collect(),
                );
                *numbers.entry(list.clone()).or_insert_with(|| {
                    isolation.lists.push(list);
                    isolation.lists.len() - 1
                })
            });
            isolation.pods.insert(located.address, number);
        }
        isolation
    }

    fn resolve_rules<'r>(&self, namespace: &str, rule: &'r PolicyRule) -> ResolvedRule<'r> {
        let peers = if rule.peers.is_empty() {
            NumberRanges::all()
        } else {
            let all: Vec<NumberRanges> = rule
                .peers
                .iter()
                .map(|peer| self.peer_addresses(namespace, peer))
                .collect();
            NumberRanges::union(&all)
        };
        ResolvedRule {
            peers,
            ports: &rule.ports,
        }
    }

    /// The addresses of a peer of a policy in `namespace`.
    fn peer_addresses(&self, namespace: &str, peer: &PolicyPeer) -> NumberRanges {
        if let Some(block) = &peer.ip_block {
            return self::block_ranges(block).unwrap_or_default();
        }
        let is_in = |pod: &PodObject| match &peer.namespace_selector {
            None => pod.metadata.namespace == namespace,
            Some(selector) => {
                let found = self.state.namespace(&pod.metadata.namespace);
                found.is_some_and(|found| selector.picks(&found.metadata.labels))
            }
        };
        let is_picked = |pod: &PodObject| {
            peer.pod_selector
                .as_ref()
                .is_none_or(|selector| selector.picks(&pod.metadata.labels))
        };
        let picked = self
            .located
            .values()
            .filter(|located| is_in(located.pod) && is_picked(located.pod));
        NumberRanges::from_pairs(picked.map(|located| {
            (
                address_number(located.address),
                address_number(located.address),
            )
        }))
    }

    /// What a rule allows a pod. A port's name is looked up in the server: for ingress that is the
    /// pod itself, for egress each of the pods at the other end.
    fn allowed_traffic(
        &self,
        found: &ResolvedRule<'_>,
        direction: PolicyDirection,
        pod: &PodObject,
    ) -> AllowedTraffic {
        if found.ports.is_empty() {
            return vec![(found.peers.clone(), PortSet::All)];
        }
        let (named, numbered): (Vec<_>, Vec<_>) = found
            .ports
            .iter()
            .partition(|port| matches!(port.port, Some(PortReference::Name(_))));
        let mut allowed = vec![(
            found.peers.clone(),
            PortSet::from_ranges(numbered.iter().map(|port| port.numbers())),
        )];
        match direction {
            PolicyDirection::Ingress => {
                allowed.push((
                    found.peers.clone(),
                    PortSet::from_ranges(named.iter().map(|port| port.numbers_in(pod))),
                ));
            }
            PolicyDirection::Egress if named.is_empty() => {}
            PolicyDirection::Egress => {
                let servers = self
                    .located
                    .values()
                    .filter(|located| found.peers.contains(address_number(located.address)));
                allowed.extend(servers.map(|server| {
                    let address = address_number(server.address);
                    (
                        NumberRanges::from_pairs([(address, address)]),
                        PortSet::from_ranges(named.iter().map(|port| port.numbers_in(server.pod))),
                    )
                }));
            }
        }
        allowed
    }
}

/// What the names of ports in these rules come down to for this pod: it tells apart pods that are
/// picked alike.
fn named_ports<'a>(
    rules: impl Iterator<Item = &'a ResolvedRule<'a>>,
    pod: &PodObject,
) -> Vec<(PortProtocol, NumberRanges)> {
    let ports = rules.flat_map(|found| found.ports);
    ports
        .filter(|port| matches!(port.port, Some(PortReference::Name(_))))
        .map(|port| port.numbers_in(pod))
        .collect()
}

/// The same with as few entries as are easily had: entries with the same ports become one, then
/// those with the same addresses.
fn join_entries(allowed: AllowedTraffic) -> AllowedTraffic {
    let mut by_ports: BTreeMap<PortSet, Vec<NumberRanges>> = BTreeMap::new();
    for (peers, ports) in allowed
        .into_iter()
        .filter(|(peers, ports)| !peers.is_empty() && !ports.is_empty())
    {
        by_ports.entry(ports).or_default().push(peers);
    }
    let mut by_peers: BTreeMap<NumberRanges, Vec<PortSet>> = BTreeMap::new();
    for (ports, peers) in by_ports {
        by_peers
            .entry(NumberRanges::union(&peers))
            .or_default()
            .push(ports);
    }
    by_peers
        .into_iter()
        .map(|(peers, ports)| (peers, PortSet::union(ports)))
        .collect()
}

impl PolicyDirection {
    /// Whether the policy isolates in this direction. The API server writes the types where the
    /// author did not.
    fn concerns(self, policy: &NetworkPolicy) -> bool {
        let name = if self == Self::Ingress {
            "Ingress"
        } else {
            "Egress"
        };
        policy.spec.policy_types.iter().any(|kind| kind == name)
    }

    fn rules(self, policy: &NetworkPolicy) -> &[PolicyRule] {
        if self == Self::Ingress {
            &policy.spec.ingress
        } else {
            &policy.spec.egress
        }
    }
}

impl PolicyPort {
    /// The ports of one that is a number, or says nothing but its protocol.
    fn numbers(&self) -> (PortProtocol, NumberRanges) {
        let ranges = match self.port {
            Some(PortReference::Number(first)) => {
                NumberRanges::from_pairs([(first.into(), self.end_port.unwrap_or(first).into())])
            }
            Some(PortReference::Name(_)) => NumberRanges::default(),
            None => PortSet::every_port(),
        };
        (self.protocol, ranges)
    }

    /// The ports that have its name in this pod.
    fn numbers_in(&self, server: &PodObject) -> (PortProtocol, NumberRanges) {
        let Some(PortReference::Name(name)) = &self.port else {
            return (self.protocol, NumberRanges::default());
        };
        (
            self.protocol,
            NumberRanges::from_pairs(
                server
                    .ports(name, self.protocol)
                    .map(|port| (port.into(), port.into())),
            ),
        )
    }
}

impl PortSet {
    /// Every port of a protocol.
    pub(crate) fn every_port() -> NumberRanges {
        NumberRanges::from_pairs([(0, u16::MAX.into())])
    }

    fn from_ranges(ports: impl Iterator<Item = (PortProtocol, NumberRanges)>) -> Self {
        let mut all: BTreeMap<PortProtocol, NumberRanges> = BTreeMap::new();
        for (protocol, ranges) in ports.filter(|(_, ranges)| !ranges.is_empty()) {
            let have = all.entry(protocol).or_default();
            *have = NumberRanges::union([&*have, &ranges]);
        }
        Self::Some(all)
    }

    fn union(all: Vec<Self>) -> Self {
        let each = all.into_iter().map(|one| match one {
            Self::All => None,
            Self::Some(ports) => Some(ports),
        });
        each.collect::<Option<Vec<_>>>().map_or(Self::All, |each| {
            Self::from_ranges(each.into_iter().flatten())
        })
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Some(ports) if ports.is_empty())
    }
}

/// The addresses of a block. One that cannot be read has none, and neither has one without
/// something that cannot be.
fn block_ranges(block: &IpBlock) -> Option<NumberRanges> {
    let except = block
        .except
        .iter()
        .map(|text| cidr_ranges(text))
        .collect::<Option<Vec<_>>>()?;
    Some(cidr_ranges(&block.cidr)?.without(&NumberRanges::union(&except)))
}

/// The addresses of a block. Older API servers took leading zeros in those of IPv4.
fn cidr_ranges(text: &str) -> Option<NumberRanges> {
    let (address, length) = text.split_once('/')?;
    let length = length.parse::<u32>().ok()?;
    if address.contains(':') {
        let base = address.parse::<Ipv6Addr>().ok()?.to_bits();
        return (length <= 128).then(|| prefix_range(base, length).without(&NumberRanges::ipv4()));
    }
    let parts = address
        .split('.')
        .map(|part| part.parse().ok())
        .collect::<Option<Vec<u8>>>()?;
    let parts = <[u8; 4]>::try_from(parts).ok()?;
    (length <= 32).then(|| prefix_range(address_number(parts.into()), 96 + length))
}

/// The numbers that share a prefix of this many bits.
fn prefix_range(base: u128, length: u32) -> NumberRanges {
    let rest = u128::MAX.checked_shr(length).unwrap_or(0);
    NumberRanges::from_pairs([(base & !rest, base | rest)])
}

#[cfg(test)]
mod tests;
