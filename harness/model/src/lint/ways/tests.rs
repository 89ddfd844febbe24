mod engines;
mod images;

use std::fs;
use std::path::Path;

use super::*;
use crate::lint_scenario;

const POLICY: &str = "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: addresses}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [services]}]
  validations: [{expression: '!has(object.spec.externalIPs)'}]
";
const ROLE: &str = "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
";
const SERVICE: &str = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {}}";
const QUOTA: &str = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: memory},
  spec: {scopes: [NotTerminating], hard: {limits.memory: 1Mi}}}";
const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: []}}";
const ZERO: &str = "{apiVersion: v1, kind: Pod, metadata: {name: b},
  spec: {containers: [{name: c, resources: {limits: {memory: '0'}}}]}}";
const WHOLE: &str = "{apiVersion: v1, kind: Pod, metadata: {name: d},
  spec: {resources: {requests: {cpu: 1m}}, containers: []}}";

const KYVERNO: &str = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: $(namespace)-plain}\n\
    spec: {rules: [{name: plain, match: {any: [{resources: {kinds: [Pod], namespaces: [$(namespace)]}}]}}]}\n";

/// An image policy with this rule for bundles.
fn image_policy(rule: &str) -> String {
    format!(
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: $(namespace)-plain}}\n\
         spec: {{rules: [{{name: signed, verifyImages: [{{{rule}}}]}}]}}\n"
    )
}

/// A scenario with a policy on new Services; what it leaves out, and what else it tries.
fn with_policy(leaves_out: &str, steps: &str) -> String {
    format!(
        "scenario: v2\nwhy: Because.\nworlds:\n  bare: {{}}\n  policy: {{apply: [policy.yaml]}}\n{leaves_out}\
         steps:\n- id: create\n  do: {{create: service.yaml}}\n  \
         expect-in: {{bare: admitted, policy: {{denied: {{by: {{policy: addresses}}}}}}}}\n{steps}\
         - {{id: version, do: {{path: /version}}, expect: allowed}}\n"
    )
}

const UPDATE: &str = "- {id: update, do: {update: service.yaml}, expect: admitted}\n";
const STATUS: &str = "- {id: status, do: {patch: {target: service/web, subresource: status, with: service.yaml}}, expect: admitted}\n";

fn write(root: &Path, id: &str, text: &str) {
    let dir = root.join(id);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("scenario.yaml"), text).unwrap();
    for (name, manifest) in [
        ("policy.yaml", POLICY),
        ("service.yaml", SERVICE),
        ("role.yaml", ROLE),
        ("quota.yaml", QUOTA),
        ("pod.yaml", POD),
        ("zero.yaml", ZERO),
        ("whole.yaml", WHOLE),
        ("kyverno.yaml", KYVERNO),
    ] {
        if text.contains(name) {
            fs::write(dir.join(name), manifest).unwrap();
        }
    }
}

fn library(scenarios: &[(&str, &str)]) -> ScenarioLibrary {
    let folder = tempfile::tempdir().unwrap();
    for (id, text) in scenarios {
        write(folder.path(), id, text);
    }
    let library = ScenarioLibrary::open(folder.path()).unwrap();
    assert!(library.faults.is_empty(), "{:?}", library.faults);
    library
}

fn findings(text: &str) -> Vec<LintFinding> {
    lint_scenario(&library(&[("admission/one", text)]).scenarios[0])
}

fn said(text: &str) -> Vec<String> {
    findings(text)
        .into_iter()
        .map(|finding| finding.what)
        .collect()
}

#[test]
fn a_way_that_no_step_tries_is_named() {
    let status = "world `policy` holds by an admission policy, and no step tries `subresource`: the same is set through a subresource, which is another resource to a rule";
    let update = "world `policy` holds by an admission policy, and no step tries `changed-afterwards`: the object is clean when it is made, and changed afterwards";
    assert_eq!(said(&with_policy("", "")), [update, status]);
    let found = findings(&with_policy("", UPDATE));
    assert_eq!(found[0].what, status);
    // It can be tried all the same.
    assert_eq!(found[0].subject, crate::LintSubject::Claim);
    assert_eq!(said(&with_policy("", &[UPDATE, STATUS].concat())), [""; 0]);
}

