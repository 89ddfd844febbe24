//! `gauntlet prove`: takes out one control at a time. A world that passes without a control shows that the control is
//! not needed, or that no step notices its absence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use model::{CellStatus, Loaded, Mutant, WorldOutcome, mutants};
use native::Cache;
use tokio::task::LocalSet;

use crate::args::{Existing, Prove};
use crate::commands::lint::{self, count};
use crate::commands::run::clusters::{self, Job};
use crate::commands::run::supply::Supply;
use crate::commands::run::{plan, setup};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::progress::seconds;
use crate::{folders, interrupt, ui};

/// Tries the chosen scenarios without each of their controls.
pub(crate) fn run(args: &Prove) -> Result<Exit, Fault> {
    let began = Instant::now();
    let chosen = lint::good(&folders::find(&args.folders)?, &args.choice, None)?;
    let (scenarios, controls): (Vec<Arc<Loaded>>, Vec<(String, Mutant)>) = without(&chosen);
    if controls.is_empty() && args.choice.may_be_empty() {
        ui::say("no control to take out");
        return Ok(Exit::Passed);
    }
    if controls.is_empty() {
        return Err(Fault::new(Exit::Nothing, "no control can be taken out of these scenarios")
            .hint("worlds that are declared ineffective have none"));
    }
    let cache = Cache::from_env()?;
    let plan = plan::of(&scenarios, &Existing::default(), 1)?;
    setup::ready(&cache, &plan.components(), args.setup)?;
    interrupt::watch(&cache);
    let job = Arc::new(Job::new(&cache, &scenarios, None, false, None));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fault::machine("cannot start threads").because(&error))?;
    let ran = LocalSet::new().block_on(&runtime, clusters::run(&job, plan, &Supply::complete(), &Existing::default()));
    job.board.clear();
    let ran = ran?;
    let outcomes = ran.outcomes.into_iter().map(|(id, world, outcome)| ((id, world), outcome)).collect();
    let idle = report(&controls, &outcomes);
    ui::say(&format!(
        "{}, {}: {} matter, {idle} not; {}",
        count(scenarios.len(), "scenario"),
        count(controls.len(), "control"),
        controls.len() - idle,
        seconds(began.elapsed())
    ));
    if let Some(fault) = ran.faults.into_iter().next() {
        return Err(fault);
    }
    Ok(if idle > 0 { Exit::Failed } else { Exit::Passed })
}

/// The scenarios without their controls, and each control with its scenario's id.
fn without(chosen: &[Loaded]) -> (Vec<Arc<Loaded>>, Vec<(String, Mutant)>) {
    let (mut scenarios, mut controls) = (Vec::new(), Vec::new());
    for loaded in chosen {
        let (scenario, each) = mutants(loaded);
        if !each.is_empty() {
            scenarios.push(Arc::new(scenario));
            controls.extend(each.into_iter().map(|one| (loaded.id.clone(), one)));
        }
    }
    (scenarios, controls)
}

/// Says what became of each control; how many do not matter.
fn report(controls: &[(String, Mutant)], outcomes: &BTreeMap<(String, String), WorldOutcome>) -> usize {
    let mut idle = 0;
    for (id, one) in controls {
        let noticed = outcomes.get(&(id.clone(), one.world.clone())).and_then(noticed_by);
        idle += usize::from(noticed.is_none());
        let (word, by) = match noticed {
            Some(by) => ("matters", by),
            None => ("idle", "every step is as intended without it".to_owned()),
        };
        ui::say(&format!("{word:<8} {id} · {} without {}: {by}", one.of, one.without));
    }
    idle
}

/// The first thing that is not as intended, if there is one.
fn noticed_by(outcome: &WorldOutcome) -> Option<String> {
    match outcome {
        WorldOutcome::Tried(cells) => cells
            .iter()
            .find(|(_, cell)| cell.status() != CellStatus::Passed)
            .map(|(step, cell)| format!("{step} is {}", cell.verdict)),
        WorldOutcome::Broken { why } => Some(format!("the world cannot be set up: {why}")),
        WorldOutcome::Skipped { .. } => None,
    }
}
