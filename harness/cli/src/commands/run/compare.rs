//! The detail of what met its intents, against what was recorded.

use golden::{Comparison, Error, Source, Store};
use model::WorldOutcome;

use crate::fault::Fault;
use crate::folders::Found;
use crate::report::{Golden, Report, Status, Tried};

/// Compares every scenario whose cells are all as intended, and writes what differs beside its golden file.
pub(crate) fn all(store: &Store, found: &Found, report: &mut Report) {
    let mut faults: Vec<Fault> = Vec::new();
    for tried in &mut report.scenarios {
        if matches!(tried.status(), Status::Passed) {
            match one(store, found, tried) {
                Ok(golden) => tried.golden = golden,
                Err(error) => faults.push(error.into()),
            }
        }
    }
    report.faults.extend(faults);
}

fn one(store: &Store, found: &Found, tried: &Tried) -> Result<Golden, Error> {
    let outcome = &tried.outcome;
    let golden = match store.compare(outcome)? {
        Comparison::Same => {
            store.drop_pending(&outcome.id)?;
            return Ok(Golden::Same);
        }
        Comparison::New => Golden::New,
        Comparison::Differs { diff } => Golden::Differs(diff),
    };
    if outcome
        .worlds
        .values()
        .all(|world| matches!(world, WorldOutcome::Tried(_)))
    {
        let source = Source {
            command: format!("gauntlet run {}", outcome.id),
            why: tried.scenario.scenario.why.clone(),
            file: found.input_file(&outcome.id),
        };
        store.write_pending(outcome, &source)?;
    }
    Ok(golden)
}
