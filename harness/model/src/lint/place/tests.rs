use std::fs;

use crate::{LintFinding, ScenarioLibrary, lint_scenario};

/// What is found in a scenario that is its own only file.
fn findings(scenario: &str) -> Vec<LintFinding> {
    findings_beside(scenario, &[])
}

/// What is found in a scenario with these files beside it.
fn findings_beside(scenario: &str, files: &[(&str, &str)]) -> Vec<LintFinding> {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("pods/one");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("scenario.yaml"), scenario).unwrap();
    for (name, text) in files {
        fs::write(dir.join(name), text).unwrap();
    }
    let library = ScenarioLibrary::open(folder.path()).unwrap();
    assert!(library.faults.is_empty(), "{:?}", library.faults);
    lint_scenario(&library.scenarios[0])
}

/// Line and column of the finding that says this, and what the caret is under.
fn place_of(scenario: &str, what: &str) -> (u64, u64, String) {
    let all = findings(scenario);
    let found = all.iter().find(|finding| finding.what.contains(what));
    let found = found.unwrap_or_else(|| panic!("{what}: {all:#?}"));
    let mut lines = found.snippet.lines().skip(1);
    let (line, caret) = (lines.next().unwrap(), lines.next().unwrap());
    let marked = line.chars().zip(caret.chars());
    let marked = marked.filter(|(_, mark)| *mark == '^').map(|(c, _)| c);
    (found.place.line, found.place.column, marked.collect())
}

const WORDY: &str = "scenario: v2
# strict, pods.yaml, jane: a comment
why: The world strict is a strict one, as bare is not; jane sends pods.yaml in the step ask.
worlds:
  bare: {}
  strict: { apply: [pods.yaml], copied-from: a strict page }
leaves-out:
  workload: strict and jane and pods.yaml
steps:
  - id: ask
    why: jane asks for pods.yaml
    as: { user: { name: joe } }
    do: { create: pods.yaml }
    expect: admitted
  - { id: look, do: { look-for: { audit: { user: jane } } }, expect-in: { bare: absent, strict: absent, none: found } }
  - { id: watch, do: { look-for: { warning: { of: askk, contains: strict } } }, expect: found }
";

#[test]
fn what_is_wrong_with_a_manifest_is_shown_in_it() {
    let scenario = "scenario: v2\nwhy: Because.\nworlds: {bare: {apply: [pod.yaml, list.yaml, none.yaml]}}\n\
        steps: [{id: a, do: {path: /version}, expect: allowed}]\n";
    let pod = "# $(nmespace) and Widget\napiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: $(nmespace)}\n\
        spec: {containers: [{name: a, image: $(image:shop)}]}\n";
    let list = "kind: Pod\napiVersion: v1\nmetadata: {name: Widgets}\n---\n\
        # Widget\nkind: Widget\napiVersion: example.org/v1\nmetadata: {name: one}\n";
    let all = findings_beside(
        scenario,
        &[
            ("pod.yaml", pod),
            ("list.yaml", list),
            ("none.yaml", "---\n# nothing\nname: a\n"),
        ],
    );
    for (what, file, line, column) in [
        ("`$(nmespace)` is not a placeholder", "pod.yaml", 4, 34),
        ("no step makes the image `shop`", "pod.yaml", 5, 38),
        ("holds a Widget", "list.yaml", 6, 7),
        ("names no `apiVersion` and `kind`", "none.yaml", 3, 1),
    ] {
        let found = all.iter().find(|finding| finding.what.contains(what));
        let place = &found.unwrap_or_else(|| panic!("{what}: {all:#?}")).place;
        assert!(place.file.ends_with(file), "{what}: {place}");
        assert_eq!((place.line, place.column), (line, column), "{what}");
    }
}

#[test]
fn a_word_of_a_sentence_is_not_what_is_meant() {
    for (what, place) in [
        ("world `strict` changes no cell", (6, 3, "strict")),
        ("there is no file `pods.yaml`", (6, 21, "pods.yaml")),
        ("looks for the user `jane`", (15, 50, "jane")),
        ("`workload` leads round no control", (8, 3, "workload")),
        ("expects something in `none`", (15, 105, "none")),
        ("looks at step `askk`", (16, 51, "askk")),
    ] {
        let (line, column, marked) = place_of(WORDY, what);
        assert_eq!((line, column, marked.as_str()), place, "{what}");
    }
}

#[test]
fn a_name_is_found_behind_its_own_key() {
    let text = "scenario: v2\nwhy: Because.\ncluster: { nodes: 9 }\nworlds:\n  bare: { cluster: { nodes: 8 } }\n  \
        user: { skip-steps: [user, name] }\nsteps:\n  - { id: user, as: { user: { name: user, extra: { User: [x] } } }, \
        do: { path: /version }, expect: allowed }\n  - { id: 'user', do: { path: version }, expect: allowed }\n";
    for (what, place) in [
        ("cluster of 9 nodes", (3, 12, "nodes")),
        ("cluster of 8 nodes", (5, 22, "nodes")),
        ("leaves out `name`", (6, 30, "name")),
        ("the key `User`", (8, 52, "User")),
        ("the id `user` is used twice", (9, 7, "id: 'user")),
        ("`version` is not a path", (9, 31, "version")),
    ] {
        let (line, column, marked) = place_of(text, what);
        assert_eq!((line, column, marked.as_str()), place, "{what}");
    }
}

#[test]
fn what_is_a_part_of_a_text_is_found_in_it() {
    let text = "scenario: v2\nwhy: The $(nam) is not said.\nworlds: { bare: {} }\nsteps:\n  \
        - { id: a, do: { list: { resource: pods, fields: \"metadata.name=$(nam)\" } }, expect: allowed }\n  \
        - id: b\n    do:\n      path: >-\n        /api/v1/$(nam)\n    expect: allowed\n";
    assert_eq!(
        place_of(text, "`$(nam)` is not a placeholder"),
        (5, 67, "$(nam)".into())
    );
    let only_said = text.replace("=$(nam)", "").replace("/$(nam)", "");
    assert_eq!(
        place_of(&only_said, "`$(nam)` is not a placeholder"),
        (2, 10, "$(nam)".into())
    );
    let folded = text.replace("=$(nam)", "");
    assert_eq!(
        place_of(&folded, "`$(nam)` is not a placeholder"),
        (9, 17, "$(nam)".into())
    );
}
