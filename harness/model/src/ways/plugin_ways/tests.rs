use std::collections::BTreeSet;

use crate::ways::test_scenario::{assert_each_tries_its_own, untried_ways};

const KUBELET: &str = "as: {user: {name: 'system:node:a', groups: ['system:nodes']}}";
const POD_THERE: &str =
    "{apiVersion: v1, kind: Pod, metadata: {name: there}, spec: {nodeName: b, containers: []}}";
const POD_HERE: &str =
    "{apiVersion: v1, kind: Pod, metadata: {name: here}, spec: {nodeName: a, containers: []}}";
const NODE: &str = "{apiVersion: v1, kind: Node, metadata: {name: a}}";
const STATUS: &str = "{metadata: {labels: {a: b}}}";

fn missed_by_kubelet(steps: &[&str]) -> BTreeSet<String> {
    let label = format!(
        "{{id: label, {KUBELET}, do: {{label: {{target: node/a, set: {{a: b}}}}}}, expect: {{denied: {{by: node-restriction}}}}}}"
    );
    let files = [
        ("there.yaml", POD_THERE),
        ("here.yaml", POD_HERE),
        ("node.yaml", NODE),
        ("status.yaml", STATUS),
    ];
    untried_ways(
        "worlds: {bare: {apply: [there.yaml, here.yaml]}}",
        &[&[label.as_str()][..], steps].concat(),
        &files,
    )
}

#[test]
fn each_way_round_node_restriction_is_tried_by_its_own_step() {
    let denied = "expect: {denied: {by: node-restriction}}";
    let through_status = format!(
        "{{id: status, {KUBELET}, do: {{patch: {{target: node/a, subresource: status, with: status.yaml}}}}, {denied}}}"
    );
    let creates = format!("{{id: create, {KUBELET}, do: {{create: node.yaml}}, {denied}}}");
    let elsewhere = format!("{{id: delete, {KUBELET}, do: {{delete: pod/there}}, {denied}}}");
    let here = format!("{{id: here, {KUBELET}, do: {{delete: pod/here}}, expect: admitted}}");
    let token =
        format!("{{id: token, {KUBELET}, do: {{token: {{serviceaccount: app}}}}, {denied}}}");
    let member = "{id: member, as: {user: {name: jane, groups: ['system:nodes']}}, do: {delete: pod/there}, expect: forbidden}";
    assert_each_tries_its_own(
        &missed_by_kubelet,
        &[
            ("node-through-status", &[&through_status]),
            ("node-created", &[&creates]),
            ("object-of-another-node", &[&elsewhere]),
            ("token-of-an-account", &[&token]),
            ("group-without-the-name", &[member]),
        ],
    );
    assert!(missed_by_kubelet(&[&here]).contains("object-of-another-node"));
}

#[test]
fn what_is_not_about_nodes_leaves_their_ways_out() {
    let step = format!(
        "{{id: delete, {KUBELET}, do: {{delete: pod/there}}, expect: {{denied: {{by: node-restriction}}}}}}"
    );
    let missed = untried_ways("worlds: {bare: {}}", &[&step], &[]);
    assert!(!missed.contains("node-through-status") && !missed.contains("node-created"));
    assert!(missed.contains("token-of-an-account"));
}

fn missed_by_plugin(plugin: &str, steps: &[&str]) -> BTreeSet<String> {
    let head = "cluster: {nodes: 0}\nworlds: {bare: {}, on: {cluster: {nodes: 0, admission: admission.yaml}}}";
    let create = format!(
        "{{id: create, do: {{create: one.yaml}}, expect-in: {{bare: admitted, on: {{denied: {{by: {{plugin: {plugin}}}}}}}}}}}"
    );
    let files = [
        (
            "admission.yaml",
            "{apiVersion: apiserver.config.k8s.io/v1, kind: AdmissionConfiguration}",
        ),
        (
            "one.yaml",
            "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {}}",
        ),
        ("status.yaml", STATUS),
        (
            "account.yaml",
            "{apiVersion: v1, kind: ServiceAccount, metadata: {name: app}}",
        ),
    ];
    untried_ways(head, &[&[create.as_str()][..], steps].concat(), &files)
}

#[test]
fn an_address_of_a_service_has_other_doors() {
    let missed = |steps: &[&str]| missed_by_plugin("DenyServiceExternalIPs", steps);
    let status = "{id: a, do: {patch: {target: service/web, subresource: status, with: status.yaml}}, expect: admitted}";
    let spec = "{id: b, do: {patch: {target: service/web, with: status.yaml}}, expect: admitted}";
    assert_eq!(
        missed(&[]),
        BTreeSet::from(["address-in-status", "changed-after-the-plugin"].map(str::to_owned))
    );
    assert_eq!(
        missed(&[status]),
        BTreeSet::from(["changed-after-the-plugin".to_owned()])
    );
    assert_eq!(
        missed(&[spec]),
        BTreeSet::from(["address-in-status".to_owned()])
    );
}

#[test]
fn an_account_is_made_anew() {
    let missed = |steps: &[&str]| missed_by_plugin("ServiceAccount", steps);
    let goes = "{id: a, do: {delete: serviceaccount/app}, expect: admitted}";
    let comes = "{id: b, do: {create: account.yaml}, expect: admitted}";
    let open = BTreeSet::from(["made-again".to_owned()]);
    assert_eq!(missed(&[]), open);
    assert_eq!(missed(&[comes]), open);
    assert_eq!(missed(&[goes]), open);
    assert_eq!(missed(&[goes, comes]), BTreeSet::new());
}
