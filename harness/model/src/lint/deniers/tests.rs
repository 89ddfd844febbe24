use std::fs;

use crate::{LintFinding, ScenarioLibrary, lint_scenario};

const FILES: [(&str, &str); 9] = [
    (
        "made.yaml",
        "{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {name: makes}, spec: {rules: [\
         {name: a, generate: {kind: ResourceQuota, name: pods-of-team}}, {name: b, generate: {kind: PodDisruptionBudget, name: b}}, \
         {name: c, generate: {kind: ValidatingAdmissionPolicy, name: team-labels}}]}}",
    ),
    (
        "patched.yaml",
        "{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {name: patches}, spec: {rules: [{name: a, \
         mutate: {patchesJson6902: '- {op: add, path: /metadata/labels/pod-security.kubernetes.io~1enforce, value: baseline}'}}]}}",
    ),
    (
        "policy.yaml",
        "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {name: labels-$(namespace)}, spec: {}}",
    ),
    (
        "hook.yaml",
        "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: a}, webhooks: [{name: team.test}]}",
    ),
    (
        "quota.yaml",
        "{apiVersion: v1, kind: ResourceQuota, metadata: {name: memory}, spec: {hard: {pods: '1'}}}",
    ),
    (
        "kyverno.yaml",
        "{apiVersion: policies.kyverno.io/v1, kind: ValidatingPolicy, metadata: {name: $(namespace)-team}, spec: {}}",
    ),
    (
        "namespace.yaml",
        "{apiVersion: v1, kind: Namespace, metadata: {name: $(namespace), labels: {pod-security.kubernetes.io/enforce: baseline}}}",
    ),
    (
        "budget.yaml",
        "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: a}, spec: {}}",
    ),
    (
        "admission.yaml",
        "{apiVersion: apiserver.config.k8s.io/v1, kind: AdmissionConfiguration, plugins: [{name: AlwaysPullImages}]}",
    ),
];

/// What is said of the refusal in a world that holds this, behind `step … in world …`.
fn findings(world: &str, by: &str) -> Vec<LintFinding> {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("admission/one");
    fs::create_dir_all(&dir).unwrap();
    let text = format!(
        "scenario: v2\nwhy: Because.\nworlds:\n  bare: {{}}\n  held: {{{world}}}\nsteps:\n\
         - id: one\n  do: {{create: pod.yaml}}\n  expect-in:\n    bare: admitted\n    held: {{denied: {{by: {by}}}}}\n\
         - {{id: version, do: {{path: /version}}, expect: allowed}}\n"
    );
    fs::write(dir.join("scenario.yaml"), text).unwrap();
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: []}}";
    fs::write(dir.join("pod.yaml"), pod).unwrap();
    for (name, manifest) in FILES.iter().filter(|(name, _)| world.contains(name)) {
        fs::write(dir.join(name), manifest).unwrap();
    }
    let library = ScenarioLibrary::open(folder.path()).unwrap();
    assert!(library.faults.is_empty(), "{:?}", library.faults);
    let found = lint_scenario(&library.scenarios[0]).into_iter();
    found
        .filter(|finding| finding.what.contains("is refused by"))
        .collect()
}

