//! What the lint finds, and where it points.

use super::*;

#[test]
fn what_would_pass_by_accident_is_found() {
    for (broken, wanted) in [
        (
            GOOD.replace(
                "labelled: { denied: { by: pod-security } }",
                "labelled: admitted",
            ),
            "changes no cell",
        ),
        (
            GOOD.replace(
                "[namespace.yaml] }",
                "[namespace.yaml], ineffective: true }",
            ),
            "is declared ineffective",
        ),
        (
            GOOD.replace("expect: allowed", "expect: forbidden"),
            "shows nothing positive",
        ),
        (
            GOOD.replace("pod.yaml", "pods.yaml"),
            "there is no file `pods.yaml`",
        ),
        (
            GOOD.replace("pod.yaml", "../pod.yaml"),
            "is not a plain file name",
        ),
        (GOOD.replace("id: look", "id: bad-pod"), "used twice"),
        (
            GOOD.replace("$(namespace)", "$(name)"),
            "`$(name)` is not a placeholder",
        ),
        (
            GOOD.replace("{ bare: admitted, ", "{ "),
            "intends nothing in world `bare`",
        ),
        (
            GOOD.replace("{ bare: admitted, ", "{ bare: admitted, other: admitted, "),
            "which is not a world",
        ),
        (GOOD.replace("    expect: allowed\n", ""), "expects nothing"),
        (
            GOOD.replace("{ apply: [namespace.yaml] }", "{}"),
            "under another name",
        ),
        (
            GOOD.replace("get: namespace/$(namespace)", "path: metrics"),
            "`metrics` is not a path",
        ),
        (
            GOOD.replace("get: namespace/$(namespace)", "path: ''"),
            "`` is not a path",
        ),
        (
            GOOD.replace(
                "get: namespace/$(namespace)",
                "look-for: { field: { of: pod/p, at: metadata } }",
            )
            .replace("expect: allowed", "expect: found"),
            "`metadata` is not a JSON pointer",
        ),
        (GOOD.replace("bare", "bear"), "no world is named `bare`"),
        (
            GOOD.replace("worlds:", "cluster: { nodes: 4 }\nworlds:"),
            "4 nodes is not supported",
        ),
    ] {
        let all = findings(&broken);
        assert!(
            all.iter().any(|what| what.contains(wanted)),
            "{wanted}: {all:?}"
        );
    }
}

#[test]
fn a_manifest_that_is_no_object_is_found() {
    for broken in [
        "[]",
        "a: b",
        "apiVersion: v1\nkind: [Pod]",
        "apiVersion: v1\nkind: Pod\nmetadata: x",
        "apiVersion: v1\nkind: Pod\nmetadata: {labels: [a]}",
    ] {
        let dir = folder(GOOD);
        fs::write(dir.path().join("area/name/pod.yaml"), broken).unwrap();
        let all = lint_scenario(&open(dir.path()).unwrap());
        assert!(
            all.iter()
                .any(|finding| finding.what.starts_with("an object in `pod.yaml`")),
            "{broken}: {all:?}"
        );
    }
}

#[test]
fn every_finding_points_somewhere() {
    let dir = folder(&GOOD.replace("pod.yaml", "pods.yaml"));
    let all = lint_scenario(&open(dir.path()).unwrap());
    let missing = all
        .iter()
        .find(|finding| finding.what.contains("pods.yaml"))
        .unwrap();
    assert_eq!(
        (missing.place.line, missing.snippet.contains("^^^")),
        (8, true),
        "{missing:?}"
    );
}

/// A control without a barrier is refused, unless the API server is meant to turn its type down.
#[test]
fn kinds_that_are_not_known_are_refused() {
    let text = GOOD
        .replace("{ get: namespace/$(namespace) }", "{ create: other.yaml }")
        .replace("expect: allowed", "expect: admitted");
    let other = |scenario: &str, object: &str| {
        let dir = folder(scenario);
        fs::write(dir.path().join("area/name/other.yaml"), object).unwrap();
        let all = lint_scenario(&open(dir.path()).unwrap());
        all.into_iter()
            .map(|finding| finding.what)
            .collect::<Vec<_>>()
    };
    let widget = "apiVersion: shop.example/v1\nkind: Widget\nmetadata: {name: w}\n";
    let unknown = ["`other.yaml` holds a Widget, a kind that Gauntlet does not know"];
    assert_eq!(other(&text, widget), unknown);
    let generating = "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: g}\nspec: {rules: [{generate: {}}]}\n";
    let said = other(&text, generating);
    let wish = "`other.yaml` holds a ClusterPolicy that does not get what it asks for: it generates, which takes Kyverno's \
        background controller: `install: [kyverno-controllers]`";
    assert!(said.iter().any(|what| what == wish), "{said:?}");
    let turned_down = text.replace(
        "other.yaml }\n    expect: admitted",
        "other.yaml }\n    expect: invalid",
    );
    let said = other(&turned_down, widget);
    assert!(
        !said.iter().any(|what| what.contains("does not know")),
        "{said:?}"
    );
    let labelled = "{ label: { target: widgets.shop.example/w, set: { a: b } } }";
    let named = other(
        &GOOD.replace("{ get: namespace/$(namespace) }", labelled),
        "",
    );
    assert!(
        named.contains(&"`widgets.shop.example` is not a kind that Gauntlet knows".to_owned()),
        "{named:?}"
    );
}

