use std::collections::BTreeSet;

use crate::ways::test_scenario::untried_ways;

const SOME_DEPLOYMENT: &str =
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {}}";
const OLDER_VERSION: &str =
    "{apiVersion: apps/v1beta1, kind: Deployment, metadata: {name: older}, spec: {}}";
const GENERATED_NAME: &str =
    "{apiVersion: apps/v1, kind: Deployment, metadata: {generateName: web-}, spec: {}}";
const STATEFUL_SET: &str =
    "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: web}, spec: {}}";
const LIMIT_MAP: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: limit}}";
const ADMIN_ROLE: &str = "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: some}
rules: [{apiGroups: [admissionregistration.k8s.io], resources: [validatingadmissionpolicies], verbs: [delete]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: some}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: some}
";

/// What is missed where a policy refuses a Deployment: its operations, what else its rules say, and
/// what else is in its spec.
fn missed(operations: &str, spec: &str, apply: &str, steps: &[&str]) -> BTreeSet<String> {
    let policy = format!(
        "{{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {{name: guard}},
          spec: {{matchConstraints: {{resourceRules: [{{apiGroups: [apps], apiVersions: [v1], operations: {operations}, resources: [deployments]}}]}}{spec}}}}}"
    );
    let attack = if operations == "[UPDATE]" {
        "update"
    } else {
        "create"
    };
    let refused = format!(
        "{{id: refused, do: {{{attack}: deployment.yaml}}, expect-in: {{bare: admitted, held: {{denied: {{by: {{policy: guard}}}}}}}}}}"
    );
    let files = [
        ("policy.yaml", policy.as_str()),
        ("deployment.yaml", SOME_DEPLOYMENT),
        ("older.yaml", OLDER_VERSION),
        ("generated.yaml", GENERATED_NAME),
        ("set.yaml", STATEFUL_SET),
        ("limit.yaml", LIMIT_MAP),
        ("admin.yaml", ADMIN_ROLE),
    ];
    let head = format!("worlds: {{bare: {{}}, held: {{apply: [policy.yaml{apply}]}}}}");
    untried_ways(&head, &[&[refused.as_str()][..], steps].concat(), &files)
}

/// The way is open with this, not without it, and closed by the step.
fn assert_way(way: &str, operations: &str, spec: &str, apply: &str, step: &str) {
    assert!(missed(operations, spec, apply, &[]).contains(way), "{way}");
    assert!(
        !missed(operations, spec, apply, &[step]).contains(way),
        "{way}: {step}"
    );
}

const BOTH_VERBS: &str = "[CREATE, UPDATE]";

#[test]
fn each_way_round_a_policy_is_tried_by_its_own_step() {
    let plain = missed(BOTH_VERBS, "", "", &[]);
    assert_eq!(plain, BTreeSet::from(["other-workload".to_owned()]));
    let step = |action: &str| format!("{{id: tries, do: {action}, expect: admitted}}");
    for (way, operations, spec, apply, action) in [
        ("other-workload", BOTH_VERBS, "", "", "{create: set.yaml}"),
        (
            "born-with-it",
            "[UPDATE]",
            "",
            "",
            "{create: deployment.yaml}",
        ),
        (
            "changed-afterwards",
            "[CREATE]",
            "",
            "",
            "{update: deployment.yaml}",
        ),
        (
            "delete-collection",
            "[DELETE]",
            "",
            "",
            "{delete-collection: deployment/web}",
        ),
        (
            "subresource",
            BOTH_VERBS,
            ", validations: [{expression: object.spec.replicas < 2}]",
            "",
            "{scale: {target: deployment/web, replicas: 9}}",
        ),
        (
            "other-api-version",
            BOTH_VERBS,
            ", matchPolicy: Exact",
            "",
            "{create: older.yaml}",
        ),
        (
            "opt-out-label",
            BOTH_VERBS,
            ", objectSelector: {matchLabels: {guarded: 'yes'}}",
            "",
            "{label: {target: deployment/web, set: {guarded: null}}}",
        ),
        (
            "expression-error",
            BOTH_VERBS,
            ", failurePolicy: Ignore",
            "",
            "{create: deployment.yaml}",
        ),
        (
            "own-parameters",
            BOTH_VERBS,
            ", paramKind: {apiVersion: v1, kind: ConfigMap}",
            "",
            "{update: limit.yaml}",
        ),
        (
            "generated-name",
            BOTH_VERBS,
            ", validations: [{expression: \"request.name == 'a'\"}]",
            "",
            "{create: generated.yaml}",
        ),
        (
            "change-the-rule",
            BOTH_VERBS,
            "",
            ", admin.yaml",
            "{delete: validatingadmissionpolicy/guard}",
        ),
    ] {
        assert_way(way, operations, spec, apply, &step(action));
        assert!(way == "other-workload" || !plain.contains(way), "{way}");
    }
}

#[test]
fn the_name_of_a_namespace_is_no_label_that_is_set() {
    let by = |label: &str| format!(", namespaceSelector: {{matchLabels: {{{label}: a}}}}");
    let open = |label: &str| missed(BOTH_VERBS, &by(label), "", &[]).contains("opt-out-label");
    assert!(open("team"));
    assert!(!open("kubernetes.io/metadata.name"));
}
