use std::collections::BTreeSet;

use crate::ways::test_scenario::untried_ways;

const SOME_POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: []}}";
const SOME_ROLE: &str =
    "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: a}, rules: []}";

/// What is missed where jane is refused, while a role grants her this in the whole cluster.
fn missed(granted: &str, refused: &str, steps: &[&str]) -> BTreeSet<String> {
    let role = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: some}}\nrules: [{granted}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: some}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: some}}\n"
    );
    let refused = format!(
        "{{id: refused, as: {{user: {{name: jane}}}}, do: {refused}, expect-in: {{bare: allowed, held: forbidden}}}}"
    );
    let files = [
        ("some.yaml", role.as_str()),
        ("pod.yaml", SOME_POD),
        ("role.yaml", SOME_ROLE),
    ];
    let head = "worlds: {bare: {}, held: {apply: [some.yaml]}}";
    untried_ways(head, &[&[refused.as_str()][..], steps].concat(), &files)
}

fn rule(group: &str, resource: &str, verb: &str) -> String {
    format!("{{apiGroups: ['{group}'], resources: ['{resource}'], verbs: ['{verb}']}}")
}

#[test]
fn each_right_that_reaches_further_is_tried_by_its_own_step() {
    let list = "{list: {resource: services}}";
    let as_jane = |action: &str| {
        format!("{{id: tries, as: {{user: {{name: jane}}}}, do: {action}, expect: forbidden}}")
    };
    let borrowed = "{id: tries, as: {user: {name: jane, impersonate: {user: joe}}}, do: {path: /version}, expect: forbidden}";
    for (way, group, resource, verb, step) in [
        (
            "make-a-pod",
            "",
            "pods",
            "create",
            as_jane("{create: pod.yaml}"),
        ),
        (
            "make-a-pod",
            "apps",
            "deployments",
            "create",
            as_jane("{create: pod.yaml}"),
        ),
        (
            "command-in-a-pod",
            "",
            "pods/exec",
            "create",
            as_jane("{exec: {pod: a, command: [id]}}"),
        ),
        (
            "ask-for-a-token",
            "",
            "serviceaccounts/token",
            "create",
            as_jane("{token: {serviceaccount: a}}"),
        ),
        (
            "impersonate",
            "",
            "users",
            "impersonate",
            borrowed.to_owned(),
        ),
        (
            "grant-to-oneself",
            "rbac.authorization.k8s.io",
            "roles",
            "escalate",
            as_jane("{create: role.yaml}"),
        ),
        (
            "through-the-kubelet",
            "",
            "nodes/proxy",
            "get",
            as_jane("{path: /api/v1/nodes/a/proxy/pods}"),
        ),
        (
            "other-read-verb",
            "",
            "services",
            "watch",
            as_jane("{get: service/a}"),
        ),
    ] {
        let own = BTreeSet::from([way.to_owned()]);
        assert_eq!(
            missed(&rule(group, resource, verb), list, &[]),
            own,
            "{way}"
        );
        assert_eq!(
            missed(&rule(group, resource, verb), list, &[&step]),
            BTreeSet::new(),
            "{way}"
        );
        // Another right, which leads nowhere.
        assert_eq!(
            missed(&rule(group, "events", "get"), list, &[]),
            BTreeSet::new()
        );
    }
}

#[test]
fn what_may_not_be_changed_by_one_verb_is_changed_by_another() {
    let update = "{update: pod.yaml}";
    let own = BTreeSet::from(["other-change-verb".to_owned()]);
    let patch = "{id: tries, as: {user: {name: jane}}, do: {delete: pod/a}, expect: forbidden}";
    assert_eq!(missed(&rule("", "pods", "delete"), update, &[]), own);
    assert_eq!(
        missed(&rule("", "pods", "delete"), update, &[patch]),
        BTreeSet::new()
    );
    assert_eq!(
        missed(&rule("", "pods", "get"), update, &[]),
        BTreeSet::new()
    );
}
