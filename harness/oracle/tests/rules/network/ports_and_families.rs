//! Ports, address families, and what is no question at all.

use super::*;

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
