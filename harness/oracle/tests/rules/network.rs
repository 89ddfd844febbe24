//! The rules of NetworkPolicy, one by one, on the cast of the generators.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

mod peers;
mod ports_and_families;

use std::net::IpAddr;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use oracle::generate::network::pod_cast;
use oracle::network::{
    AddressFamily, ConnectionEnd, ConnectionProbe, FreeReason, GateVerdict, NetworkRules,
    NetworkWorld, PodName, PortProtocol, compare_cells,
};
use serde_json::{Value, json};

/// The cast on two nodes with these policies: namespace, name and spec of each.
fn world(policies: &[(&str, &str, Value)]) -> NetworkWorld {
    let policy = |(namespace, name, spec): &(&str, &str, Value)| -> NetworkPolicy {
        serde_json::from_value(
            json!({"metadata": {"namespace": namespace, "name": name}, "spec": spec}),
        )
        .unwrap()
    };
    NetworkWorld {
        policies: policies.iter().map(policy).collect(),
        ..pod_cast(2)
    }
}

fn network(policies: &[(&str, &str, Value)]) -> NetworkRules {
    NetworkRules::new(world(policies)).unwrap()
}

fn end(text: &str) -> ConnectionEnd {
    match text.split_once('/') {
        Some((namespace, name)) => ConnectionEnd::Pod(PodName::new(namespace, name)),
        None if text.starts_with("node") => ConnectionEnd::Node(text.to_owned()),
        None => ConnectionEnd::Outside(text.parse().unwrap()),
    }
}

fn probe(from: &str, to: &str, port: u16, protocol: PortProtocol) -> ConnectionProbe {
    let (from, to) = (end(from), end(to));
    let is_six = |end: &ConnectionEnd| matches!(end, ConnectionEnd::Outside(IpAddr::V6(_)));
    let family = if is_six(&from) || is_six(&to) {
        AddressFamily::Ipv6
    } else {
        AddressFamily::Ipv4
    };
    ConnectionProbe {
        from,
        to,
        port,
        protocol,
        family,
    }
}

fn over_ipv6(from: &str, to: &str) -> ConnectionProbe {
    ConnectionProbe {
        family: AddressFamily::Ipv6,
        ..probe(from, to, 80, PortProtocol::Tcp)
    }
}

/// Which of these reach `to`, by TCP at port 80.
fn who_reaches<'a>(network: &NetworkRules, to: &str, from: &[&'a str]) -> Vec<&'a str> {
    let reached = |from: &&&str| {
        network
            .decide(&probe(from, to, 80, PortProtocol::Tcp))
            .unwrap()
            .reached()
    };
    from.iter().filter(reached).copied().collect()
}

/// At which of these does one pod reach another?
fn ports(
    network: &NetworkRules,
    to: &str,
    asked: &[(u16, PortProtocol)],
) -> Vec<(u16, PortProtocol)> {
    let reached = |(port, protocol): &&(u16, PortProtocol)| {
        network
            .decide(&probe("two/web", to, *port, *protocol))
            .unwrap()
            .reached()
    };
    asked.iter().filter(reached).copied().collect()
}

const EVERYONE: [&str; 9] = [
    "one/web",
    "one/db",
    "one/plain",
    "two/web",
    "two/db",
    "three/web",
    "three/db",
    "node-2",
    "192.0.2.1",
];

/// One on the same node as `one/db`, and a pod on that node's network.
const NEIGHBOURS: [&str; 2] = ["node-2", "one/host"];

#[test]
fn without_policies_everyone_reaches_everyone() {
    let network = network(&[]);
    assert_eq!(who_reaches(&network, "one/web", &EVERYONE), EVERYONE);
    let verdict = network
        .decide(&probe("one/web", "192.0.2.1", 80, PortProtocol::Tcp))
        .unwrap();
    assert_eq!(
        (verdict.egress, verdict.ingress),
        (
            GateVerdict::Free(FreeReason::NotIsolated),
            GateVerdict::Free(FreeReason::NoPod)
        )
    );
}

