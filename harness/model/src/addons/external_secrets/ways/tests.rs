use std::collections::BTreeSet;

use crate::ways::test_scenario::{assert_each_tries_its_own, untried_ways};

const STORE: &str = "{apiVersion: external-secrets.io/v1, kind: SecretStore, metadata: {name: own},
  spec: {provider: {kubernetes: {auth: {serviceAccount: {name: reader}}}}}}";
const WANTED: &str = "{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {name: wanted}, spec: {}}";
const TOKEN: &str =
    "{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {name: token},
  spec: {target: {template: {type: kubernetes.io/service-account-token}}}}";
const PUSHED: &str = "{apiVersion: external-secrets.io/v1alpha1, kind: PushSecret, metadata: {name: pushed}, spec: {}}";
const GENERATED: &str =
    "{apiVersion: external-secrets.io/v1, kind: ExternalSecret, metadata: {name: made},
  spec: {dataFrom: [{sourceRef: {generatorRef: {kind: Password, name: one}}}]}}";
const POLICY: &str = "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {name: guard}, spec: {}}";

fn files(store: &str) -> Vec<(&'static str, String)> {
    [
        ("store.yaml", store),
        ("wanted.yaml", WANTED),
        ("token.yaml", TOKEN),
        ("pushed.yaml", PUSHED),
        ("generated.yaml", GENERATED),
        ("policy.yaml", POLICY),
    ]
    .map(|(name, text)| (name, text.to_owned()))
    .into()
}

fn missed_with(store: &str, head: &str, steps: &[&str]) -> BTreeSet<String> {
    let files = files(store);
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    untried_ways(head, steps, &files)
}

#[test]
fn each_way_round_a_guard_of_the_operator_is_tried_by_its_own_step() {
    let head = "install: [external-secrets]\nworlds: {bare: {apply: [store.yaml]}, guard: {apply: [store.yaml, policy.yaml]}}";
    let asks = "{id: asks, as: {user: {name: jane}}, do: {create: wanted.yaml}, expect-in: {bare: admitted, guard: {denied: {by: {policy: guard}}}}}";
    let missed = |steps: &[&str]| missed_with(STORE, head, &[&[asks][..], steps].concat());
    let step = |file: &str| {
        format!(
            "{{id: tries, as: {{user: {{name: jane}}}}, do: {{create: {file}}}, expect: admitted}}"
        )
    };
    let (store, token, pushed, made) = (
        step("store.yaml"),
        step("token.yaml"),
        step("pushed.yaml"),
        step("generated.yaml"),
    );
    assert_each_tries_its_own(
        &missed,
        &[
            ("account-of-a-store", &[&store]),
            ("template-of-a-token", &[&token]),
            ("pushed-secret", &[&pushed]),
            ("generator", &[&made]),
        ],
    );
    // Whoever may do everything shows nothing.
    let by_nobody = "{id: tries, do: {create: store.yaml}, expect: admitted}";
    assert!(missed(&[by_nobody]).contains("account-of-a-store"));
}

#[test]
fn a_condition_is_as_good_as_its_words() {
    let head = "install: [external-secrets]\nworlds: {bare: {}, guard: {apply: [store.yaml]}}";
    let look = "{id: look, namespace: other, do: {look-for: {field: {of: secret/db, at: /data/a}}}, expect-in: {bare: found, guard: absent}}";
    let store = |condition: &str| {
        format!(
            "{{apiVersion: external-secrets.io/v1, kind: ClusterSecretStore, metadata: {{name: all}}, spec: {{conditions: [{condition}]}}}}"
        )
    };
    let missed = |condition: &str, steps: &[&str]| {
        missed_with(&store(condition), head, &[&[look][..], steps].concat())
    };
    let label = "label-of-a-condition";
    let by_label = "{namespaceSelector: {matchLabels: {vault: allowed}}}";
    let sets = "{id: sets, as: {user: {name: jane}}, do: {label: {target: namespace/other, set: {vault: allowed}}}, expect: admitted}";
    assert!(missed(by_label, &[]).contains(label));
    assert!(!missed(by_label, &[sets]).contains(label));
    let by_name = "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}";
    assert!(!missed(by_name, &[]).contains(label));
    let expression = "expression-of-a-condition";
    let asks = "{id: asks, as: {user: {name: jane}}, namespace: other, do: {create: wanted.yaml}, expect: admitted}";
    assert!(missed("{namespaceRegexes: [shop]}", &[]).contains(expression));
    assert!(!missed("{namespaceRegexes: [shop]}", &[asks]).contains(expression));
    assert!(!missed("{namespaceRegexes: ['^shop$']}", &[]).contains(expression));
    // Without a condition there is nothing to go round.
    assert_eq!(missed("", &[]), BTreeSet::new());
}
