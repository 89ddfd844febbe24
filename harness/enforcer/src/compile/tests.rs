mod any_policies;
mod texts;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::objects::{NamespaceObject, NetworkPolicy, PodObject};
use crate::render::render_table;
use crate::state::{ClusterState, ObjectChange};
use crate::tables::run_nft;
use any_policies::nft_takes;

fn state(pods: &[Value], policies: &[Value]) -> ClusterState {
    let namespaces =
        ["a", "b"].map(|name| json!({"metadata": {"name": name, "labels": {"team": name}}}));
    let mut state = ClusterState::default();
    let read = |all: &[Value]| Value::from(all.to_vec());
    state.pods.take_change(
        ObjectChange::All(serde_json::from_value::<Vec<PodObject>>(read(pods)).unwrap()),
        1,
    );
    state.namespaces.take_change(
        ObjectChange::All(
            serde_json::from_value::<Vec<NamespaceObject>>(read(&namespaces)).unwrap(),
        ),
        1,
    );
    state.policies.take_change(
        ObjectChange::All(serde_json::from_value::<Vec<NetworkPolicy>>(read(policies)).unwrap()),
        1,
    );
    state
}

/// A pod of `node-1`.
fn pod(namespace: &str, name: &str, address: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace, "uid": name, "labels": {"app": name}},
        "spec": {"nodeName": "node-1", "containers": [{"ports": [{"name": "http", "containerPort": 80}]}]},
        "status": {"phase": "Running", "podIPs": [{"ip": address}]},
    })
}

fn policy(namespace: &str, spec: &Value) -> Value {
    json!({"metadata": {"name": spec.to_string(), "namespace": namespace}, "spec": spec})
}

fn three() -> [Value; 3] {
    [
        pod("a", "web", "10.0.0.1"),
        pod("a", "db", "10.0.0.2"),
        pod("b", "web", "10.0.0.3"),
    ]
}

fn address(text: &str) -> u128 {
    address_number(text.parse().unwrap())
}

/// Whether something from one address gets to another's port over TCP, as far as the pods of
/// `node-1` go.
fn passes(state: &ClusterState, from: &str, to: &str, port: u128) -> bool {
    let table = compile_node(state, "node-1");
    let allows = |isolation: &IsolatedPods, own: &str, other: &str| {
        let Some(number) = isolation.pods.get(&own.parse().unwrap()) else {
            return true;
        };
        isolation.lists[*number].iter().any(|(peers, ports)| {
            let ports = match ports {
                PortSet::All => true,
                PortSet::Some(all) => all
                    .get(&PortProtocol::Tcp)
                    .is_some_and(|ranges| ranges.contains(port)),
            };
            ports && peers.contains(address(other))
        })
    };
    allows(&table.egress, from, to) && allows(&table.ingress, to, from)
}

const WEB: &str = "10.0.0.1";
const DB: &str = "10.0.0.2";
const OTHER: &str = "10.0.0.3";
const OUTSIDE: &str = "192.0.2.7";

#[test]
fn without_policies_nothing_is_looked_at() {
    assert_eq!(
        render_table(&compile_node(&state(&three(), &[]), "node-1")),
        "{\n}\n"
    );
}

#[test]
fn a_node_without_isolated_pods_looks_at_whose_address_a_pod_sends_under_all_the_same() {
    let spec = json!({"podSelector": {}, "policyTypes": ["Ingress"]});
    let text = render_table(&compile_node(
        &state(&three(), &[policy("a", &spec)]),
        "node-2",
    ));
    assert!(
        text.contains("fib saddr . iif oif missing drop") && !text.contains("vmap"),
        "{text}"
    );
    nft_takes(&text);
}

/// The three pods with addresses of both families.
fn six() -> Vec<Value> {
    let both = |mut pod: Value, six: &str| {
        pod["status"]["podIPs"]
            .as_array_mut()
            .unwrap()
            .push(json!({"ip": six}));
        pod
    };
    three()
        .into_iter()
        .zip(["fd00::1", "fd00::2", "fd00::3"])
        .map(|(pod, six)| both(pod, six))
        .collect()
}

#[test]
fn a_block_is_of_one_family_and_a_selector_of_both() {
    let from = |peer: Value| json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [peer]}]});
    let of = |peer: Value| state(&six(), &[policy("a", &from(peer))]);
    let db = of(json!({"podSelector": {"matchLabels": {"app": "db"}}}));
    assert!(passes(&db, DB, WEB, 80) && passes(&db, "fd00::2", "fd00::1", 80));
    assert!(!passes(&db, OTHER, WEB, 80) && !passes(&db, "fd00::3", "fd00::1", 80));
    for (block, four, six) in [
        ("0.0.0.0/0", true, false),
        ("::/0", false, true),
        ("fd00::2/127", false, true),
    ] {
        let block = of(json!({"ipBlock": {"cidr": block}}));
        assert_eq!(
            (
                passes(&block, DB, WEB, 80),
                passes(&block, "fd00::2", "fd00::1", 80)
            ),
            (four, six)
        );
    }
    assert!(!passes(
        &of(json!({"ipBlock": {"cidr": "fd00::4/126"}})),
        "fd00::2",
        "fd00::1",
        80
    ));
}

