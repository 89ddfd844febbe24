use std::collections::BTreeSet;

use crate::ways::test_scenario::{tenant_role, untried_ways};

const SOME_POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: []}}";

/// What is missed where a quota of this spec refuses a pod, and a tenant has this verb on quotas.
fn missed(spec: &str, verb: &str, steps: &[&str]) -> BTreeSet<String> {
    let quota =
        format!("{{apiVersion: v1, kind: ResourceQuota, metadata: {{name: few}}, spec: {spec}}}");
    let role = tenant_role(verb, "resourcequotas");
    let files = [
        ("quota.yaml", quota.as_str()),
        ("role.yaml", role.as_str()),
        ("pod.yaml", SOME_POD),
    ];
    let refused = "{id: refused, do: {create: pod.yaml}, expect-in: {bare: admitted, held: {denied: {by: {quota: few}}}}}";
    let head = "worlds: {bare: {apply: [role.yaml]}, held: {apply: [role.yaml, quota.yaml]}}";
    untried_ways(head, &[&[refused][..], steps].concat(), &files)
}

#[test]
fn a_number_of_pods_says_nothing_of_what_they_ask_for() {
    let own = BTreeSet::from(["unlimited-namespace".to_owned()]);
    assert_eq!(missed("{hard: {pods: 1}}", "get", &[]), own);
    let whole = missed("{hard: {pods: 1, limits.memory: 1Mi}}", "get", &[]);
    for way in ["pod-resized", "zero-limit", "pod-resources"] {
        assert!(whole.contains(way), "{way}");
    }
    assert!(
        missed("{hard: {pods: 1}, scopes: [NotTerminating]}", "get", &[]).contains("outside-scope")
    );
}

#[test]
fn whoever_may_write_quotas_takes_his_away() {
    let way = "limit-removed";
    let goes =
        "{id: goes, as: {user: {name: jane}}, do: {delete: resourcequota/few}, expect: admitted}";
    assert!(missed("{hard: {pods: 1}}", "delete", &[]).contains(way));
    assert!(!missed("{hard: {pods: 1}}", "delete", &[goes]).contains(way));
    assert!(!missed("{hard: {pods: 1}}", "get", &[]).contains(way));
}
