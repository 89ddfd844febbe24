//! Whom a rule lets through: selectors, blocks, and pods on the network of a node.

use super::*;

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
