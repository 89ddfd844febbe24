//! The detail of what met its intents, against what was recorded.

use golden::{Error, GoldenStore, OutcomeComparison, OutcomeSource};
use model::WorldOutcome;
use runner::ScenarioOutcome;

use crate::fault::CommandFault;
use crate::folders::CommandFolders;
use crate::report::{GoldenResult, ReportStatus, RunReport, ScenarioResult};

/// Compares every scenario whose cells are all as intended, and writes what differs beside its
/// golden file.
pub(crate) fn compare_all(store: &GoldenStore, found: &CommandFolders, report: &mut RunReport) {
    let mut faults: Vec<CommandFault> = Vec::new();
    for tried in &mut report.scenarios {
        if matches!(tried.status(), ReportStatus::Passed) {
            match compare_one(store, found, tried) {
                Ok(golden) => tried.golden = golden,
                Err(error) => faults.push(error.into()),
            }
        }
    }
    report.faults.extend(faults);
}

/// Compares what later runs recorded as well: detail that is not always as recorded differs.
pub(crate) fn compare_repetitions(
    store: &GoldenStore,
    later: &[Vec<ScenarioOutcome>],
    report: &mut RunReport,
) {
    let mut faults: Vec<CommandFault> = Vec::new();
    for again in later.iter().flatten() {
        let tried = report
            .scenarios
            .iter_mut()
            .find(|tried| tried.outcome.id == again.outcome.id);
        let Some(tried) = tried.filter(|tried| tried.golden == GoldenResult::Same) else {
            continue;
        };
        match store.compare(&again.outcome, &tried.scenario.scenario.why) {
            Ok(OutcomeComparison::Differs { diff }) => tried.golden = GoldenResult::Differs(diff),
            Ok(OutcomeComparison::Same | OutcomeComparison::New) => {}
            Err(error) => faults.push(error.into()),
        }
    }
    report.faults.extend(faults);
}

fn compare_one(
    store: &GoldenStore,
    found: &CommandFolders,
    tried: &ScenarioResult,
) -> Result<GoldenResult, Error> {
    let outcome = &tried.outcome;
    let golden = match store.compare(outcome, &tried.scenario.scenario.why)? {
        OutcomeComparison::Same => {
            store.drop_pending(&outcome.id)?;
            return Ok(GoldenResult::Same);
        }
        OutcomeComparison::New => GoldenResult::New,
        OutcomeComparison::Differs { diff } => GoldenResult::Differs(diff),
    };
    if outcome
        .worlds
        .values()
        .all(|world| matches!(world, WorldOutcome::Tried(_)))
    {
        let source = OutcomeSource {
            command: format!("gauntlet run {}", outcome.id),
            why: tried.scenario.scenario.why.clone(),
            file: found.input_file(&outcome.id),
        };
        store.write_pending(outcome, &source)?;
    }
    Ok(golden)
}
