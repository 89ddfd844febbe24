//! Telling of a scenario as soon as it is done, where all that there is to say is known by then.

use std::sync::Arc;

use golden::{GoldenStore, OutcomeComparison};
use model::{LoadedScenario, RecordedOutcome};

use super::print_report;
use crate::args::RunArguments;
use crate::fault::CommandFault;
use crate::folders::CommandFolders;
use crate::report::{GoldenResult, ReportStatus, ScenarioResult, text};

/// Tells of scenarios that met every intent and agree with what was recorded. The rest waits for
/// the report: a second look may change it, and its table belongs beside what is wrong.
pub(crate) struct RunAnnouncer {
    store: GoldenStore,
    width: usize,
    tables: bool,
    /// Whether standard output is taken by a report for programs.
    taken: bool,
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
        })
    }

    /// What came of a scenario, if there is nothing more to come.
    pub(super) fn settled_result(
        &self,
        scenario: &Arc<LoadedScenario>,
        outcome: &RecordedOutcome,
    ) -> Option<ScenarioResult> {
        let mut tried = ScenarioResult {
            scenario: Arc::clone(scenario),
            outcome: outcome.clone(),
            golden: GoldenResult::NotCompared,
        };
        if tried.status() != ReportStatus::Passed {
            return None;
        }
        match self.store.compare(outcome, &scenario.scenario.why) {
            Ok(OutcomeComparison::Same) => tried.golden = GoldenResult::Same,
            Ok(OutcomeComparison::New | OutcomeComparison::Differs { .. }) | Err(_) => return None,
        }
        Some(tried)
    }

    /// Prints the scenario's line of the report.
    pub(super) fn print_scenario(&self, tried: &ScenarioResult) {
        let line = text::scenario_line(tried, self.width, self.tables);
        print_report(&line, self.taken);
    }
}
