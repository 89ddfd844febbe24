//! Policies of every kind and number: nft takes what is made of them.

use super::*;

#[test]
fn a_thousand_policies_for_a_hundred_pods_are_one_list_each_and_few_lines() {
    let pods: Vec<Value> = (1..=100)
        .map(|n| pod("a", &format!("p{n}"), &format!("10.0.1.{n}")))
        .collect();
    let policies: Vec<Value> = (0..1000)
        .map(|n| {
            let from =
                json!([{"podSelector": {"matchLabels": {"app": format!("p{}", n % 100 + 1)}}}]);
            let spec = json!({"podSelector": {}, "policyTypes": ["Ingress"],
                "ingress": [{"from": from, "ports": [{"port": 8000 + n / 100}]}]});
            json!({"metadata": {"name": format!("n{n}"), "namespace": "a"}, "spec": spec})
        })
        .collect();
    let table = compile_node(&state(&pods, &policies), "node-1");
    assert_eq!(
        (
            table.ingress.pods.len(),
            table.ingress.lists.len(),
            table.ingress.lists[0].len()
        ),
        (100, 1, 1)
    );
}

/// Whether `nft` would put the text in force, in a separate network namespace.
pub(super) fn nft_takes(text: &str) {
    let text = format!("table inet tried {text}");
    run_nft(
        "unshare",
        &["--map-root-user", "--net", "nft", "--check", "--file", "-"],
        &text,
    )
    .unwrap();
}

fn selectors() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({})),
        Just(json!({"matchLabels": {"app": "web"}})),
        Just(json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]})),
        Just(json!({"matchExpressions": [{"key": "team", "operator": "Exists"}]})),
    ]
}

fn blocks() -> impl Strategy<Value = Value> {
    let cidr = |address: IpAddr, length: u32| format!("{address}/{length}");
    (any::<IpAddr>(), 0_u32..=128, 0_u32..=8).prop_map(move |(address, length, deeper)| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length.min(most);
        json!({"ipBlock": {"cidr": cidr(address, length), "except": [cidr(address, (length + deeper).min(most))]}})
    })
}

fn peers() -> impl Strategy<Value = Value> {
    prop_oneof![
        blocks(),
        selectors().prop_map(|pods| json!({"podSelector": pods})),
        (selectors(), selectors()).prop_map(
            |(namespaces, pods)| json!({"namespaceSelector": namespaces, "podSelector": pods})
        ),
    ]
}

fn ports() -> impl Strategy<Value = Value> {
    let protocol = prop_oneof![Just("TCP"), Just("UDP"), Just("SCTP")];
    let port = prop_oneof![
        (1_u16.., 0_u16..100)
            .prop_map(|(port, more)| json!({"port": port, "endPort": port.saturating_add(more)})),
        Just(json!({"port": "http"})),
        Just(json!({})),
    ];
    (protocol, port).prop_map(|(protocol, mut port)| {
        port["protocol"] = json!(protocol);
        port
    })
}

fn policies() -> impl Strategy<Value = Value> {
    let rules = || {
        let rule = (
            proptest::collection::vec(peers(), 0..4),
            proptest::collection::vec(ports(), 0..4),
        );
        proptest::collection::vec(
            rule.prop_map(|(peers, ports)| json!({"from": peers, "ports": ports})),
            0..3,
        )
    };
    (0..2_usize, selectors(), rules(), rules(), 1..4_usize).prop_map(|(namespace, pods, ingress, egress, types)| {
        let types = [&["Ingress"][..], &["Egress"], &["Ingress", "Egress"]][types - 1];
        let spec = json!({"podSelector": pods, "policyTypes": types, "ingress": ingress, "egress": egress});
        policy(["a", "b"][namespace], &spec)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn nft_takes_the_table_of_any_policies(policies in proptest::collection::vec(policies(), 0..8)) {
        nft_takes(&render_table(&compile_node(&state(&three(), &policies), "node-1")));
        nft_takes(&render_table(&compile_node(&state(&six(), &policies), "node-1")));
    }
}