#[test]
fn a_refuser_that_is_not_there_is_refused() {
    for (world, by, what, hint) in [
        (
            "apply: [quota.yaml]",
            "{kyverno: $(namespace)-team}",
            "kyverno in world `held`, which does not install it",
            "`install: [kyverno]`, ",
        ),
        (
            "install: [kyverno], apply: [kyverno.yaml]",
            "{kyverno: $(namespace)-taem}",
            "kyverno $(namespace)-taem in world `held`, where nothing makes it",
            "did you mean `$(namespace)-team`? ",
        ),
        (
            "install: [kyverno], apply: [kyverno.yaml]",
            "{policy: vpol-other}",
            "policy vpol-other in world `held`, where nothing makes it",
            "apply it there, ",
        ),
        (
            "install: [policy-controller]",
            "{policy-controller: no matching policy}",
            "policy-controller no matching policy in world `held`, where nothing makes it",
            "apply the policy, ",
        ),
        (
            "apply: [policy.yaml]",
            "{policy: label-$(namespace)}",
            "policy label-$(namespace) in world `held`, where nothing makes it",
            "did you mean `labels-$(namespace)`? ",
        ),
        (
            "apply: [hook.yaml]",
            "{webhook: teem.test}",
            "webhook teem.test in world `held`, where nothing makes it",
            "did you mean `team.test`? ",
        ),
        (
            "apply: [hook.yaml]",
            "{failing-closed: a}",
            "webhook a failing closed in world `held`, where nothing makes it",
            "apply its configuration there, ",
        ),
        (
            "apply: [quota.yaml]",
            "{quota: memry}",
            "quota memry in world `held`, where nothing makes it",
            "did you mean `memory`? ",
        ),
        (
            "install: [kyverno], apply: [made.yaml]",
            "{quota: pods-of-taem}",
            "quota pods-of-taem in world `held`, where nothing makes it",
            "did you mean `pods-of-team`? ",
        ),
        (
            "install: [kyverno], apply: [made.yaml]",
            "{policy: pods-of-team}",
            "policy pods-of-team in world `held`, where nothing makes it",
            "apply it there, ",
        ),
        (
            "install: [kyverno], apply: [made.yaml]",
            "pod-security",
            "pod-security in world `held`, where nothing makes a `pod-security.kubernetes.io/enforce`",
            "apply it there, ",
        ),
        (
            "apply: [quota.yaml]",
            "pod-security",
            "pod-security in world `held`, where nothing makes a `pod-security.kubernetes.io/enforce`",
            "apply it there, ",
        ),
        (
            "apply: [quota.yaml]",
            "disruption-budget",
            "disruption-budget in world `held`, where nothing makes a `PodDisruptionBudget`",
            "apply it there, ",
        ),
        (
            "cluster: {admission: admission.yaml}",
            "{plugin: AlwaysDeny}",
            "plugin AlwaysDeny in world `held`, which does not turn it on",
            "`admission-plugins: { enable: [AlwaysDeny] }` in the world's cluster",
        ),
        (
            "cluster: {admission-plugins: {disable: [LimitRanger]}}",
            "{plugin: LimitRanger}",
            "plugin LimitRanger in world `held`, which turns it off",
            "drop `LimitRanger` from `disable`",
        ),
        (
            "cluster: {admission-plugins: {disable: [NodeRestriction]}}",
            "node-restriction",
            "node-restriction in world `held`, which turns it off",
            "drop `NodeRestriction` from `disable`",
        ),
    ] {
        let found = findings(world, by);
        assert_eq!(found.len(), 1, "{by}: {found:#?}");
        assert_eq!(found[0].what, format!("step `one` is refused by {what}"));
        assert!(found[0].hint.starts_with(hint), "{}", found[0].hint);
        assert_eq!(found[0].place.line, 11, "{}", found[0].snippet);
        assert!(found[0].place.column > 20, "{}", found[0].snippet);
    }
}

#[test]
fn a_refuser_that_is_there_is_left_alone() {
    for (world, by) in [
        (
            "install: [kyverno], apply: [kyverno.yaml]",
            "{kyverno: $(namespace)-team}",
        ),
        (
            "install: [kyverno], apply: [kyverno.yaml]",
            "{policy: vpol-$(namespace)-team}",
        ),
        (
            "install: [policy-controller]",
            "{policy-controller: no matching policies}",
        ),
        ("apply: [policy.yaml]", "{policy: labels-$(namespace)}"),
        ("apply: [hook.yaml]", "{webhook: team.test}"),
        ("apply: [hook.yaml]", "{failing-closed: team.test}"),
        (
            "install: [kyverno]",
            "{webhook: validate-policy.kyverno.svc}",
        ),
        ("apply: [quota.yaml]", "{quota: memory}"),
        (
            "install: [kyverno], apply: [made.yaml]",
            "{quota: pods-of-team}",
        ),
        (
            "install: [kyverno], apply: [made.yaml]",
            "{policy: team-labels}",
        ),
        (
            "install: [kyverno], apply: [made.yaml]",
            "disruption-budget",
        ),
        ("install: [kyverno], apply: [patched.yaml]", "pod-security"),
        ("apply: [namespace.yaml]", "pod-security"),
        ("apply: [budget.yaml]", "disruption-budget"),
        (
            "cluster: {admission: admission.yaml}",
            "{plugin: AlwaysPullImages}",
        ),
        (
            "cluster: {admission-plugins: {enable: [AlwaysPullImages]}}",
            "{plugin: AlwaysPullImages}",
        ),
        ("apply: [quota.yaml]", "{plugin: LimitRanger}"),
        ("apply: [quota.yaml]", "node-restriction"),
    ] {
        let found = findings(world, by);
        assert_eq!(found, [], "{by}");
    }
}
