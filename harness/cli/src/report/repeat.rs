//! How often each cell gave which verdict, in a run that was repeated.

use std::collections::BTreeMap;

use model::{Verdict, WorldOutcome};
use runner::ScenarioOutcome;
use serde_json::{Value, json};

/// One cell: scenario, step and world.
type CellKey = (String, String, String);

/// The verdicts of every cell, over all repetitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VerdictTally {
    times: usize,
    cells: BTreeMap<CellKey, BTreeMap<String, usize>>,
}

impl VerdictTally {
    /// Counts one repetition.
    pub(crate) fn add_run(&mut self, scenarios: &[ScenarioOutcome]) {
        self.times += 1;
        for one in scenarios {
            for (world, outcome) in &one.outcome.worlds {
                for step in &one.scenario.scenario.steps {
                    if !one.scenario.scenario.takes_step(world, &step.id) {
                        continue;
                    }
                    let key = (one.outcome.id.clone(), step.id.clone(), world.clone());
                    let verdicts = self.cells.entry(key).or_default();
                    *verdicts.entry(verdict_text(outcome, &step.id)).or_default() += 1;
                }
            }
        }
    }

    /// The cells that did not always give the same verdict, each with a count of every one.
    pub(crate) fn text(&self) -> String {
        let differing: Vec<String> = self
            .cells
            .iter()
            .filter(|(_, verdicts)| verdicts.len() > 1)
            .map(|((id, step, world), verdicts)| {
                let counts: Vec<String> = verdicts
                    .iter()
                    .map(|(verdict, number)| format!("{number} × {verdict}"))
                    .collect();
                format!("  {id} · {step} · {world}: {}\n", counts.join(", "))
            })
            .collect();
        let (times, all) = (self.times, self.cells.len());
        if differing.is_empty() {
            return format!("\nrepeated {times} times: each of {all} cells gave one verdict\n");
        }
        format!(
            "\nrepeated {times} times: {} of {all} cells gave several verdicts\n{}",
            differing.len(),
            differing.concat()
        )
    }

    /// Every cell, with a count of each verdict.
    pub(crate) fn json(&self) -> Value {
        let cells = self.cells.iter().map(|((id, step, world), verdicts)| {
            json!({ "id": id, "step": step, "world": world, "verdicts": verdicts })
        });
        json!({ "times": self.times, "cells": cells.collect::<Vec<_>>() })
    }
}

fn verdict_text(outcome: &WorldOutcome, step: &str) -> String {
    match outcome {
        WorldOutcome::Tried(cells) => cells
            .get(step)
            .map_or_else(|| "not reached".into(), |cell| word_of(&cell.verdict)),
        WorldOutcome::Broken { .. } => "broken".into(),
        WorldOutcome::Skipped { .. } => "skipped".into(),
    }
}

/// A verdict, without why it is broken: that may be told in other words each time.
fn word_of(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Broken { .. } => "broken".into(),
        other => other.to_string(),
    }
}

/// Puts a later run into the first one: a cell that gave another verdict says which, and a world
/// that broke is broken.
pub(crate) fn merge_run(first: &mut [ScenarioOutcome], later: &[ScenarioOutcome]) {
    for (one, other) in first.iter_mut().zip(later) {
        for (world, outcome) in &mut one.outcome.worlds {
            match (outcome, other.outcome.worlds.get(world)) {
                (WorldOutcome::Tried(cells), Some(WorldOutcome::Tried(others))) => {
                    for (step, cell) in cells {
                        let Some(again) = others.get(step) else {
                            continue;
                        };
                        let is_new = cell.second.is_none()
                            && word_of(&again.verdict) != word_of(&cell.verdict);
                        if is_new {
                            cell.second = Some(again.verdict.clone());
                        } else if cell.second.is_none() {
                            cell.second.clone_from(&again.second);
                        }
                    }
                }
                (
                    outcome @ (WorldOutcome::Tried(_) | WorldOutcome::Skipped { .. }),
                    Some(broken @ WorldOutcome::Broken { .. }),
                ) => *outcome = broken.clone(),
                (
                    WorldOutcome::Tried(_)
                    | WorldOutcome::Broken { .. }
                    | WorldOutcome::Skipped { .. },
                    _,
                ) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::Answer;

    use super::*;
    use crate::report::tests::tried;
    use crate::report::{ReportStatus, RunReport};

    fn outcome(spoil: impl FnOnce(&mut model::OutcomeCell)) -> Vec<ScenarioOutcome> {
        let tried = tried(spoil);
        vec![ScenarioOutcome {
            scenario: Arc::clone(&tried.scenario),
            outcome: tried.outcome,
        }]
    }

    #[test]
    fn a_cell_that_answers_otherwise_once_is_flaky_and_counted() {
        let mut tally = VerdictTally::default();
        let mut first = outcome(|_| {});
        tally.add_run(&first);
        assert_eq!(
            tally.text(),
            "\nrepeated 1 times: each of 4 cells gave one verdict\n"
        );
        for later in [
            outcome(|_| {}),
            outcome(|cell| cell.verdict = Answer::Admitted.into()),
        ] {
            tally.add_run(&later);
            merge_run(&mut first, &later);
        }
        assert_eq!(
            tally.text(),
            "\nrepeated 3 times: 1 of 4 cells gave several verdicts\n  pod-security/privileged · \
             privileged-pod · enforce: 1 × admitted, 2 × denied by pod-security\n"
        );
        assert_eq!(tally.json()["cells"].as_array().map(Vec::len), Some(4));
        let report = RunReport::from_outcome(runner::RunOutcome {
            scenarios: first,
            ..runner::RunOutcome::default()
        });
        assert_eq!(report.count(ReportStatus::Flaky), 1);
        assert_eq!(report.exit_reason(), crate::exit::ExitReason::Failed);
    }

    #[test]
    fn a_world_that_breaks_once_is_broken() {
        let mut first = outcome(|_| {});
        let mut later = outcome(|_| {});
        let broken = WorldOutcome::Broken { why: "gone".into() };
        later[0]
            .outcome
            .worlds
            .insert("bare".into(), broken.clone());
        merge_run(&mut first, &later);
        merge_run(&mut first, &outcome(|_| {}));
        assert_eq!(first[0].outcome.worlds["bare"], broken);
    }
}
