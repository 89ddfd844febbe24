//! Reading scenario folders: what is wrong is said with its place, and nothing panics.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod findings;
mod mutants;

use std::fs;
use std::path::Path;

use model::{Answer, LoadedScenario, ScenarioLibrary, lint_scenario, scenario_mutants};
use proptest::prelude::*;
use tempfile::TempDir;

const GOOD: &str = "scenario: v2
why: Because.
worlds:
  bare: {}
  labelled: { apply: [namespace.yaml] }
steps:
  - id: bad-pod
    do: { create: pod.yaml }
    expect-in: { bare: admitted, labelled: { denied: { by: pod-security } } }
  - id: look
    do: { get: namespace/$(namespace) }
    expect: allowed
leaves-out: { workload: nobody makes one, pod-changed: nobody changes it }
";
const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: $(namespace), labels: {pod-security.kubernetes.io/enforce: baseline}}\n";
const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: $(image:probe)}]}\n";

fn folder(scenario: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    let home = dir.path().join("area/name");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join("scenario.yaml"), scenario).unwrap();
    fs::write(home.join("namespace.yaml"), NAMESPACE).unwrap();
    fs::write(home.join("pod.yaml"), POD).unwrap();
    dir
}

fn open(dir: &Path) -> Result<LoadedScenario, String> {
    let mut library = ScenarioLibrary::open(dir).map_err(|error| error.to_string())?;
    match library.faults.pop() {
        Some((_, error)) => Err(error.to_string()),
        None => Ok(library.scenarios.remove(0)),
    }
}

fn fault(scenario: &str) -> String {
    open(folder(scenario).path()).unwrap_err()
}

fn findings(scenario: &str) -> Vec<String> {
    let dir = folder(scenario);
    lint_scenario(&open(dir.path()).unwrap())
        .into_iter()
        .map(|finding| finding.what)
        .collect()
}

#[test]
fn a_good_scenario_has_no_findings() {
    let dir = folder(GOOD);
    let loaded = open(dir.path()).unwrap();
    assert_eq!(loaded.id, "area/name");
    assert_eq!(loaded.manifests.len(), 2);
    assert_eq!(lint_scenario(&loaded), []);
}

#[test]
fn a_fault_is_shown_with_its_line_and_a_caret() {
    for (broken, line, word) in [
        (GOOD.replace("why:", "wy:"), 2, "wy"),
        (GOOD.replace("by: pod", "bye: pod"), 9, "bye"),
        (
            GOOD.replace("expect: allowed", "expect: alowed"),
            12,
            "did you mean `allowed`?",
        ),
        (
            GOOD.replace("why: Because.", "why: [1]"),
            2,
            "expected a text",
        ),
        (
            GOOD.replace("  bare: {}", "  bare: {}\n  bare: {}"),
            5,
            "duplicate",
        ),
        (
            GOOD.replace("namespace/$(namespace)", "namespace"),
            11,
            "KIND/NAME",
        ),
        (GOOD.replace("scenario: v2", "scenario: v3"), 1, "v3"),
        (GOOD.replace("worlds:", "worlds: ]"), 3, ""),
        (
            GOOD.replace("worlds:", "install: [dns, kyverna]\nworlds:"),
            3,
            "did you mean `kyverno`?",
        ),
        (
            GOOD.replace("worlds:", "install: [kyverno@1.17]\nworlds:"),
            3,
            "known: 1.19.1",
        ),
        (
            GOOD.replace("by: pod-security", "by: { kyverna: a }"),
            9,
            "did you mean `kyverno`?",
        ),
        (
            GOOD.replace("by: pod-security", "by: quota"),
            9,
            "`by: { quota: NAME }`",
        ),
        (
            GOOD.replace("by: pod-security", "by: { quota: { name: a } }"),
            9,
            "`by: { quota: NAME }`",
        ),
        (
            GOOD.replace("by: pod-security", "quota: pods"),
            9,
            "who refused is written `by: { quota: NAME }`",
        ),
    ] {
        let text = fault(&broken);
        assert!(
            text.contains(&format!("scenario.yaml:{line}:")),
            "line {line}: {text}"
        );
        assert!(
            text.contains(word) && text.contains('^'),
            "`{word}` and a caret: {text}"
        );
    }
}

