use std::collections::BTreeSet;

use crate::ways::test_scenario::{assert_each_tries_its_own, untried_ways};

const OTHER_POLICY: &str = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: other}, spec: {podSelector: {}}}";
const HOST_POD: &str =
    "{apiVersion: v1, kind: Pod, metadata: {name: h}, spec: {hostNetwork: true, containers: []}}";
const BLOCKED_STEP: &str = "{id: blocked, do: {reach: {from: app, to: 'tcp://$(pod-ip:web):80'}}, expect-in: {bare: reached, held: {blocked: {at: connect}}}}";

/// What is missed where a policy of this spec stops a connection.
fn missed(spec: &str, cluster: &str, steps: &[&str]) -> BTreeSet<String> {
    let policy = format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: web}}, spec: {spec}}}"
    );
    let files = [
        ("policy.yaml", policy.as_str()),
        ("other.yaml", OTHER_POLICY),
        ("host.yaml", HOST_POD),
    ];
    let head = format!(
        "cluster: {{enforce-network-policy: true{cluster}}}\nworlds: {{bare: {{}}, held: {{apply: [policy.yaml]}}}}"
    );
    untried_ways(&head, &[&[BLOCKED_STEP][..], steps].concat(), &files)
}

const WHOLE_RULE: &str = "{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: a}}}], ports: [{port: 80}]}]}";

#[test]
fn each_way_round_a_policy_is_tried_by_its_own_step() {
    let missed = |steps: &[&str]| missed(WHOLE_RULE, "", steps);
    assert_each_tries_its_own(
        &missed,
        &[
            (
                "other-policy",
                // The policy comes while connections are open: a way of its own, which is tried here.
                &[
                    "{id: a, do: {create: other.yaml}, expect: admitted}",
                    "{id: b, do: {open-connection: {from: app, to: 'tcp://$(pod-ip:web):80', name: held}}, expect: reached}",
                ],
            ),
            (
                "pod-label",
                &["{id: a, do: {label: {target: pod/a, set: {app: web}}}, expect: admitted}"],
            ),
            (
                "namespace-label",
                &["{id: a, do: {label: {target: namespace/a, set: {team: a}}}, expect: admitted}"],
            ),
            (
                "host-network",
                &["{id: a, do: {create: host.yaml}, expect: admitted}"],
            ),
            (
                "service-address",
                &["{id: a, do: {reach: {from: app, to: 'tcp://web:80'}}, expect: reached}"],
            ),
            (
                "other-port",
                &[
                    "{id: a, do: {reach: {from: app, to: 'tcp://$(pod-ip:web):81'}}, expect: reached}",
                ],
            ),
        ],
    );
}

#[test]
fn a_policy_for_everybody_leaves_labels_and_ports_alone() {
    let left = missed("{podSelector: {}, ingress: []}", "", &[]);
    let names = ["host-network", "other-policy", "service-address"];
    assert_eq!(left, BTreeSet::from(names.map(str::to_owned)));
    let by_name = "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a}}}]}]}";
    assert!(!missed(by_name, "", &[]).contains("namespace-label"));
}

#[test]
fn a_block_is_of_one_family() {
    let block = "{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}";
    let six =
        "{id: a, do: {reach: {from: app, to: 'tcp://[$(pod-ipv6:web)]:80'}}, expect: reached}";
    let open = |spec: &str, cluster: &str, steps: &[&str]| {
        missed(spec, cluster, steps).contains("other-family")
    };
    assert!(open(block, ", dual-stack: true", &[]));
    assert!(!open(block, ", dual-stack: true", &[six]));
    assert!(!open(block, "", &[]));
    assert!(!open("{podSelector: {}}", ", dual-stack: true", &[]));
}

#[test]
fn what_is_open_when_a_policy_comes_is_looked_at() {
    let open = |steps: &[&str]| missed(WHOLE_RULE, "", steps).contains("open-before");
    let comes = "{id: comes, do: {create: other.yaml}, expect: admitted}";
    let opens = "{id: opens, do: {open-connection: {from: app, to: 'tcp://$(pod-ip:web):80', name: held}}, expect: reached}";
    assert!(!open(&[]));
    assert!(open(&[comes]));
    assert!(!open(&[opens, comes]));
}