#[test]
fn policies_add_up_and_a_direction_without_one_is_open() {
    let deny = policy("a", &json!({"podSelector": {}, "policyTypes": ["Ingress"]}));
    let denied = state(&three(), std::slice::from_ref(&deny));
    assert!(
        !passes(&denied, DB, WEB, 80)
            && !passes(&denied, OTHER, WEB, 80)
            && !passes(&denied, OUTSIDE, DB, 80)
    );
    assert!(passes(&denied, WEB, OTHER, 80) && passes(&denied, WEB, OUTSIDE, 80));
    let let_in = json!({
        "podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "db"}}}], "ports": [{"port": 80}]}],
    });
    let both = state(&three(), &[deny, policy("a", &let_in)]);
    assert!(passes(&both, DB, WEB, 80));
    assert!(
        !passes(&both, DB, WEB, 81)
            && !passes(&both, OTHER, WEB, 80)
            && !passes(&both, WEB, DB, 80)
    );
}

#[test]
fn selectors_in_one_peer_are_both_meant_and_in_two_either() {
    let spec = |from: Value| json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": from}]});
    let (team_b, db) = (
        json!({"matchLabels": {"team": "b"}}),
        json!({"matchLabels": {"app": "db"}}),
    );
    let one = state(
        &three(),
        &[policy(
            "a",
            &spec(json!([{"namespaceSelector": team_b, "podSelector": db}])),
        )],
    );
    assert!(!passes(&one, OTHER, WEB, 80) && !passes(&one, DB, WEB, 80));
    let two = state(
        &three(),
        &[policy(
            "a",
            &spec(json!([{"namespaceSelector": team_b}, {"podSelector": db}])),
        )],
    );
    assert!(
        passes(&two, OTHER, WEB, 80)
            && passes(&two, DB, WEB, 80)
            && !passes(&two, OUTSIDE, WEB, 80)
    );
    let every = state(
        &three(),
        &[policy("a", &spec(json!([{"namespaceSelector": {}}])))],
    );
    assert!(passes(&every, OTHER, WEB, 80) && !passes(&every, OUTSIDE, WEB, 80));
    let unknown = pod("c", "new", "10.0.0.9");
    let unheard = state(
        &[three()[0].clone(), unknown],
        &[policy("a", &spec(json!([{"namespaceSelector": {}}])))],
    );
    assert!(
        !passes(&unheard, "10.0.0.9", WEB, 80),
        "its namespace is not known yet"
    );
}

#[test]
fn a_name_is_looked_up_in_the_server_and_one_that_nobody_has_lets_nothing_through() {
    let mut other = pod("a", "old", "10.0.0.4");
    other["spec"]["containers"] = json!([{"ports": [{"name": "http", "containerPort": 8080}]}]);
    let pods = [three().to_vec(), vec![other]].concat();
    let ports = |name: &str| json!([{"port": name}]);
    let ingress = |name| json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": ports(name)}]});
    let egress = |name| json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": ports(name)}]});
    for spec in [ingress("http"), egress("http")] {
        let named = state(&pods, &[policy("a", &spec)]);
        assert!(
            passes(&named, WEB, DB, 80) && passes(&named, WEB, "10.0.0.4", 8080),
            "{spec}"
        );
        assert!(
            !passes(&named, WEB, DB, 8080) && !passes(&named, WEB, "10.0.0.4", 80),
            "{spec}"
        );
    }
    for spec in [ingress("none"), egress("none")] {
        assert!(
            !passes(&state(&pods, &[policy("a", &spec)]), WEB, DB, 80),
            "{spec}"
        );
    }
    let spec = egress("http");
    assert!(
        !passes(&state(&pods, &[policy("a", &spec)]), WEB, OUTSIDE, 80),
        "nobody says what it is called there"
    );
}

#[test]
fn a_node_isolates_its_own_pods_and_knows_those_of_others() {
    let mut pods = three();
    pods[1]["spec"]["nodeName"] = json!("node-2");
    let spec = json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]});
    let state = state(&pods, &[policy("a", &spec)]);
    let isolated = |node| {
        compile_node(&state, node)
            .ingress
            .pods
            .into_keys()
            .collect::<Vec<_>>()
    };
    assert_eq!(isolated("node-1"), [WEB.parse::<IpAddr>().unwrap()]);
    assert_eq!(isolated("node-2"), [DB.parse::<IpAddr>().unwrap()]);
    assert!(passes(&state, DB, WEB, 80) && !passes(&state, OTHER, WEB, 80));
}

#[test]
fn blocks_are_read_as_the_api_server_takes_them() {
    let ranges =
        |from: &str, to: &str| Some(NumberRanges::from_pairs([(address(from), address(to))]));
    assert_eq!(
        cidr_ranges("10.1.2.3/8"),
        ranges("10.0.0.0", "10.255.255.255")
    );
    assert_eq!(
        cidr_ranges("010.001.0.0/16"),
        ranges("10.1.0.0", "10.1.255.255")
    );
    assert_eq!(cidr_ranges("0.0.0.0/0"), Some(NumberRanges::ipv4()));
    assert_eq!(cidr_ranges("::/0"), Some(NumberRanges::ipv6()));
    assert_eq!(
        cidr_ranges("fd00:1::7/32"),
        ranges("fd00:1::", "fd00:1:ffff:ffff:ffff:ffff:ffff:ffff")
    );
    assert_eq!(cidr_ranges("fd00::1/128"), ranges("fd00::1", "fd00::1"));
    assert_eq!(
        cidr_ranges("192.0.2.1/32"),
        ranges("192.0.2.1", "192.0.2.1")
    );
    for none in [
        "fd00::/129",
        "fd00::",
        "fd00:::/8",
        "10.0.0.0",
        "10.0.0.0/33",
        "10.0.0/8",
        "10.0.0.0.0/8",
        "256.0.0.0/8",
        "",
    ] {
        assert_eq!(cidr_ranges(none), None, "{none}");
    }
}