#[test]
fn what_is_wrong_with_an_alias_is_shown_once_where_it_is_used() {
    let broken = GOOD
        .replace("why: Because.", "why: &why Because.")
        .replace("bare: {}", "bare: *why");
    let text = fault(&broken);
    assert!(
        text.contains("scenario.yaml:4:9: expected a mapping (`key: value`)\n"),
        "{text}"
    );
    assert!(text.contains("^ expected a mapping"), "{text}");
    assert_eq!(text.matches('^').count(), 1, "{text}");
    assert!(
        !text.contains("anchor") && !text.contains("defined"),
        "{text}"
    );
}

#[test]
fn broken_is_no_word_of_a_scenario() {
    let text = fault(&GOOD.replace("expect: allowed", "expect: broken"));
    assert!(text.contains("broken"), "{text}");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let dir = folder(GOOD);
    let home = dir.path().join("area/name");
    fs::write(home.join("pod.yaml"), "").unwrap();
    assert!(open(dir.path()).unwrap_err().contains("is empty"));
    fs::write(home.join("pod.yaml"), b"a: \xff").unwrap();
    assert!(
        open(dir.path())
            .unwrap_err()
            .contains("pod.yaml:1:4: not valid UTF-8")
    );
    fs::write(home.join("pod.yaml"), vec![b'#'; 10 << 20]).unwrap();
    assert!(open(dir.path()).unwrap_err().contains("at most"));
    fs::remove_file(home.join("pod.yaml")).unwrap();
    fs::create_dir(home.join("pod.yaml")).unwrap();
    assert!(
        open(dir.path())
            .unwrap_err()
            .contains("is a folder, not a file")
    );
    fs::remove_dir(home.join("pod.yaml")).unwrap();
    std::os::unix::fs::symlink("pod.yaml", home.join("pod.yaml")).unwrap();
    assert!(open(dir.path()).unwrap_err().contains("is a symbolic link"));
    fs::remove_dir_all(dir.path().join("area")).unwrap();
    assert!(open(dir.path()).unwrap_err().contains("no scenario under"));
}

#[test]
fn a_scenario_in_another_place_is_a_fault_and_not_silently_left_out() {
    for place in [
        "area/scenario.yaml",
        "area/other/scenario.yml",
        "area/other/deeper/scenario.yaml",
    ] {
        let dir = folder(GOOD);
        let path = dir.path().join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, GOOD).unwrap();
        let library = ScenarioLibrary::open(dir.path()).unwrap();
        assert_eq!(library.scenarios.len(), 1, "{place}");
        let faults: Vec<String> = library
            .faults
            .iter()
            .map(|(_, error)| error.to_string())
            .collect();
        let told = format!(
            "`{}` is not read: a scenario is a file AREA/NAME/scenario.yaml",
            path.display()
        );
        assert_eq!(faults, [told]);
    }
}

/// What a link leads to can change without a change in the scenario's folder.
#[test]
fn links_are_refused_in_a_scenarios_folder_and_in_its_place() {
    let elsewhere = TempDir::new().unwrap();
    fs::write(elsewhere.path().join("pod.yaml"), POD).unwrap();
    let dir = folder(GOOD);
    let pod = dir.path().join("area/name/pod.yaml");
    fs::remove_file(&pod).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("pod.yaml"), &pod).unwrap();
    assert_eq!(
        open(dir.path()).unwrap_err(),
        format!("`{}` is a symbolic link", pod.display())
    );

    let dir = folder(GOOD);
    let linked = dir.path().join("area/linked");
    std::os::unix::fs::symlink(dir.path().join("area/name"), &linked).unwrap();
    assert_eq!(
        open(dir.path()).unwrap_err(),
        format!("`{}` is a symbolic link", linked.display())
    );
}

