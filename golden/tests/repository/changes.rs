//! docs/golden-changes.md names every cell of the first recorded scenarios that has another verdict
//! now, or is gone, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use model::ScenarioLibrary;
use regex::Regex;
use tempfile::TempDir;

use crate::{root, text};

/// The commit of the first recorded scenarios.
const FIRST_RECORDED: &str = "990f0df73482f96c63939cd0ce04419cdd9f01f6";

/// How many there are.
const FIRST_COUNT: usize = 245;

/// A scenario, a step and a world of it.
type Cell = (String, String, String);

/// Those scenarios; nothing where the history does not reach back to them, as in a shallow clone.
fn first_scenarios() -> Option<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(root()).args(arguments);
        git.env("GIT_INDEX_FILE", folder.path().join("index"));
        git.status().unwrap().success()
    };
    let is_known = git(&["cat-file", "-e", &format!("{FIRST_RECORDED}^{{commit}}")]);
    is_known.then(|| {
        let tree = folder.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        let tree = format!("--work-tree={}", tree.display());
        assert!(git(&[
            &tree,
            "checkout",
            "--quiet",
            FIRST_RECORDED,
            "--",
            "scenarios"
        ]));
    })?;
    Some(folder)
}

/// Every cell of the scenarios in a folder, with what is intended there. It is what is recorded: a
/// test keeps that, in the first commit as well.
fn cells(folder: &Path) -> BTreeMap<Cell, String> {
    let library = ScenarioLibrary::open(folder).unwrap();
    assert!(library.faults.is_empty(), "{:#?}", library.faults);
    let mut cells = BTreeMap::new();
    for loaded in &library.scenarios {
        for world in loaded.scenario.worlds.keys() {
            for step in loaded.scenario.steps_in(world) {
                let intended = step.intended_verdict(world).unwrap();
                let cell = (loaded.id.clone(), step.id.clone(), world.clone());
                cells.insert(cell, intended.to_string());
            }
        }
    }
    cells
}

/// The words between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The rows of a table below this heading, each as its first two columns.
fn rows<'a>(document: &'a str, heading: &str) -> Vec<(&'a str, &'a str)> {
    let (_, section) = document.split_once(heading).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let row = Regex::new(r"(?m)^\| (`[^|]+) \| ([^|]+) \|").unwrap();
    let rows = row.captures_iter(section);
    rows.map(|row| (row.get(1).unwrap().as_str(), row.get(2).unwrap().as_str()))
        .collect()
}

/// The cells among `cells` that a row names: "the scenario", "world `a`", "step `a`", or "`a` in `b`".
fn named_cells((scenarios, what): (&str, &str), cells: &BTreeMap<Cell, String>) -> BTreeSet<Cell> {
    let scenarios = quoted(scenarios);
    let words = quoted(what);
    let is_named = |(scenario, step, world): &&Cell| {
        scenarios.contains(&scenario.as_str())
            && match what.split('`').next().unwrap().trim() {
                "the scenario" => true,
                "world" => words.contains(&world.as_str()),
                "step" => words.contains(&step.as_str()),
                "" => words[0] == step && words[1..].contains(&world.as_str()),
                other => panic!("`{other}` names no cells"),
            }
    };
    let named: BTreeSet<Cell> = cells.keys().filter(is_named).cloned().collect();
    assert!(!named.is_empty(), "{scenarios:?}, {what}: there is none");
    named
}

#[test]
fn every_verdict_that_changed_is_listed_and_no_other() {
    let Some(first) = first_scenarios() else {
        let told = "every_verdict_that_changed_is_listed_and_no_other: skipped, the history does \
                    not reach back to the first scenarios (`git fetch --unshallow`)";
        writeln!(std::io::stderr(), "{told}").unwrap();
        return;
    };
    let old = cells(&first.path().join("tree/scenarios"));
    let now = cells(&root().join("scenarios"));
    let scenarios: BTreeSet<&str> = old.keys().map(|(scenario, ..)| scenario.as_str()).collect();
    assert_eq!(scenarios.len(), FIRST_COUNT);
    let changed = |cell: &&Cell| now.get(*cell).is_some_and(|verdict| *verdict != old[*cell]);
    let changed: BTreeSet<Cell> = old.keys().filter(changed).cloned().collect();
    let is_gone = |cell: &&Cell| !now.contains_key(*cell);
    let gone: BTreeSet<Cell> = old.keys().filter(is_gone).cloned().collect();
    let document = text("docs/golden-changes.md");
    for (heading, found) in [("## Another verdict\n", changed), ("## Gone\n", gone)] {
        let rows = rows(&document, heading);
        let listed: BTreeSet<Cell> = rows
            .iter()
            .flat_map(|row| named_cells(*row, &old))
            .collect();
        let unlisted: Vec<_> = found.difference(&listed).collect();
        let unfounded: Vec<_> = listed.difference(&found).collect();
        assert!(
            unlisted.is_empty() && unfounded.is_empty(),
            "docs/golden-changes.md, {heading}not listed: {unlisted:#?}\nlisted, and not so: {unfounded:#?}"
        );
    }
    let changes = rows(&document, "## Another verdict\n").len();
    assert!(changes > 5, "{changes} rows were read");
}
