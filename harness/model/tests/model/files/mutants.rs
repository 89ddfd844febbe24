//! Scenarios with a control taken out.

use super::*;

#[test]
fn each_control_can_be_taken_out() {
    let two = GOOD.replace("[namespace.yaml]", "[namespace.yaml, role.yaml]");
    let dir = folder(&two.replace("bare: {}", "bare: { apply: [role.yaml] }"));
    let loaded = open(dir.path()).unwrap();
    let (without, found) = scenario_mutants(&loaded, false);
    let taken: Vec<_> = found
        .iter()
        .map(|one| (one.of.as_str(), one.without.as_str()))
        .collect();
    assert_eq!(taken, [("labelled", "namespace.yaml")]);
    assert_eq!(without.scenario.worlds.len(), 1);
    assert_eq!(
        without.scenario.worlds[&found[0].world].apply,
        ["role.yaml"]
    );
    let denied = without.scenario.steps[0].intended_verdict(&found[0].world);
    assert!(
        matches!(denied, Some(Answer::Denied { .. })),
        "the intent stays: {denied:?}"
    );
    let (both, _) = scenario_mutants(&loaded, true);
    assert_eq!(
        both.scenario.worlds.keys().collect::<Vec<_>>(),
        [&found[0].world, "labelled"]
    );
    assert_eq!(
        both.scenario.worlds["labelled"],
        loaded.scenario.worlds["labelled"]
    );
    assert_eq!(both.scenario.steps[0].intended_verdict("labelled"), denied);
}

/// What a world has instead of something in `bare` is put back, so that its steps still find what
/// they ask.
#[test]
fn a_control_that_replaces_something_is_put_back() {
    let dir = folder(
        "scenario: v2
why: Because.
worlds:
  bare: { apply: [pod.yaml], skip-steps: [other-later] }
  other: { apply: [pod-other.yaml, elsewhere.yaml], skip-steps: [later] }
steps:
  - { id: runs, do: { wait-running: pod/p }, expect: running }
  - { id: later, do: { create: cm.yaml }, expect: admitted }
  - { id: other-later, do: { create: cm.yaml }, expect: admitted }
  - { id: look, do: { get: secret/s }, namespace: elsewhere, expect: allowed }
",
    );
    let home = dir.path().join("area/name");
    fs::write(
        home.join("pod-other.yaml"),
        POD.replace("name: c,", "name: d,"),
    )
    .unwrap();
    fs::write(
        home.join("elsewhere.yaml"),
        NAMESPACE.replace("$(namespace)", "elsewhere"),
    )
    .unwrap();
    fs::write(
        home.join("cm.yaml"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n",
    )
    .unwrap();
    let (without, found) = scenario_mutants(&open(dir.path()).unwrap(), false);
    let taken: Vec<_> = found.iter().map(|one| one.without.as_str()).collect();
    assert_eq!(
        taken,
        [
            "pod-other.yaml (instead: pod.yaml)",
            "step other-later (instead: later)"
        ]
    );
    let [file, step] = [0, 1].map(|at: usize| &without.scenario.worlds[&found[at].world]);
    assert_eq!(
        (file.apply.as_slice(), file.skip_steps.as_slice()),
        (
            &["pod.yaml", "elsewhere.yaml"].map(String::from)[..],
            &["later".to_owned()][..]
        )
    );
    assert_eq!(
        (step.apply[0].as_str(), step.skip_steps.as_slice()),
        ("pod-other.yaml", &["other-later".to_owned()][..])
    );
}