#[test]
fn a_way_is_left_out_with_a_reason() {
    let both = "leaves-out: {changed-afterwards: nobody may, subresource: nobody may}\n";
    assert_eq!(said(&with_policy(both, "")), [""; 0]);
    let found = findings(&with_policy(
        "leaves-out:\n  changed-afterwards: ' '\n  subresource: so\n",
        "",
    ));
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].what,
        "`changed-afterwards` is left out without a reason"
    );
    assert_eq!((found[0].place.line, found[0].place.column), (7, 3));
    assert!(found[0].snippet.contains('^'), "{}", found[0].snippet);
}

#[test]
fn what_is_tried_and_what_leads_nowhere_is_not_left_out() {
    let steps = [UPDATE, STATUS].concat();
    for (way, what) in [
        (
            "subresource",
            "`subresource` is left out, and a step tries it",
        ),
        (
            "moved-tag",
            "`moved-tag` leads round no control of this scenario",
        ),
        ("subresourse", "`subresourse` is not a way round a control"),
    ] {
        let found = findings(&with_policy(
            &format!("leaves-out: {{{way}: because}}\n"),
            &steps,
        ));
        let whats: Vec<&str> = found.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(whats, [what]);
        assert_eq!(found[0].place.line, 6, "{way}");
        let is_meant = found[0].hint.contains("did you mean `subresource`?");
        assert_eq!(is_meant, way == "subresourse", "{}", found[0].hint);
    }
}

#[test]
fn a_rule_for_every_operation_leaves_no_change_open() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "admission/one", &with_policy("", STATUS));
    let whole = POLICY.replace("[CREATE]", "[CREATE, UPDATE]");
    fs::write(folder.path().join("admission/one/policy.yaml"), whole).unwrap();
    let library = ScenarioLibrary::open(folder.path()).unwrap();
    assert_eq!(lint_scenario(&library.scenarios[0]), []);
}

#[test]
fn another_scenario_has_to_try_it() {
    let out = |reason: &str| {
        with_policy(
            &format!("leaves-out: {{changed-afterwards: {reason}}}\n"),
            STATUS,
        )
    };
    let trying = with_policy("", &[UPDATE, STATUS].concat());
    let family = |reason: &str| {
        let library = library(&[("admission/one", &out(reason)), ("admission/two", &trying)]);
        let found = lint_family(&library.scenarios[0], &library);
        found
            .into_iter()
            .map(|finding| finding.what)
            .collect::<Vec<_>>()
    };
    assert_eq!(family("tried in admission/two"), [""; 0]);
    assert_eq!(family("nobody may"), [""; 0]);
    let none = "no scenario that `changed-afterwards` is left out for tries it against an admission policy";
    assert_eq!(family("tried in admission/one"), [none]);
    for unclear in [
        "is tried in admission/two",
        "Tried in admission/two",
        "tried in",
    ] {
        let loaded = &library(&[("admission/one", &out(unclear))]).scenarios[0];
        let found = lint_scenario(loaded);
        let told = "the reason for `changed-afterwards` names no scenario that can be looked up";
        assert!(
            found.iter().any(|finding| finding.what == told),
            "{unclear}"
        );
    }
    assert_eq!(
        family("tried in admission/three"),
        [
            "`changed-afterwards` is left out for `admission/three`, which is not a scenario",
            none
        ]
    );
}

#[test]
fn a_role_that_grants_one_verb_is_tried_with_another() {
    let with = |steps: &str| {
        said(&format!(
            "scenario: v2\nwhy: Because.\nworlds:\n  bare: {{apply: [role.yaml]}}\n  open: {{install: [dns], apply: [role.yaml]}}\n\
             steps:\n- id: list\n  as: {{user: {{name: jane}}}}\n  do: {{list: {{resource: secrets}}}}\n  \
             expect-in: {{bare: allowed, open: forbidden}}\n{steps}\
             - {{id: version, do: {{path: /version}}, expect: allowed}}\n"
        ))
    };
    assert_eq!(
        with(""),
        [
            "world `open` holds by RBAC, and no step tries `other-read-verb`: what may not be read by one verb is read by another: get, list, watch"
        ]
    );
    assert_eq!(
        with("- {id: get, do: {get: secret/a}, expect: allowed}\n"),
        [""; 0]
    );
}

