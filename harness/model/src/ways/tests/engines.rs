use std::collections::BTreeSet;

use crate::ways::test_scenario::untried_ways;

const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: []}}";

/// What is missed where Kyverno refuses a pod by a policy with this setting.
fn missed_by_kyverno(setting: &str, steps: &[&str]) -> BTreeSet<String> {
    let policy = format!(
        "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: guard}}, spec: {{{setting}rules: []}}}}"
    );
    let files = [("policy.yaml", policy.as_str()), ("pod.yaml", POD)];
    let head = "install: [kyverno]\nworlds: {bare: {}, held: {apply: [policy.yaml]}}";
    let refused = "{id: refused, do: {create: pod.yaml}, expect-in: {bare: admitted, held: {denied: {by: {kyverno: guard}}}}}";
    untried_ways(head, &[&[refused][..], steps].concat(), &files)
}

#[test]
fn an_engine_that_fails_open_is_taken_away() {
    let way = "engine-away";
    let scaled = |namespace: &str| {
        format!(
            "{{id: away, namespace: {namespace}, do: {{scale: {{target: deployment/engine, replicas: 0}}}}, expect: admitted}}"
        )
    };
    let ignoring = "failurePolicy: Ignore, ";
    assert!(missed_by_kyverno(ignoring, &[]).contains(way));
    assert!(!missed_by_kyverno("failurePolicy: Fail, ", &[]).contains(way));
    assert!(missed_by_kyverno(ignoring, &[&scaled("elsewhere")]).contains(way));
    assert!(!missed_by_kyverno(ignoring, &[&scaled("kyverno")]).contains(way));
}
