//! A landing's CI fits into its time, and every one of its steps is accounted for.

use std::collections::BTreeSet;

use regex::Regex;

use crate::text;

/// What a landing may take, in seconds: half an hour.
const MOST: u32 = 1800;

/// The names and seconds of ci/times.tsv.
fn recorded() -> Vec<(String, u32)> {
    let lines = text("ci/times.tsv");
    let rows = lines.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let (name, seconds) = row
            .split_once('\t')
            .unwrap_or_else(|| panic!("no tab in `{row}`"));
        (
            name.to_owned(),
            seconds
                .parse()
                .unwrap_or_else(|error| panic!("`{row}`: {error}")),
        )
    })
    .collect()
}

/// The names of a script's steps, in order.
fn steps(script: &str) -> Vec<String> {
    let step = Regex::new(r"(?m)^\s*step ([a-z-]+) ").unwrap();
    step.captures_iter(&text(script))
        .map(|found| found[1].to_owned())
        .collect()
}

#[test]
fn the_steps_of_a_landing_fit_into_its_budget() {
    let recorded = recorded();
    let budget: Vec<u32> = recorded
        .iter()
        .filter(|(name, _)| name == "budget")
        .map(|(_, seconds)| *seconds)
        .collect();
    assert_eq!(budget, [MOST]);
    let sum: u32 = recorded
        .iter()
        .filter(|(name, _)| name != "budget")
        .map(|(_, seconds)| seconds)
        .sum();
    assert!(
        sum <= MOST,
        "the steps of .ci/run take {sum} s of {MOST} s: what is new has to make room"
    );
}

#[test]
fn every_step_of_a_landing_is_recorded_and_every_recorded_one_is_a_step() {
    let recorded: Vec<String> = recorded()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| name != "budget")
        .collect();
    assert_eq!(steps(".ci/run"), recorded, "ci/times.tsv");
}

#[test]
fn a_landing_runs_what_the_readme_says_and_the_full_run_leaves_nothing_out() {
    let tests = Regex::new(r"(?m)^step tests cargo test --release --workspace$").unwrap();
    let scenarios = "cargo run --release --quiet -- run --setup";
    for script in [".ci/run", "ci/full"] {
        let text = text(script);
        assert!(tests.is_match(&text), "{script}");
        assert!(
            text.contains(scenarios),
            "{script} does not run the scenarios as the README does"
        );
    }
    let calls = Regex::new(r"(?m)^step scenarios scenarios$").unwrap();
    assert!(
        calls.is_match(&text(".ci/run")),
        "the scenarios are no step"
    );
    let (landing, full) = (steps(".ci/run"), steps("ci/full"));
    let missing: BTreeSet<_> = landing.iter().filter(|name| !full.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let narrowed = Regex::new(r"(?m)^step .*--(changed|rotate|shard|built)\b").unwrap();
    assert!(!narrowed.is_match(&text("ci/full")), "ci/full is narrowed");
}

#[test]
fn landings_are_revisions_each_once() {
    let landed = text("ci/landed");
    let lines: Vec<&str> = landed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    let is_revision =
        |line: &&str| line.len() == 40 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(
        !lines.is_empty() && lines.iter().all(is_revision),
        "{lines:?}"
    );
    assert_eq!(
        lines.len(),
        lines.iter().collect::<BTreeSet<_>>().len(),
        "{lines:?}"
    );
}
