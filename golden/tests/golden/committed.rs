//! Every scenario has an outcome, every outcome a scenario, and no outcome holds another verdict
//! than is intended.

use std::path::{Path, PathBuf};

use golden::{GoldenFile, GoldenStore, OutcomeTable};
use model::{LoadedScenario, ScenarioLibrary};
use redact::redact_recorded;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn library() -> Vec<LoadedScenario> {
    let library = ScenarioLibrary::open(&root().join("scenarios")).unwrap();
    assert!(library.faults.is_empty(), "{:#?}", library.faults);
    library.scenarios
}

fn store() -> GoldenStore {
    GoldenStore::open(&root().join("golden/outcomes")).unwrap()
}

#[test]
fn every_scenario_lints() {
    let library = ScenarioLibrary::open(&root().join("scenarios")).unwrap();
    let each = library.scenarios.iter();
    let findings: Vec<_> = each
        .flat_map(|loaded| {
            [
                model::lint_scenario(loaded),
                model::lint_family(loaded, &library),
            ]
        })
        .flatten()
        .collect();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn every_scenario_has_an_outcome_and_every_outcome_a_scenario() {
    let library = library();
    let ids: Vec<_> = library.iter().map(|loaded| loaded.id.as_str()).collect();
    assert_eq!(
        store().missing(&ids).unwrap(),
        Vec::<&str>::new(),
        "`gauntlet run`, then `gauntlet accept`"
    );
    assert_eq!(
        store().orphans(&ids).unwrap(),
        Vec::<PathBuf>::new(),
        "no scenario uses these: delete them"
    );
}

#[test]
fn every_outcome_is_described_as_its_scenario_is_now() {
    for loaded in library() {
        let Some(snapshot) = store().read_recorded(&loaded.id).unwrap() else {
            continue;
        };
        assert_eq!(
            snapshot.description,
            golden::first_sentence(&loaded.scenario.why),
            "{}: `gauntlet run`, then `gauntlet accept`",
            loaded.id
        );
    }
}

#[test]
fn nothing_waits_to_be_accepted_in_a_commit() {
    let tracked = |text: &str| text.lines().any(|line| line == "*.snap.new");
    assert!(tracked(
        &std::fs::read_to_string(root().join(".gitignore")).unwrap()
    ));
}

/// The first line of each entry against the intent of its cell. Both name refusers in the
/// scenario's own terms.
#[test]
fn every_recorded_verdict_is_the_intended_one() {
    for loaded in library() {
        let Some(snapshot) = store().read_recorded(&loaded.id).unwrap() else {
            continue;
        };
        let mut recorded = 0;
        let table = table(&loaded.id, &snapshot);
        for (id, world, verdict) in table.verdicts() {
            let step = loaded.scenario.steps.iter().find(|one| one.id == id);
            let intended = step
                .and_then(|step| step.intended_verdict(world))
                .map(ToString::to_string)
                .unwrap_or_default();
            let rest = verdict.strip_prefix(&intended);
            let same = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("));
            assert!(
                same,
                "{}: {id} in {world} is recorded as `{verdict}`, intended is `{intended}`",
                loaded.id
            );
            recorded += 1;
        }
        let cells: usize = loaded
            .scenario
            .worlds
            .keys()
            .map(|world| loaded.scenario.steps_in(world).count())
            .sum();
        assert_eq!(recorded, cells, "{}: cells", loaded.id);
    }
}

#[test]
fn recorded_bodies_are_redacted_and_written_as_we_write_them() {
    for id in store().recorded_ids().unwrap() {
        let snapshot = store().read_recorded(&id).unwrap().unwrap();
        assert_eq!(
            table(&id, &snapshot).body(),
            snapshot.body,
            "{id}: edited by hand?"
        );
        assert_eq!(
            redact_recorded(&snapshot.body),
            snapshot.body,
            "{id}: a rule was added; run and accept it again"
        );
        let file = format!("scenarios/{id}/scenario.yaml");
        assert_eq!(snapshot.input_file, file);
    }
}

fn table(id: &str, snapshot: &GoldenFile) -> OutcomeTable {
    OutcomeTable::parse(&snapshot.body).unwrap_or_else(|what| panic!("{id}: {what}"))
}
