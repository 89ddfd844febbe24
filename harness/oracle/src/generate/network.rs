//! Clusters of policies: a fixed cast of pods, and policies about them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    LabelSelector, LabelSelectorRequirement, ObjectMeta,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{pick_word, seldom_some};
use crate::network::{
    AddressFamily, ConnectionEnd, ConnectionProbe, NamedPort, NetworkPod, NetworkWorld, PodName,
    PortProtocol,
};

/// The label that every namespace has of its own name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// What is listened to in every pod of the cast.
pub const LISTENED_PORTS: [(u16, PortProtocol); 3] = [
    (80, PortProtocol::Tcp),
    (8080, PortProtocol::Tcp),
    (53, PortProtocol::Udp),
];

/// The namespaces of the cast, each with a label or none.
const CAST_NAMESPACES: [(&str, Option<(&str, &str)>); 3] = [
    ("one", Some(("team", "red"))),
    ("two", Some(("team", "blue"))),
    ("three", None),
];

/// A pod of the cast: namespace, name, labels, and the number that the port name `web` stands for.
type CastMember = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    u16,
);

const CAST_PODS: [CastMember; 8] = [
    ("one", "web", &[("app", "web"), ("tier", "front")], 80),
    ("one", "db", &[("app", "db"), ("tier", "back")], 8080),
    ("one", "plain", &[], 80),
    ("two", "web", &[("app", "web")], 8080),
    ("two", "db", &[("app", "db"), ("tier", "back")], 80),
    ("three", "web", &[("app", "web"), ("tier", "front")], 80),
    ("three", "db", &[("app", "db")], 8080),
    ("one", "host", &[("app", "web")], 80),
];

/// The pods, on this many nodes in turn, without policies, at addresses of both families. Those of
/// nodes are a box's; pods' own are made up, until the caller knows better. The last pod is on its
/// node's network.
#[must_use]
pub fn pod_cast(nodes: u8) -> NetworkWorld {
    let nodes = nodes.max(1);
    let six = |subnet: u16, node: u8, at: u8| {
        Ipv6Addr::new(0xfd00, 0x10, subnet, node.into(), 0, 0, 0, at.into())
    };
    let node = |at: u8| {
        (
            format!("node-{at}"),
            vec![Ipv4Addr::new(10, 88, 0, at).into(), six(0x88, 0, at).into()],
        )
    };
    let pod = |(at, (namespace, name, labels, web)): (u8, &CastMember)| NetworkPod {
        name: PodName::new(*namespace, *name),
        labels: label_pairs(labels),
        addresses: vec![
            Ipv4Addr::new(10, 244, 16 * (at % nodes), 2 + at).into(),
            six(0x244, at % nodes, 2 + at).into(),
        ],
        node: format!("node-{}", 1 + at % nodes),
        host_network: *name == "host",
        ports: vec![
            NamedPort {
                name: "web".into(),
                port: *web,
                protocol: PortProtocol::Tcp,
            },
            NamedPort {
                name: "dns".into(),
                port: 53,
                protocol: PortProtocol::Udp,
            },
        ],
    };
    let labelled = |(name, label): &(&str, Option<(&str, &str)>)| {
        ((*name).to_owned(), label_pairs(label.as_slice()))
    };
    NetworkWorld {
        namespaces: CAST_NAMESPACES.iter().map(labelled).collect(),
        nodes: (1..=nodes).map(node).collect(),
        pods: (0..).zip(&CAST_PODS).map(pod).collect(),
        policies: Vec::new(),
    }
}

