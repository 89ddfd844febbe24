//! The rules of NetworkPolicy, one by one, on the cast of the generators.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

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

#[test]
fn selectors_in_one_peer_are_and_in_two_are_or() {
    let team = json!({"matchLabels": {"team": "blue"}});
    let app = json!({"matchLabels": {"app": "web"}});
    let peers = |peers: Value| {
        network(&[(
            "one",
            "p",
            json!({"podSelector": {}, "ingress": [{"from": peers}]}),
        )])
    };
    let both = peers(json!([{"namespaceSelector": team, "podSelector": app}]));
    assert_eq!(
        who_reaches(&both, "one/plain", &EVERYONE),
        ["one/plain", "two/web"]
    );
    let either = peers(json!([{"namespaceSelector": team}, {"podSelector": app}]));
    assert_eq!(
        who_reaches(&either, "one/plain", &EVERYONE),
        ["one/web", "one/plain", "two/web", "two/db"]
    );
    let pods = peers(json!([{"podSelector": app}]));
    assert_eq!(
        who_reaches(&pods, "one/plain", &EVERYONE),
        ["one/web", "one/plain"],
        "of its own namespace"
    );
    let namespaces = peers(json!([{"namespaceSelector": team}]));
    assert_eq!(
        who_reaches(&namespaces, "one/plain", &EVERYONE),
        ["one/plain", "two/web", "two/db"]
    );
    let name =
        json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "three"}}}]);
    assert_eq!(
        who_reaches(&peers(name), "one/plain", &EVERYONE),
        ["one/plain", "three/web", "three/db"]
    );
    let every_pod = peers(json!([{"namespaceSelector": {}}]));
    let pods = [
        "one/web",
        "one/db",
        "one/plain",
        "two/web",
        "two/db",
        "three/web",
        "three/db",
    ];
    assert_eq!(
        who_reaches(&every_pod, "one/plain", &EVERYONE),
        pods,
        "neither nodes nor the outside are pods"
    );
}

#[test]
fn expressions_say_what_they_mean() {
    let who = |operator: &str, values: &[&str]| {
        let mut term = json!({"key": "tier", "operator": operator});
        if !values.is_empty() {
            term["values"] = json!(values);
        }
        let more = json!({"matchLabels": {"app": "db"}, "matchExpressions": [term]});
        let from = json!([{"namespaceSelector": {}, "podSelector": more}]);
        let network = network(&[(
            "one",
            "p",
            json!({"podSelector": {}, "ingress": [{"from": from}]}),
        )]);
        who_reaches(
            &network,
            "one/plain",
            &["one/web", "one/db", "two/web", "two/db", "three/db"],
        )
    };
    assert_eq!(who("In", &["back", "middle"]), ["one/db", "two/db"]);
    assert_eq!(
        who("In", &["front"]),
        Vec::<&str>::new(),
        "and of the right app"
    );
    assert_eq!(
        who("NotIn", &["back"]),
        ["three/db"],
        "what has no tier is not in it"
    );
    assert_eq!(who("Exists", &[]), ["one/db", "two/db"]);
    assert_eq!(who("DoesNotExist", &[]), ["three/db"]);
}

#[test]
fn no_peers_and_no_ports_are_all_of_them() {
    for rule in [
        json!({}),
        json!({"from": [], "ports": []}),
        json!({"ports": [{"port": 80}]}),
    ] {
        let network = network(&[("one", "p", json!({"podSelector": {}, "ingress": [rule]}))]);
        assert_eq!(who_reaches(&network, "one/web", &EVERYONE), EVERYONE);
    }
}