#[test]
fn a_policy_isolates_what_it_selects_in_its_own_namespace() {
    let network = network(&[(
        "one",
        "deny",
        json!({"podSelector": {"matchLabels": {"app": "web"}}}),
    )]);
    assert_eq!(
        who_reaches(&network, "one/web", &EVERYONE),
        ["one/web"],
        "itself"
    );
    for other in ["one/db", "one/plain", "two/web", "three/web"] {
        assert_eq!(who_reaches(&network, other, &EVERYONE), EVERYONE, "{other}");
    }
    let verdict = network
        .decide(&probe("two/db", "one/web", 80, PortProtocol::Tcp))
        .unwrap();
    assert_eq!(
        verdict.ingress,
        GateVerdict::Shut {
            isolated_by: vec!["one/deny".into()]
        }
    );
    assert!(
        verdict
            .to_string()
            .contains("isolated by one/deny, and allowed by no rule"),
        "{verdict}"
    );
}

#[test]
fn an_empty_selector_is_every_pod_of_the_namespace() {
    let network = network(&[("one", "deny", json!({"podSelector": {}}))]);
    assert_eq!(who_reaches(&network, "one/plain", &EVERYONE), ["one/plain"]);
    assert_eq!(who_reaches(&network, "two/web", &EVERYONE), EVERYONE);
}

#[test]
fn a_direction_that_is_not_named_follows_from_the_rules() {
    let egress = |spec: Value| {
        let network = network(&[("one", "p", spec)]);
        let out = network
            .decide(&probe("one/db", "two/web", 80, PortProtocol::Tcp))
            .unwrap()
            .egress;
        let into = network
            .decide(&probe("two/web", "one/db", 80, PortProtocol::Tcp))
            .unwrap()
            .ingress;
        (out.lets_through(), into.lets_through())
    };
    let nobody = json!([{"to": [{"podSelector": {"matchLabels": {"app": "nobody"}}}]}]);
    assert_eq!(
        egress(json!({"podSelector": {}})),
        (true, false),
        "ingress always"
    );
    assert_eq!(
        egress(json!({"podSelector": {}, "egress": []})),
        (true, false),
        "an empty list says nothing"
    );
    assert_eq!(
        egress(json!({"podSelector": {}, "egress": nobody})),
        (false, false)
    );
    assert_eq!(
        egress(json!({"podSelector": {}, "policyTypes": []})),
        (true, false)
    );
    assert_eq!(
        egress(json!({"podSelector": {}, "policyTypes": ["Egress"]})),
        (false, true)
    );
    assert_eq!(
        egress(json!({"podSelector": {}, "policyTypes": ["Ingress"], "egress": nobody})),
        (true, false)
    );
    assert_eq!(
        egress(json!({"podSelector": {}, "policyTypes": ["Egress"], "ingress": [{}]})),
        (false, true)
    );
    assert_eq!(
        egress(json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}]})),
        (false, true)
    );
}

#[test]
fn policies_add_up() {
    let from = |app: &str| json!([{"from": [{"podSelector": {"matchLabels": {"app": app}}}]}]);
    let network = network(&[
        ("one", "deny", json!({"podSelector": {}})),
        (
            "one",
            "web",
            json!({"podSelector": {"matchLabels": {"app": "db"}}, "ingress": from("web")}),
        ),
        (
            "one",
            "db",
            json!({"podSelector": {"matchLabels": {"tier": "back"}}, "ingress": from("db")}),
        ),
    ]);
    assert_eq!(
        who_reaches(&network, "one/db", &EVERYONE),
        ["one/web", "one/db", "node-2"]
    );
    let verdict = network
        .decide(&probe("one/web", "one/db", 80, PortProtocol::Tcp))
        .unwrap();
    assert_eq!(
        verdict.ingress,
        GateVerdict::Open {
            policy: "one/web".into(),
            rule: 0
        }
    );
    assert!(
        verdict.to_string().starts_with(
            "reached: egress free (not isolated); ingress allowed by rule 0 of one/web"
        )
    );
}

#[test]
fn both_ends_have_to_allow_it() {
    let deny_egress = (
        "two",
        "out",
        json!({"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"]}),
    );
    let allow_ingress = ("one", "in", json!({"podSelector": {}, "ingress": [{}]}));
    let network = network(&[deny_egress, allow_ingress]);
    let reached = who_reaches(&network, "one/web", &["two/web", "two/db", "three/web"]);
    assert_eq!(reached, ["two/db", "three/web"]);
}
