//! Telling of a scenario as soon as it is done, where all that there is to say is known by then.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use golden::{GoldenStore, OutcomeComparison};
use model::{LoadedScenario, RecordedOutcome};

use super::print_report;
use crate::args::RunArguments;
use crate::fault::CommandFault;
use crate::folders::CommandFolders;
use crate::progress::ProgressBoard;
use crate::report::{GoldenResult, ReportStatus, ScenarioResult, text};

/// Tells of scenarios that met every intent and agree with what was recorded. The rest waits for
/// the report: a second look may change it, and its table belongs beside what is wrong.
pub(crate) struct RunAnnouncer {
    store: GoldenStore,
    width: usize,
    tables: bool,
    /// Whether standard output is taken by a report for programs.
    taken: bool,
    /// The scenarios that were reported, by id.
    told: Mutex<BTreeSet<String>>,
}

impl RunAnnouncer {
    pub(super) fn new(
        found: &CommandFolders,
        args: &RunArguments,
        chosen: &[Arc<LoadedScenario>],
    ) -> Result<Self, CommandFault> {
        let width = chosen
            .iter()
            .map(|loaded| loaded.id.len())
            .max()
            .unwrap_or_default();
        let taken = args.takes_output();
        Ok(Self {
            store: found.open_store()?,
            width,
            tables: args.tables,
            taken,
            told: Mutex::default(),
        })
    }

    /// Tells of a scenario, if there is nothing more to come. Says whether it did.
    pub(crate) fn announce_scenario(
        &self,
        board: &ProgressBoard,
        scenario: &Arc<LoadedScenario>,
        outcome: &RecordedOutcome,
    ) -> bool {
        let mut tried = ScenarioResult {
            scenario: Arc::clone(scenario),
            outcome: outcome.clone(),
            golden: GoldenResult::NotCompared,
        };
        if tried.status() != ReportStatus::Passed {
            return false;
        }
        match self
            .store
            .compare(&tried.outcome, &tried.scenario.scenario.why)
        {
            Ok(OutcomeComparison::Same) => tried.golden = GoldenResult::Same,
            Ok(OutcomeComparison::New | OutcomeComparison::Differs { .. }) | Err(_) => {
                return false;
            }
        }
        board.print_result(|| {
            print_report(
                &text::scenario_line(&tried, self.width, self.tables),
                self.taken,
            )
        });
        if let Ok(mut told) = self.told.lock() {
            told.insert(scenario.id.clone());
        }
        true
    }

    pub(super) fn told_scenarios(&self) -> BTreeSet<String> {
        self.told.lock().map(|ids| ids.clone()).unwrap_or_default()
    }
}