fn label_pairs(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// Every pod to every pod of its own network, at every port that is listened to, over either
/// family.
#[must_use]
pub fn all_probes(world: &NetworkWorld) -> Vec<ConnectionProbe> {
    let mut probes = Vec::new();
    for from in &world.pods {
        for to in world.pods.iter().filter(|pod| !pod.host_network) {
            probes.extend(
                [AddressFamily::Ipv4, AddressFamily::Ipv6]
                    .into_iter()
                    .flat_map(|family| {
                        LISTENED_PORTS.map(|(port, protocol)| ConnectionProbe {
                            from: ConnectionEnd::Pod(from.name.clone()),
                            to: ConnectionEnd::Pod(to.name.clone()),
                            port,
                            protocol,
                            family,
                        })
                    }),
            );
        }
    }
    probes
}

/// One to five policies about a world's pods.
pub fn policy_set(world: &NetworkWorld) -> impl Strategy<Value = Vec<NetworkPolicy>> + use<> {
    let of_pods = world.pods.iter().map(|pod| &pod.addresses);
    let addresses: Vec<IpAddr> = of_pods
        .chain(world.nodes.values())
        .flatten()
        .copied()
        .collect();
    vec(one_policy(addresses), 1..=5).prop_map(|mut policies| {
        for (at, policy) in policies.iter_mut().enumerate() {
            policy.metadata.name = Some(format!("p{at}"));
        }
        policies
    })
}

fn one_policy(addresses: Vec<IpAddr>) -> impl Strategy<Value = NetworkPolicy> {
    let types = select(vec![
        None,
        Some(vec!["Ingress".to_owned()]),
        Some(vec!["Egress".to_owned()]),
        Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
    ]);
    let rules = || vec(policy_rule(addresses.clone()), 0..=2);
    let namespace = pick_word(&["one", "one", "two", "three"]);
    (
        namespace,
        pod_selector(),
        types,
        prop::option::of(rules()),
        prop::option::of(rules()),
    )
        .prop_map(
            |(namespace, pod_selector, policy_types, ingress, egress)| NetworkPolicy {
                metadata: ObjectMeta {
                    namespace: Some(namespace),
                    ..ObjectMeta::default()
                },
                spec: Some(NetworkPolicySpec {
                    pod_selector: Some(pod_selector),
                    policy_types,
                    ingress: ingress.map(|rules| rules.into_iter().map(ingress_rule).collect()),
                    egress: egress.map(|rules| rules.into_iter().map(egress_rule).collect()),
                }),
            },
        )
}

type RuleParts = (
    Option<Vec<NetworkPolicyPeer>>,
    Option<Vec<NetworkPolicyPort>>,
);

fn ingress_rule((from, ports): RuleParts) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule { from, ports }
}

fn egress_rule((to, ports): RuleParts) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { to, ports }
}

/// Peers and ports; nothing, and a list of nothing, are everyone.
fn policy_rule(addresses: Vec<IpAddr>) -> impl Strategy<Value = RuleParts> {
    (
        prop::option::weighted(0.8, vec(policy_peer(addresses), 0..=2)),
        prop::option::of(vec(policy_port(), 0..=2)),
    )
}

fn policy_peer(addresses: Vec<IpAddr>) -> impl Strategy<Value = NetworkPolicyPeer> {
    let selected = |pod_selector, namespace_selector| NetworkPolicyPeer {
        pod_selector,
        namespace_selector,
        ip_block: None,
    };
    prop_oneof![
        2 => pod_selector().prop_map(move |pods| selected(Some(pods), None)),
        2 => namespace_selector().prop_map(move |namespaces| selected(None, Some(namespaces))),
        2 => (pod_selector(), namespace_selector()).prop_map(move |(pods, namespaces)| selected(Some(pods), Some(namespaces))),
        2 => address_block(addresses).prop_map(|block| NetworkPolicyPeer { ip_block: Some(block), ..NetworkPolicyPeer::default() }),
    ]
}

/// A block around one of the addresses, and perhaps a hole in it around another.
fn address_block(addresses: Vec<IpAddr>) -> impl Strategy<Value = IPBlock> {
    let inner = seldom_some(
        2,
        (select(addresses.clone()), select(vec![20_u8, 30, 31, 32])),
    );
    (
        select(addresses),
        select(vec![0_u8, 8, 16, 20, 24, 30, 31, 32]),
        inner,
    )
        .prop_map(|(address, length, inner)| {
            let length = block_length(address, length);
            let within = |(address, length): (IpAddr, u8), outer: &IPBlock| {
                let length = block_length(address, length);
                let hole = masked_block(address, length);
                let is_within = length > outer_length(outer)
                    && masked_block(address, outer_length(outer)) == outer.cidr;
                is_within.then(|| vec![hole])
            };
            let mut block = IPBlock {
                cidr: masked_block(address, length),
                except: None,
            };
            block.except = inner.and_then(|inner| within(inner, &block));
            block
        })
}