/// A document that would grow without bound is refused, not expanded.
#[test]
fn aliases_cannot_explode() {
    let mut text = String::from("scenario: v2\nwhy: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let alias = format!("*a{}", level - 1);
        text.push_str(&format!(
            "k{level}: &a{level} [{}]\n",
            [alias.as_str(); 9].join(", ")
        ));
    }
    assert!(!fault(&text).is_empty());
    assert!(!fault(&"[".repeat(100_000)).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}|[ -~\n]{0,200}") {
        let _ = open(folder(&text).path());
    }

    /// Cuts and splices of a good file reach deeper than noise does.
    #[test]
    fn no_mutation_makes_reader_or_lint_panic(
        from in 0..GOOD.len(), to in 0..GOOD.len(), splice in "[ -~\n]{0,12}",
    ) {
        let text = format!("{}{splice}{}", &GOOD[..from.min(to)], &GOOD[from.max(to)..]);
        if let Ok(loaded) = open(folder(&text).path()) {
            let _ = lint_scenario(&loaded);
        }
    }
}

#[test]
fn a_word_of_before_is_told_the_word_of_now() {
    let record = |place: &str| format!("look-for: {{ canary: {{ of: a, in: {place} }} }}");
    let reach = "reach: { from: a, to: \"tcp://a:1\", nobody: true }";
    for (old, line, told) in [
        (
            GOOD.replace("bare: admitted", "bare: made"),
            "9:24",
            "`made` is now `done`",
        ),
        (
            GOOD.replace("bare: admitted", "bare: { refused: { by: pod-security } }"),
            "9:26",
            "`refused` is now `not-started`",
        ),
        (
            GOOD.replace("bare: admitted", "bare: seen"),
            "9:24",
            "`seen` is now `found` for `look-for`, and `updated` for `check-propagation`",
        ),
        (
            GOOD.replace("by: pod-security", "by: encryption"),
            "9:56",
            "`encryption` is now an answer of its own: `encryption-failed`",
        ),
        (
            GOOD.replace("create: pod.yaml", "seen: { audit: {} }"),
            "8:11",
            "`seen` is now `look-for`",
        ),
        (
            GOOD.replace("{ create: pod.yaml }", "survey"),
            "8:9",
            "`survey` is now `check-secrets`",
        ),
        (
            GOOD.replace("create: pod.yaml", &record("store-files")),
            "8:44",
            "`store-files` is now `etcd-files`",
        ),
        (
            GOOD.replace("create: pod.yaml", reach),
            "8:46",
            "`nobody` is now `no-listener`",
        ),
        (
            GOOD.replace("bare: {}", "bare: { omit: [look] }"),
            "4:11",
            "`omit` is now `skip-steps`",
        ),
    ] {
        let text = fault(&old);
        assert!(
            text.contains(&format!("scenario.yaml:{line}: {told}")),
            "{text}"
        );
        assert!(text.contains(&format!("^ {told}")), "a caret: {text}");
        assert!(!text.contains("expected one of"), "{text}");
    }
}

#[test]
fn numbers_of_manifests_are_those_that_kubectl_reads() {
    let dir = folder(GOOD);
    let file = dir.path().join("area/name/pod.yaml");
    let text = "apiVersion: v1\nkind: Pod\nmetadata: { name: a }\nspec: { volumes: [{ name: v, secret: { defaultMode: 0444 } }] }\n";
    fs::write(file, text).unwrap();
    let loaded = open(dir.path()).unwrap();
    let pod = loaded.single("pod.yaml").unwrap();
    assert_eq!(
        pod.object["spec"]["volumes"][0]["secret"]["defaultMode"],
        0o444
    );
}
