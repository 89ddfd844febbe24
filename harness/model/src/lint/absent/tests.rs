use std::fs;

use crate::{LintFinding, ScenarioLibrary, lint_scenario};

const CONFIG: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {colour: 'deep \"red\"', key: aHVudGVyMg==}}";

/// What is found in a step that looks for this, behind one that reads `settings`.
fn findings(look: &str, expect: &str) -> Vec<LintFinding> {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("audit/one");
    fs::create_dir_all(&dir).unwrap();
    let text = format!(
        "scenario: v2\nwhy: The nmae and the depe are only words here.\nworlds: {{bare: {{apply: [config.yaml]}}}}\nsteps:\n\
         - {{id: first, do: {{exec: {{pod: web, command: [id, $(namespace)-x]}}}}, expect: allowed}}\n- id: one\n  \
         do: {{look-for: {{{look}}}}}\n  expect: {expect}\n"
    );
    fs::write(dir.join("scenario.yaml"), text).unwrap();
    fs::write(dir.join("config.yaml"), CONFIG).unwrap();
    let library = ScenarioLibrary::open(folder.path()).unwrap();
    assert!(library.faults.is_empty(), "{:?}", library.faults);
    lint_scenario(&library.scenarios[0])
}

#[test]
fn a_word_that_is_written_nowhere_else_is_refused_where_it_is_absent() {
    for (look, what, hint) in [
        (
            "audit: {name: setings}",
            "the name `setings`, found in no world",
            "add a world",
        ),
        (
            "audit: {name: setting}",
            "the name `setting`, found in no world",
            "add a world",
        ),
        (
            "audit: {contains: depe}",
            "the text `depe`, found in no world",
            "add a world",
        ),
        (
            "audit: {code: 4403}",
            "the code 4403, which an API server does not",
            "did you mean `403`? ",
        ),
        (
            "audit: {code: 430}",
            "the code 430, which an API server does not",
            "did you mean `400`? ",
        ),
        (
            "audit: {annotations: {authorization.k8s.io/desicion: ''}}",
            "the annotation `authorization.k8s.io/desicion`, which nothing",
            "did you mean `authorization.k8s.io/decision`? ",
        ),
        (
            "audit: {annotations: {imagepolicywebhok.image-policy.k8s.io/: ''}}",
            "the annotation `imagepolicywebhok.image-policy.k8s.io/`, which nothing",
            "did you mean `imagepolicywebhook.image-policy.k8s.io/`? ",
        ),
        (
            "audit: {annotations: {authorization.k8s.io/decision: forbit}}",
            "the annotation's text `forbit`, found in no world",
            "add a world",
        ),
        (
            "output: {of: first, contains: uidd}",
            "the text `uidd`, found in no world",
            "add a world",
        ),
        (
            "output: {of: first, exit: 3}",
            "the exit code 3, found in no world",
            "add a world",
        ),
        (
            "field: {of: configmap/setings, at: /data/colour}",
            "the object `setings`, found in no world",
            "add a world",
        ),
        (
            "field: {of: configmap/settings, at: /data/colour, equals: rde}",
            "the value `rde`, found in no world",
            "add a world",
        ),
        (
            "object: configmap/ettings",
            "the object `ettings`, found in no world",
            "add a world",
        ),
        (
            "audit: {contains: $(namespace)-y}",
            "the text `$(namespace)-y`, found in no world",
            "add a world",
        ),
    ] {
        let found = findings(look, "absent");
        assert_eq!(found.len(), 1, "{look}: {found:#?}");
        let told = format!("step `one` looks for {what}");
        assert!(found[0].what.starts_with(&told), "{}", found[0].what);
        assert!(found[0].hint.starts_with(hint), "{}", found[0].hint);
        assert_eq!(found[0].place.line, 7, "{}", found[0].snippet);
        assert!(found[0].place.column > 18, "{}", found[0].snippet);
    }
}

#[test]
fn what_is_written_or_found_is_left_alone() {
    for (look, expect) in [
        ("audit: {name: settings, code: 403}", "absent"),
        ("audit: {contains: hunter2}", "absent"),
        ("audit: {contains: 'deep \"red'}", "absent"),
        ("audit: {contains: $(namespace)}", "absent"),
        ("audit: {contains: $(namespace)-x}", "absent"),
        (
            "audit: {annotations: {authorization.k8s.io/decision: ''}}",
            "absent",
        ),
        (
            "audit: {annotations: {imagepolicywebhook.image-policy.k8s.io/failed-open: ''}}",
            "absent",
        ),
        (
            "audit: {annotations: {missing-san.invalid-cert.kubernetes.io/a.test: ''}}",
            "absent",
        ),
        (
            "audit: {annotations: {insecure-sha1.invalid-cert.kubernetes.io/a.test: ''}}",
            "absent",
        ),
        ("audit: {annotations: {settings/colour: red}}", "absent"),
        (
            "field: {of: configmap/settings, at: /data/colour, equals: 'false'}",
            "absent",
        ),
        ("object: configmap/settings", "absent"),
        ("output: {of: first, contains: web}", "absent"),
        ("output: {of: first, exit: 3}", "found"),
        (
            "audit: {name: anything, contains: whatever, code: 430}",
            "found",
        ),
        (
            "field: {of: pod/other, at: /spec/nodeName, equals: node-7}",
            "found",
        ),
    ] {
        assert_eq!(findings(look, expect), [], "{look}");
    }
}

#[test]
fn two_steps_that_look_in_vain_do_not_speak_for_each_other() {
    let twice = "audit: {name: setings}}}\n  expect: absent\n- id: two\n  do: {look-for: {audit: {name: setings}";
    let found = findings(twice, "absent");
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!((found[0].place.line, found[1].place.line), (7, 10));
    let one = twice.replace("expect: absent", "expect: found");
    assert_eq!(findings(&one, "absent"), []);
}