#[test]
fn a_block_has_holes_and_looks_at_addresses_alone() {
    let block = |block: Value| {
        network(&[(
            "one",
            "p",
            json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": block}]}]}),
        )])
    };
    let all = block(json!({"cidr": "0.0.0.0/0"}));
    assert_eq!(
        who_reaches(&all, "one/web", &EVERYONE),
        EVERYONE,
        "pods and nodes included"
    );
    let outside = block(json!({"cidr": "0.0.0.0/0", "except": ["10.244.0.0/16"]}));
    assert_eq!(
        who_reaches(&outside, "one/web", &EVERYONE),
        ["one/web", "node-2", "192.0.2.1"]
    );
    let holes = block(json!({"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "192.0.2.0/24"]}));
    assert_eq!(who_reaches(&holes, "one/web", &EVERYONE), ["one/web"]);
    let node = block(json!({"cidr": "10.88.0.2/32"}));
    assert_eq!(
        who_reaches(&node, "one/web", &EVERYONE),
        ["one/web", "node-2"]
    );
}

#[test]
fn a_pod_on_the_hosts_network_is_its_node() {
    assert!(
        pod_cast(2)
            .pods
            .iter()
            .any(|pod| pod.host_network && pod.node == "node-2")
    );
    let by_label = json!([{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]);
    let by_address = json!([{"from": [{"ipBlock": {"cidr": "10.88.0.2/32"}}]}]);
    for (rules, reached) in [
        (by_label, vec!["one/web"]),
        (by_address, vec!["one/web", "one/host"]),
    ] {
        let network = network(&[(
            "one",
            "p",
            json!({"podSelector": {"matchLabels": {"app": "web"}}, "ingress": rules}),
        )]);
        assert_eq!(
            who_reaches(&network, "one/web", &["one/web", "one/host", "three/db"]),
            reached
        );
        let verdict = network
            .decide(&probe("three/db", "one/host", 80, PortProtocol::Tcp))
            .unwrap();
        assert_eq!(
            verdict.ingress,
            GateVerdict::Free(FreeReason::NoPod),
            "it is not selected"
        );
    }
    let out = json!({"podSelector": {}, "policyTypes": ["Egress"]});
    let network = network(&[("one", "out", out)]);
    let verdict = network
        .decide(&probe("one/host", "two/db", 80, PortProtocol::Tcp))
        .unwrap();
    assert!(verdict.reached() && verdict.egress == GateVerdict::Free(FreeReason::NoPod));
}

#[test]
fn a_pod_and_its_own_node_are_never_kept_apart() {
    let deny = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
    let network = network(&[("one", "deny", deny)]);
    let own = GateVerdict::Free(FreeReason::OwnNode);
    for near in NEIGHBOURS {
        for (from, to) in [(near, "one/db"), ("one/db", near)] {
            let verdict = network
                .decide(&probe(from, to, 80, PortProtocol::Tcp))
                .unwrap();
            assert_eq!(
                (&verdict.egress, &verdict.ingress),
                (&own, &own),
                "{from} to {to}"
            );
        }
        assert_eq!(
            who_reaches(&network, "one/web", &[near]),
            Vec::<&str>::new(),
            "it is on another node"
        );
        assert!(
            !network
                .decide(&probe("one/web", near, 80, PortProtocol::Tcp))
                .unwrap()
                .reached()
        );
    }
    let itself = network
        .decide(&probe("one/db", "one/db", 80, PortProtocol::Tcp))
        .unwrap();
    assert_eq!(itself.egress, GateVerdict::Free(FreeReason::Itself));
}

#[test]
fn ports_are_numbers_names_and_ranges_of_a_protocol() {
    use PortProtocol::{Sctp, Tcp, Udp};
    let asked = [
        (80, Tcp),
        (80, Udp),
        (81, Tcp),
        (8080, Tcp),
        (53, Udp),
        (53, Tcp),
        (80, Sctp),
    ];
    let at = |port: Value, to: &str| {
        let spec = json!({"podSelector": {}, "ingress": [{"ports": [port]}]});
        ports(
            &network(&[("one", "p", spec.clone()), ("three", "p", spec)]),
            to,
            &asked,
        )
    };
    assert_eq!(
        at(json!({"port": 80}), "one/web"),
        [(80, Tcp)],
        "TCP where nothing is said"
    );
    assert_eq!(
        at(json!({"port": 80, "protocol": "UDP"}), "one/web"),
        [(80, Udp)]
    );
    assert_eq!(
        at(json!({"port": 80, "protocol": "SCTP"}), "one/web"),
        [(80, Sctp)]
    );
    assert_eq!(
        at(json!({"protocol": "UDP"}), "one/web"),
        [(80, Udp), (53, Udp)]
    );
    assert_eq!(
        at(json!({}), "one/web"),
        [(80, Tcp), (81, Tcp), (8080, Tcp), (53, Tcp)]
    );
    assert_eq!(
        at(json!({"port": 80, "endPort": 81}), "one/web"),
        [(80, Tcp), (81, Tcp)]
    );
    assert_eq!(
        at(json!({"port": 81, "endPort": 8080}), "one/web"),
        [(81, Tcp), (8080, Tcp)]
    );
    assert_eq!(at(json!({"port": "web"}), "one/web"), [(80, Tcp)]);
    assert_eq!(
        at(json!({"port": "web"}), "one/db"),
        [(8080, Tcp)],
        "the name is the destination's"
    );
    assert_eq!(
        at(json!({"port": "dns"}), "one/web"),
        [],
        "a name of another protocol"
    );
    assert_eq!(
        at(json!({"port": "dns", "protocol": "UDP"}), "one/web"),
        [(53, Udp)]
    );
    assert_eq!(at(json!({"port": "nobody"}), "one/web"), []);
}

#[test]
fn a_named_port_of_an_egress_rule_is_the_destinations() {
    let rule = |to: Value| json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": to, "ports": [{"port": "web"}]}]});
    for to in [
        json!([]),
        json!([{"namespaceSelector": {}}]),
        json!([{"ipBlock": {"cidr": "10.244.0.0/16"}}]),
    ] {
        let network = network(&[("two", "p", rule(to))]);
        let asked = [(80, PortProtocol::Tcp), (8080, PortProtocol::Tcp)];
        assert_eq!(
            ports(&network, "one/web", &asked),
            [(80, PortProtocol::Tcp)]
        );
        assert_eq!(
            ports(&network, "one/db", &asked),
            [(8080, PortProtocol::Tcp)]
        );
        assert_eq!(
            ports(&network, "192.0.2.1", &asked),
            [],
            "nobody outside has names"
        );
        let host = network
            .decide(&probe("two/db", "one/host", 80, PortProtocol::Tcp))
            .unwrap();
        assert!(!host.reached(), "nor has a node");
    }
}

#[test]
fn what_no_server_would_store_is_an_error() {
    let rule = |rule: Value| json!({"podSelector": {}, "ingress": [rule]});
    let wrong = [
        rule(json!({"from": [{}]})),
        rule(json!({"from": [{"podSelector": {}, "ipBlock": {"cidr": "0.0.0.0/0"}}]})),
        rule(json!({"from": [{"ipBlock": {"cidr": "10.0.0.0"}}]})),
        rule(json!({"from": [{"ipBlock": {"cidr": "10.0.0.0/33"}}]})),
        rule(json!({"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["x"]}}]})),
        rule(json!({"ports": [{"port": 0}]})),
        rule(json!({"ports": [{"port": 65536}]})),
        rule(json!({"ports": [{"port": 80, "endPort": 79}]})),
        rule(json!({"ports": [{"port": "web", "endPort": 80}]})),
        rule(json!({"ports": [{"endPort": 80}]})),
        rule(json!({"ports": [{"port": 80, "protocol": "ICMP"}]})),
        json!({"podSelector": {}, "policyTypes": ["Both"]}),
        json!({"podSelector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}),
    ];
    for spec in wrong {
        assert!(
            NetworkRules::new(world(&[("one", "p", spec.clone())])).is_err(),
            "{spec}"
        );
    }
    let fine = network(&[]);
    for end in ["one/absent", "node-9"] {
        fine.decide(&probe(end, "one/web", 80, PortProtocol::Tcp))
            .unwrap_err();
    }
    let mut lost = pod_cast(1);
    lost.namespaces.remove("three");
    NetworkRules::new(lost).unwrap_err();
    let mut lost = pod_cast(2);
    lost.nodes.remove("node-2");
    NetworkRules::new(lost).unwrap_err();
}

#[test]
fn a_table_is_compared_cell_by_cell() {
    let network = network(&[("one", "deny", json!({"podSelector": {}}))]);
    let seen = [
        (probe("two/web", "one/web", 80, PortProtocol::Tcp), false),
        (probe("two/web", "one/db", 80, PortProtocol::Tcp), true),
        (probe("one/web", "two/web", 80, PortProtocol::Tcp), false),
    ];
    let found = compare_cells(
        &network,
        seen.iter().map(|(probe, reached)| (probe, *reached)),
    )
    .unwrap();
    let said: Vec<String> = found.iter().map(ToString::to_string).collect();
    let first = "two/web → one/db tcp/80: was reached; the oracle says blocked: egress free (not isolated); ingress \
        isolated by one/deny, and allowed by no rule";
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(said[0], first);
    assert!(
        said[1].starts_with("one/web → two/web tcp/80: was blocked; the oracle says reached"),
        "{}",
        said[1]
    );
}

#[test]
fn a_selector_is_of_both_families_and_a_block_of_one() {
    let world = world(&[]);
    let address = |family: AddressFamily| {
        let web = world
            .pods
            .iter()
            .find(|pod| pod.name == PodName::new("two", "web"))
            .unwrap();
        family.address_among(&web.addresses).unwrap()
    };
    let from = |peer: Value| {
        network(&[(
            "one",
            "let-in",
            json!({"podSelector": {}, "ingress": [{"from": [peer]}]}),
        )])
    };
    let reached = |peer: Value, who: &str| {
        let network = from(peer);
        let reached = |probe: ConnectionProbe| network.decide(&probe).unwrap().reached();
        (
            reached(probe(who, "one/db", 80, PortProtocol::Tcp)),
            reached(over_ipv6(who, "one/db")),
        )
    };
    let blue = json!({"namespaceSelector": {"matchLabels": {"team": "blue"}}});
    assert_eq!(
        (reached(blue.clone(), "two/web"), reached(blue, "three/web")),
        ((true, true), (false, false))
    );
    let block = |cidr: String| json!({"ipBlock": {"cidr": cidr}});
    assert_eq!(
        reached(
            block(format!("{}/32", address(AddressFamily::Ipv4))),
            "two/web"
        ),
        (true, false)
    );
    assert_eq!(
        reached(
            block(format!("{}/128", address(AddressFamily::Ipv6))),
            "two/web"
        ),
        (false, true)
    );
    assert_eq!(reached(block("::/0".into()), "three/web"), (false, true));
}

#[test]
fn nobody_is_asked_about_an_address_that_is_not_there() {
    let mut world = world(&[]);
    for pod in &mut world.pods {
        pod.addresses.truncate(1);
    }
    let network = NetworkRules::new(world).unwrap();
    assert!(
        network
            .decide(&probe("one/web", "one/db", 80, PortProtocol::Tcp))
            .is_ok()
    );
    assert!(network.decide(&over_ipv6("one/web", "one/db")).is_err());
    assert!(
        network
            .decide(&probe("one/web", "fd00::9", 80, PortProtocol::Tcp))
            .is_err()
    );
}
