use std::collections::BTreeSet;

use super::*;

mod images;
mod network;
mod objects;
mod pods;
mod quotas;
mod rights;

#[test]
fn each_way_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = ways_round().map(|way| way.name).collect();
    assert_eq!(names.len(), ways_round().count());
    for way in ways_round() {
        assert_eq!(way_round(way.name).map(|found| found.name), Some(way.name));
        assert!(
            !way.kinds.is_empty() && !way.about.ends_with('.'),
            "{}",
            way.name
        );
    }
    assert!(way_round("no-such-way").is_none());
}

#[test]
fn each_kind_of_control_has_ways_round_it() {
    for kind in ControlKind::ALL {
        assert!(ways_round().any(|way| way.kinds.contains(&kind)), "{kind}");
    }
}

const POLICY: &str = "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {name: guard},
  spec: {matchConditions: [{name: who, expression: \"CONDITION\"}],
    matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [services]}]}}}";
const SERVICE: &str = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {}}";
const DEPLOYMENT: &str = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {}}";
const SETTINGS: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: web}}";

#[test]
fn somebody_is_exempt_whom_the_policy_takes_for_another() {
    let is_missed = |condition: &str, who: &str, file: &str| {
        let policy = POLICY.replace("CONDITION", condition);
        let asks = "{id: asks, as: {user: {name: jane}}, do: {create: service.yaml}, expect-in: {bare: admitted, policy: {denied: {by: {policy: guard}}}}}";
        let other = format!("{{id: other, {who} do: {{create: {file}}}, expect: admitted}}");
        let files = [
            ("policy.yaml", policy.as_str()),
            ("service.yaml", SERVICE),
            ("deployment.yaml", DEPLOYMENT),
            ("settings.yaml", SETTINGS),
        ];
        let head = "worlds: {bare: {}, policy: {apply: [policy.yaml]}}";
        let missed = test_scenario::untried_ways(head, &[asks, &other], &files);
        missed.contains("exempt-identity")
    };
    let account =
        |namespace: &str| format!("as: {{serviceaccount: {{name: ci, namespace: {namespace}}}}},");
    let by_prefix = "!request.userInfo.username.startsWith('system:serviceaccount:ops:')";
    assert!(!is_missed(by_prefix, &account("ops"), "service.yaml"));
    assert!(is_missed(by_prefix, &account("shop"), "service.yaml"));
    assert!(is_missed(by_prefix, &account("ops"), "settings.yaml"));
    assert!(is_missed(by_prefix, "", "service.yaml"));
    let controllers = "!request.userInfo.username.startsWith('system:serviceaccount:kube-system:')";
    assert!(!is_missed(controllers, "", "deployment.yaml"));
    assert!(is_missed(by_prefix, "", "deployment.yaml"));
    let borrowed = "as: {user: {name: jane, impersonate: {user: joe, groups: [ops]}}},";
    assert!(!is_missed(
        "!('ops' in request.userInfo.groups)",
        borrowed,
        "service.yaml"
    ));
    // Where it names those whom it is for, everybody else is exempt.
    let joe = "as: {user: {name: joe}},";
    assert!(!is_missed(
        "request.userInfo.username == 'jane'",
        joe,
        "service.yaml"
    ));
}

#[test]
fn a_tag_is_moved_between_two_looks() {
    let pod = |tag: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, spec: {{containers: [{{name: a, image: $(image:{tag})}}]}}}}"
        )
    };
    let kyverno = "{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {name: $(namespace)-signed}, spec: {rules: []}}";
    let (first, second) = (pod("app"), pod("other"));
    let is_missed = |steps: &[&str]| {
        let files = [
            ("first.yaml", first.as_str()),
            ("second.yaml", second.as_str()),
            ("kyverno.yaml", kyverno),
        ];
        let head = "install: [registry]\nworlds: {bare: {}, kyverno: {install: [kyverno], apply: [kyverno.yaml]}}";
        let refused = "{id: refused, do: {create: second.yaml}, expect-in: {bare: admitted, kyverno: {denied: {by: {kyverno: $(namespace)-signed}}}}}";
        let steps = [&[refused][..], steps].concat();
        test_scenario::untried_ways(head, &steps, &files).contains("moved-tag")
    };
    let push = "{id: push, do: {push: app}, expect: done}";
    let tamper = "{id: tamper, do: {tamper: {image: app, with: layer}}, expect: done}";
    let copy = "{id: copy, do: {copy: {from: other, to: app}}, expect: done}";
    let uses = "{id: uses, do: {create: first.yaml}, expect: admitted}";
    assert!(is_missed(&[]));
    assert!(is_missed(&[push, uses, tamper]));
    // A tag that was not there does not move.
    assert!(is_missed(&[copy, uses]));
    assert!(!is_missed(&[push, tamper, uses]));
    assert!(!is_missed(&[push, copy, uses]));
}
