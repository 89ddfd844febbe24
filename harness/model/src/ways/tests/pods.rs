use std::collections::BTreeSet;

use crate::ways::test_scenario::{assert_each_tries_its_own, tenant_role, untried_ways};

const NAMESPACE_TEXT: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: $(namespace), labels: {pod-security.kubernetes.io/enforce: LEVEL}}}";
const HOST_PATH: &str = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {volumes: [{name: v, hostPath: {path: /}}], containers: []}}";
const PRIVILEGED_POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, securityContext: {privileged: true}}]}}";
const INIT_POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: i}, spec: {initContainers: [{name: i}], containers: []}}";
const SOME_DEPLOYMENT: &str =
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {}}";
const SOME_VOLUME: &str = "{apiVersion: v1, kind: PersistentVolume, metadata: {name: v}, spec: {}}";
const SOME_CONTAINER: &str = "{name: c}";

/// What is missed where a level of Pod Security refuses this pod.
fn missed(level: &str, pod: &str, steps: &[&str]) -> BTreeSet<String> {
    let namespace = NAMESPACE_TEXT.replace("LEVEL", level);
    let tenant = tenant_role("patch", "namespaces");
    let refused = "{id: refused, do: {create: pod.yaml}, expect-in: {bare: admitted, held: {denied: {by: pod-security}}}}";
    let files = [
        ("namespace.yaml", namespace.as_str()),
        ("tenant.yaml", tenant.as_str()),
        ("pod.yaml", pod),
        ("init.yaml", INIT_POD),
        ("deployment.yaml", SOME_DEPLOYMENT),
        ("volume.yaml", SOME_VOLUME),
        ("container.yaml", SOME_CONTAINER),
    ];
    let apply = if steps.contains(&"{tenant: is-here}") {
        "[namespace.yaml, tenant.yaml]"
    } else {
        "[namespace.yaml]"
    };
    let steps: Vec<&str> = steps
        .iter()
        .copied()
        .filter(|step| !step.contains("is-here"))
        .collect();
    let head = format!("worlds: {{bare: {{}}, held: {{apply: {apply}}}}}");
    untried_ways(&head, &[&[refused][..], &steps].concat(), &files)
}

#[test]
fn each_way_round_a_level_is_tried_by_its_own_step() {
    let with_tenant = |steps: &[&str]| {
        let steps = [&["{tenant: is-here}"][..], steps].concat();
        missed("restricted", HOST_PATH, &steps)
    };
    let label = |key: &str| {
        format!(
            "{{id: a, do: {{label: {{target: namespace/x, set: {{pod-security.kubernetes.io/{key}: v1.18}}}}}}, expect: admitted}}"
        )
    };
    let through_status = "{id: a, do: {patch: {target: namespace/x, subresource: status, with: init.yaml}}, expect: admitted}";
    let version = label("enforce-version");
    let missed_all = with_tenant(&[]);
    for way in [
        "lower-level",
        "level-through-status",
        "level-through-finalize",
        "older-version",
    ] {
        assert!(missed_all.contains(way), "{way}");
        assert!(!missed("restricted", HOST_PATH, &[]).contains(way), "{way}");
    }
    assert!(!with_tenant(&[&label("enforce")]).contains("lower-level"));
    assert!(with_tenant(&[&label("enforce")]).contains("older-version"));
    assert!(!with_tenant(&[&version]).contains("older-version"));
    let through_finalize = through_status.replace("subresource: status", "subresource: finalize");
    for (through, closed, open) in [
        (
            through_status,
            "level-through-status",
            "level-through-finalize",
        ),
        (
            &through_finalize,
            "level-through-finalize",
            "level-through-status",
        ),
    ] {
        let missed = with_tenant(&[through]);
        assert!(
            !missed.contains(closed) && missed.contains(open),
            "{missed:?}"
        );
    }
    let missed = |steps: &[&str]| missed("restricted", HOST_PATH, steps);
    assert_each_tries_its_own(
        &missed,
        &[
            (
                "workload",
                &["{id: a, do: {create: deployment.yaml}, expect: admitted}"],
            ),
            (
                "init-container",
                &["{id: a, do: {create: init.yaml}, expect: admitted}"],
            ),
            (
                "ephemeral-container",
                &[
                    "{id: a, do: {ephemeral-container: {pod: p, with: container.yaml}}, expect: admitted}",
                ],
            ),
            (
                "pod-changed",
                &["{id: a, do: {update: pod.yaml}, expect: admitted}"],
            ),
            (
                "other-volume",
                &["{id: a, do: {create: volume.yaml}, expect: admitted}"],
            ),
        ],
    );
}

#[test]
fn a_level_that_asks_nothing_of_containers_leaves_their_lists_alone() {
    let whole_pod = missed("baseline", HOST_PATH, &[]);
    assert!(!whole_pod.contains("init-container") && !whole_pod.contains("ephemeral-container"));
    assert!(whole_pod.contains("other-volume"));
    let one_container = missed("baseline", PRIVILEGED_POD, &[]);
    assert!(
        one_container.contains("init-container") && one_container.contains("ephemeral-container")
    );
    assert!(!one_container.contains("other-volume"));
}
