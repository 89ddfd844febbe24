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
    for (addon, control) in super::addon_controls() {
        let unknown = control
            .engine_ways
            .iter()
            .find(|way| !names.contains(**way));
        assert_eq!(unknown, None, "{addon}");
    }
    for way in ways_round() {
        assert_eq!(way_round(way.name).map(|found| found.name), Some(way.name));
        let mut kinds = ControlKind::all();
        assert!(kinds.any(|kind| way.leads_round(kind)), "{}", way.name);
        assert!(!way.about.ends_with('.'), "{}", way.name);
    }
    assert!(way_round("no-such-way").is_none());
}

#[test]
fn each_kind_of_control_has_ways_round_it() {
    for kind in ControlKind::all() {
        assert!(ways_round().any(|way| way.leads_round(kind)), "{kind}");
    }
    for subject in PolicySubject::ALL {
        for name in subject.ways() {
            assert!(way_round(name).is_some(), "{name} of {subject:?}");
        }
    }
}

/// What the lint has to know of an addon that refuses, and its descriptor does not say.
fn unsaid_of_engine(engine: &PureAddon) -> Vec<String> {
    let Some(control) = engine.control else {
        return vec!["what it is as a control".into()];
    };
    let subjects = control.subjects.is_empty();
    let subjects = subjects.then(|| "what its policies are about".to_owned());
    let kinds = engine.kinds.iter();
    let groups = kinds.filter(|kind| !control.has_group(kind.group));
    let groups = groups.map(|kind| format!("the group of {}", kind.kind));
    subjects.into_iter().chain(groups).collect()
}

/// A control that says next to nothing.
static UNSAID_ENGINE: AddonControl = AddonControl {
    title: "Another",
    groups: &["sigstore.dev.example"],
    subjects: &[],
    ways: &[],
    engine_ways: &[],
    webhook_labels: &[],
    needs_no_object: false,
    compared: &[],
    stops: None,
};

/// A policy engine that is in the table and that the lint does not know as a control would have no
/// ways round it, and no scenario would have to try any.
#[test]
fn every_addon_that_refuses_says_what_it_is_as_a_control() {
    let engines = ADDONS.iter().filter(|addon| !addon.denials.is_empty());
    assert!(engines.clone().count() >= 3);
    for engine in engines {
        assert_eq!(unsaid_of_engine(engine), Vec::<String>::new(), "{engine}");
    }
    let gatekeeper = &crate::addons::gatekeeper::ADDON;
    let with_control = |control| {
        unsaid_of_engine(&PureAddon {
            control,
            ..*gatekeeper
        })
    };
    assert_eq!(with_control(None), ["what it is as a control"]);
    assert_eq!(
        with_control(Some(&UNSAID_ENGINE)).len(),
        1 + gatekeeper.kinds.len()
    );
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