/// The length of a block of IPv4, or what comes closest to it in IPv6, whose pods differ in the
/// last bits and whose nodes' networks in those before the last 64.
fn block_length(address: IpAddr, length: u8) -> u8 {
    match (address, length) {
        (IpAddr::V4(_), _) | (IpAddr::V6(_), 0) => length,
        (IpAddr::V6(_), 16) => 48,
        (IpAddr::V6(_), 20) => 64,
        (IpAddr::V6(_), _) => 96 + length,
    }
}

fn outer_length(block: &IPBlock) -> u8 {
    block
        .cidr
        .split_once('/')
        .and_then(|(_, length)| length.parse().ok())
        .unwrap_or(0)
}

/// The block of this length that an address is in, written as the API server wants it: nothing
/// beyond the length.
fn masked_block(address: IpAddr, length: u8) -> String {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            format!("{}/{length}", Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            format!("{}/{length}", Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

fn policy_port() -> impl Strategy<Value = NetworkPolicyPort> {
    let protocol = || prop::option::of(pick_word(&["TCP", "UDP", "SCTP", "TCP"]));
    let number = |number| IntOrString::Int(number);
    prop_oneof![
        1 => protocol().prop_map(|protocol| NetworkPolicyPort { protocol, ..NetworkPolicyPort::default() }),
        3 => (protocol(), select(vec![80, 8080, 53, 81, 1])).prop_map(move |(protocol, port)| NetworkPolicyPort {
            protocol, port: Some(number(port)), end_port: None,
        }),
        2 => (protocol(), select(vec![(80, 80), (79, 81), (53, 80), (81, 8079), (80, 8080), (1, 65535)])).prop_map(
            move |(protocol, (first, last))| NetworkPolicyPort {
                protocol, port: Some(number(first)), end_port: Some(last),
            }
        ),
        3 => (protocol(), pick_word(&["web", "dns", "nobody"])).prop_map(|(protocol, name)| NetworkPolicyPort {
            protocol, port: Some(IntOrString::String(name)), end_port: None,
        }),
    ]
}

fn pod_selector() -> impl Strategy<Value = LabelSelector> {
    label_selector(&[
        ("app", "web"),
        ("app", "db"),
        ("tier", "front"),
        ("tier", "back"),
        ("app", "nobody"),
    ])
}

fn namespace_selector() -> impl Strategy<Value = LabelSelector> {
    label_selector(&[
        ("team", "red"),
        ("team", "blue"),
        (NAME_LABEL, "one"),
        (NAME_LABEL, "three"),
    ])
}

/// A selector by some of these labels, or an empty one.
fn label_selector(
    labels: &'static [(&'static str, &'static str)],
) -> impl Strategy<Value = LabelSelector> {
    let equal =
        seldom_some(2, select(labels)).prop_map(|label| label.map(|label| label_pairs(&[label])));
    let values = vec(select(labels), 1..=2);
    let operator = pick_word(&["In", "NotIn", "Exists", "DoesNotExist"]);
    let expression = (select(labels), operator, values).prop_map(|((key, _), operator, values)| {
        let values = values
            .into_iter()
            .map(|(_, value)| value.to_owned())
            .collect();
        let with_values = matches!(operator.as_str(), "In" | "NotIn");
        LabelSelectorRequirement {
            key: key.to_owned(),
            operator,
            values: with_values.then_some(values),
        }
    });
    (equal, seldom_some(3, vec(expression, 1..=2))).prop_map(|(match_labels, match_expressions)| {
        LabelSelector {
            match_labels,
            match_expressions,
        }
    })
}