#[test]
fn an_ineffective_world_stands_beside_one_that_holds() {
    let with = |other: &str| {
        said(&format!(
            "scenario: v2\nwhy: Because.\nworlds:\n  bare: {{}}\n  weak: {{apply: [policy.yaml], ineffective: true}}\n{other}"
        ))
    };
    let alone = "steps:\n- {id: create, do: {create: service.yaml}, expect: admitted}\n";
    let what = "world `weak` is ineffective, and no other world refuses what it lets in";
    assert_eq!(with(alone), [what]);
    let beside = "  held: {install: [dns], apply: [policy.yaml]}\nsteps:\n- id: create\n  do: {create: service.yaml}\n  \
        expect-in: {bare: admitted, weak: admitted, held: {denied: {by: rbac-escalation}}}\n\
        - {id: version, do: {path: /version}, expect: allowed}\n";
    assert_eq!(with(beside), [""; 0]);
}

#[test]
fn each_way_round_a_quota_is_named_until_a_step_tries_it() {
    let steps = [
        (
            "pod-resized",
            "{id: resized, do: {patch: {target: pod/a, subresource: resize, with: pod.yaml}}, expect: admitted}",
        ),
        (
            "unlimited-namespace",
            "{id: elsewhere, namespace: $(namespace)-other, do: {create: pod.yaml}, expect: admitted}",
        ),
        (
            "outside-scope",
            "{id: other, do: {create: pod.yaml}, expect: admitted}",
        ),
        (
            "zero-limit",
            "{id: zero, do: {create: zero.yaml}, expect-in: {bare: admitted, quota: {denied: {by: {quota: memory}}}}}",
        ),
        (
            "pod-resources",
            "{id: whole, do: {create: whole.yaml}, expect-in: {bare: admitted, quota: {denied: {by: {quota: memory}}}}}",
        ),
    ];
    let untried = |tried: &dyn Fn(&str) -> bool| -> Vec<&str> {
        let more: Vec<String> = steps
            .iter()
            .filter(|(way, _)| tried(way))
            .map(|(_, step)| format!("- {step}\n"))
            .collect();
        let text = format!(
            "scenario: v2\nwhy: Because.\nworlds: {{bare: {{}}, quota: {{apply: [quota.yaml]}}}}\nsteps:\n\
             - {{id: version, do: {{path: /version}}, expect: allowed}}\n\
             - {{id: large, do: {{create: pod.yaml}}, expect-in: {{bare: admitted, quota: {{denied: {{by: {{quota: memory}}}}}}}}}}\n{}",
            more.concat()
        );
        let said = said(&text);
        let names = steps.iter().map(|(way, _)| *way);
        names
            .filter(|way| {
                said.iter()
                    .any(|what| what.contains(&format!("tries `{way}`")))
            })
            .collect()
    };
    let all: Vec<&str> = steps.iter().map(|(way, _)| *way).collect();
    assert_eq!(untried(&|_| false), all);
    for one in &all {
        let others: Vec<&str> = all.iter().copied().filter(|way| way != one).collect();
        assert_eq!(untried(&|way| way == *one), others, "{one}");
    }
}

#[test]
fn what_did_not_help_says_what_it_helps_against() {
    let with = |weak: &str, other: &str| {
        said(&format!(
            "scenario: v2\nwhy: Because.\nworlds:\n  bare: {{}}\n  weak: {{apply: [policy.yaml], {weak}}}\n{other}"
        ))
    };
    let steps = "steps:\n- {id: create, do: {create: service.yaml}, expect: admitted}\n";
    // Unlike what is ineffective, it needs no world beside it that refuses.
    assert_eq!(with("did-not-help: something else", steps), [""; 0]);
    assert_eq!(
        with("did-not-help: ' '", steps),
        ["world `weak` did not help, and does not say what it is for"]
    );
    assert!(
        with("did-not-help: something else, ineffective: true", steps)
            .contains(&"world `weak` is ineffective, and helps against something".to_owned())
    );
    let changes = "steps:\n- id: create\n  do: {create: service.yaml}\n  \
        expect-in: {bare: admitted, weak: {denied: {by: rbac-escalation}}}\n\
        - {id: version, do: {path: /version}, expect: allowed}\n";
    assert_eq!(
        with("did-not-help: something else", changes),
        ["world `weak` is declared not to help here, yet changes a cell"]
    );
    let bare =
        format!("scenario: v2\nwhy: Because.\nworlds:\n  bare: {{did-not-help: it}}\n{steps}");
    assert!(
        said(&bare)
            .iter()
            .any(|what| what.contains("cannot be ineffective"))
    );
}