#[test]
fn a_finding_points_at_the_word_itself_and_at_its_second_use() {
    // `bad` is a part of `bad-pod`, which stands before it.
    for id in ["bad", "bad-pod"] {
        let twice = GOOD.replace(
            "  - id: look",
            &format!("  - id: bad\n    do: {{ get: pod/a }}\n    expect: allowed\n  - id: {id}"),
        );
        let dir = folder(&twice);
        let findings = lint_scenario(&open(dir.path()).unwrap());
        let again = findings.iter().find(|one| one.what.contains("used twice"));
        assert_eq!(again.map(|one| one.place.line), Some(13), "{findings:?}");
    }
    let empty = folder(&GOOD.replace("why: Because.", "why: ''"));
    let findings = lint_scenario(&open(empty.path()).unwrap());
    let [finding] = findings.as_slice() else {
        panic!("{findings:?}");
    };
    assert_eq!(
        (finding.what.as_str(), finding.place.line),
        ("`why` is empty", 2)
    );
}

#[test]
fn what_an_action_cannot_answer_is_a_finding() {
    let labelled = GOOD.replace("labelled: { denied", "labelled: admitted } # { denied");
    for (expected, what) in [
        (
            GOOD.replace("expect: allowed", "expect: admitted"),
            "step `look`: `admitted` is now `allowed` for `get`",
        ),
        (
            GOOD.replace("{ get: namespace/$(namespace) }", "{ wait-running: pod/p }"),
            "step `look` expects `allowed`, which `wait-running` never answers",
        ),
        (
            GOOD.replace("expect: allowed", "expect: { not-started: { by: pod-security } }"),
            "step `look` expects `not-started: pod-security`, which `get` never answers",
        ),
        (
            labelled.replace("expect: allowed", "expect: { denied: { by: { container: Error } } }"),
            "step `look` expects `denied by container Error`, which `get` never answers",
        ),
        (
            GOOD.replace(
                "{ get: namespace/$(namespace) }\n    expect: allowed",
                "{ reach: { from: p, to: \"tcp://$(pod-ip:p):1\" } }\n    expect: { blocked: { at: key } }",
            ),
            "step `look` expects `blocked at key`, which `reach` never answers",
        ),
    ] {
        let dir = folder(&expected);
        let found = lint_scenario(&open(dir.path()).unwrap());
        let finding = found.iter().find(|one| one.what == what);
        let finding = finding.unwrap_or_else(|| panic!("{what}: {found:#?}"));
        assert_eq!(finding.place.line, 12, "{}", finding.snippet);
        assert!(finding.hint.starts_with("it can answer `"), "{}", finding.hint);
        let caret = finding.snippet.lines().last().unwrap_or_default();
        assert!(caret.contains('^') && finding.place.column > 8, "{caret}");
    }
}

#[test]
fn a_user_that_no_step_asks_as_is_not_looked_for() {
    let scenario = |user: &str| {
        format!(
            "scenario: v2\nwhy: It looks.\nworlds: {{ bare: {{}} }}\nsteps:\n\
             - {{ id: a, as: {{ user: {{ name: jane, impersonate: {{ user: joe }} }} }}, do: {{ list: {{ resource: pods }} }}, expect: forbidden }}\n\
             - {{ id: b, do: {{ look-for: {{ audit: {{ verb: list, {user} }} }} }}, expect: absent }}\n"
        )
    };
    for known in [
        "user: jane",
        "impersonated: joe",
        "user: admin",
        "user: 'system:node:node-1'",
    ] {
        let told = findings(&scenario(known));
        assert!(
            !told.iter().any(|what| what.contains("no step asks as it")),
            "{told:?}"
        );
    }
    for unknown in ["user: jan", "impersonated: john"] {
        let told = findings(&scenario(unknown));
        assert!(
            told.iter().any(|what| what.contains("no step asks as it")),
            "{told:?}"
        );
    }
}

#[test]
fn keys_of_extra_are_in_lower_case() {
    let told = findings(
        "scenario: v2\nwhy: It asks.\nworlds: { bare: {} }\nsteps:\n\
         - { id: a, as: { user: { name: jane, extra: { Scopes: [x] } } }, do: { list: { resource: pods } }, expect: forbidden }\n",
    );
    assert!(
        told.contains(&"step `a` has the key `Scopes` in `extra`".to_owned()),
        "{told:?}"
    );
}
