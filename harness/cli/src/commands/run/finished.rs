//! The worlds of a run that are done, while others are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::EngineEvent;
use model::{LoadedScenario, RecordedOutcome, WorldOutcome};

use crate::report::{GoldenResult, InterruptedRun, RunReport, ScenarioResult, WHY_UNFINISHED};

/// The outcomes of worlds, by scenario and world.
#[derive(Default)]
pub(super) struct FinishedWorlds(BTreeMap<(String, String), WorldOutcome>);

impl FinishedWorlds {
    /// Takes one event in. Of several looks at one world the first that is not as intended counts.
    pub(super) fn note_event(&mut self, event: &EngineEvent) {
        let EngineEvent::WorldDone { id, world, outcome } = event else {
            return;
        };
        let known = self.0.entry((id.clone(), world.clone()));
        let known = known.or_insert_with(|| outcome.clone());
        if known.has_passed() {
            *known = outcome.clone();
        }
    }

    /// The report on scenarios of which at least one world is done.
    pub(super) fn report(&self, chosen: &[Arc<LoadedScenario>]) -> RunReport {
        let scenarios: Vec<ScenarioResult> = chosen
            .iter()
            .filter_map(|loaded| self.result_of(loaded))
            .collect();
        let of = chosen
            .iter()
            .map(|loaded| loaded.scenario.worlds.len())
            .sum();
        RunReport {
            scenarios,
            interrupted: Some(InterruptedRun {
                done: self.0.len(),
                of,
            }),
            ..RunReport::default()
        }
    }

    fn result_of(&self, loaded: &Arc<LoadedScenario>) -> Option<ScenarioResult> {
        let outcome_of = |world: &String| self.0.get(&(loaded.id.clone(), world.clone()));
        let worlds = loaded.scenario.worlds.keys();
        worlds.clone().find_map(outcome_of)?;
        let unfinished = || WorldOutcome::Skipped {
            why: WHY_UNFINISHED.into(),
        };
        let worlds = worlds.map(|world| {
            let outcome = outcome_of(world).cloned().unwrap_or_else(unfinished);
            (world.clone(), outcome)
        });
        Some(ScenarioResult {
            scenario: Arc::clone(loaded),
            outcome: RecordedOutcome {
                id: loaded.id.clone(),
                worlds: worlds.collect(),
            },
            golden: GoldenResult::NotCompared,
        })
    }
}

#[cfg(test)]
mod tests {
    use model::Answer;

    use super::*;
    use crate::exit::ExitReason;
    use crate::report::ReportStatus;
    use crate::report::tests::tried;

    #[test]
    fn what_is_done_is_reported_and_the_rest_is_skipped() {
        let whole = tried(|cell| cell.verdict = Answer::Admitted.into());
        let mut finished = FinishedWorlds::default();
        let chosen = [Arc::clone(&whole.scenario)];
        assert!(finished.report(&chosen).scenarios.is_empty());
        let done = |outcome: &WorldOutcome| EngineEvent::WorldDone {
            id: whole.scenario.id.clone(),
            world: "enforce".into(),
            outcome: outcome.clone(),
        };
        let good = tried(|_| {}).outcome.worlds["enforce"].clone();
        finished.note_event(&done(&good));
        finished.note_event(&done(&whole.outcome.worlds["enforce"]));
        finished.note_event(&done(&good));
        let report = finished.report(&chosen);
        assert_eq!(report.exit_reason(), ExitReason::Interrupted);
        assert_eq!(
            report.count(ReportStatus::Failed),
            1,
            "the first failure counts"
        );
        assert_eq!(
            report.count(ReportStatus::Skipped),
            2,
            "those of the other world"
        );
        assert_eq!(report.interrupted, Some(InterruptedRun { done: 1, of: 2 }));
    }
}
