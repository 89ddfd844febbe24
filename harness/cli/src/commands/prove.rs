//! `gauntlet prove`: takes out one control at a time. A world that passes without a control shows that the control is
//! not needed, or that no step notices its absence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use cluster::Provider;
use model::{CellStatus, Loaded, Mutant, WorldOutcome, mutants};
use native::Cache;
use runner::{ComponentSupply, Plan, RunObserver, RunOptions, RunOutcome, Runner};

use crate::args::Prove;
use crate::commands::lint::{self, count};
use crate::commands::run::display::RunDisplay;
use crate::commands::run::{setup, start_runtime};
use crate::exit::Exit;
use crate::fault::Fault;
use crate::progress::seconds;
use crate::{folders, interrupt, ui};

/// Tries the chosen scenarios without each of their controls.
pub(crate) fn run(args: &Prove) -> Result<Exit, Fault> {
    let began = Instant::now();
    let chosen = lint::good(&folders::find(&args.folders)?, &args.choice, None)?;
    let (scenarios, controls): (Vec<Arc<Loaded>>, Vec<(String, Mutant)>) =
        without(&chosen, !args.whole_passed);
    if controls.is_empty() && args.choice.may_be_empty() {
        ui::say("no control to take out");
        return Ok(Exit::Passed);
    }
    if controls.is_empty() {
        return Err(Fault::new(
            Exit::Nothing,
            "no control can be taken out of these scenarios",
        )
        .hint("worlds that are declared ineffective have none"));
    }
    let cache = Cache::from_env()?;
    interrupt::watch(&cache);
    let plan = Plan::new(&scenarios, Provider::Box, 1)?;
    setup::ready(&cache, &plan.components(), args.setup)?;
    let display = Arc::new(RunDisplay::new(&scenarios, None));
    let observer: Arc<dyn RunObserver> = Arc::<RunDisplay>::clone(&display);
    let runner = Runner::new(interrupt::boxes(&cache), RunOptions::default(), observer);
    let ran = start_runtime()?.block_on(runner.run_in_boxes(plan, &ComponentSupply::complete()));
    display.clear();
    let Tally {
        matter,
        idle,
        undecided,
    } = report(&controls, &by_world(&ran), !args.whole_passed);
    ui::say(&format!(
        "{}, {}: {matter} matter, {idle} idle, {undecided} undecided; {}",
        count(scenarios.len(), "scenario"),
        count(controls.len(), "control"),
        seconds(began.elapsed())
    ));
    if let Some(error) = ran.errors.into_iter().next() {
        return Err(error.into());
    }
    if !ran.leaks.is_empty() {
        return Err(Fault::new(
            Exit::Leaked,
            format!(
                "worlds left something behind:\n  {}",
                ran.leaks.join("\n  ")
            ),
        ));
    }
    Ok(match (idle, undecided) {
        (0, 0) => Exit::Passed,
        (0, _) => Exit::Broken,
        _ => Exit::Failed,
    })
}

/// The outcome of each world, by its scenario's id and its name.
fn by_world(ran: &RunOutcome) -> BTreeMap<(String, String), WorldOutcome> {
    let worlds = ran.scenarios.iter().flat_map(|one| {
        one.outcome
            .worlds
            .iter()
            .map(|world| (&one.outcome.id, world))
    });
    worlds
        .map(|(id, (world, outcome))| ((id.clone(), world.clone()), outcome.clone()))
        .collect()
}

/// The scenarios without their controls, with `whole` their worlds with them as well, and each control with its scenario's id.
fn without(chosen: &[Loaded], whole: bool) -> (Vec<Arc<Loaded>>, Vec<(String, Mutant)>) {
    let (mut scenarios, mut controls) = (Vec::new(), Vec::new());
    for loaded in chosen {
        let (scenario, each) = mutants(loaded, whole);
        if !each.is_empty() {
            scenarios.push(Arc::new(scenario));
            controls.extend(each.into_iter().map(|one| (loaded.id.clone(), one)));
        }
    }
    (scenarios, controls)
}

/// What became of the controls, counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    matter: usize,
    idle: usize,
    undecided: usize,
}

/// What a world without one control shows of it.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    /// A step was answered otherwise.
    Matters(String),
    /// Every step was answered as with the control.
    Idle,
    /// The world could not be tried without it, so nothing is shown.
    Undecided(String),
}

/// Says what became of each control.
fn report(
    controls: &[(String, Mutant)],
    outcomes: &BTreeMap<(String, String), WorldOutcome>,
    whole: bool,
) -> Tally {
    let mut tally = Tally::default();
    for (id, one) in controls {
        let outcome = |world: &String| outcomes.get(&(id.clone(), world.clone()));
        let without = if whole {
            passes(outcome(&one.of))
        } else {
            Ok(())
        };
        let without =
            without.map_or_else(Shown::Undecided, |()| shown(outcome(&one.world), &one.back));
        let (count, word, by) = match without {
            Shown::Matters(by) => (&mut tally.matter, "matters", by),
            Shown::Idle => (
                &mut tally.idle,
                "idle",
                "every step is as intended without it".to_owned(),
            ),
            Shown::Undecided(why) => (&mut tally.undecided, "undecided", why),
        };
        *count += 1;
        ui::say(&format!(
            "{word:<9} {id} · {} without {}: {by}",
            one.of, one.without
        ));
    }
    tally
}

/// Whether the world with its control is as intended: what is otherwise without it is only then on account of the control.
fn passes(whole: Option<&WorldOutcome>) -> Result<(), String> {
    match shown(whole, &[]) {
        Shown::Idle => Ok(()),
        Shown::Matters(seen) | Shown::Undecided(seen) => {
            Err(format!("the world fails with it, too: {seen}"))
        }
    }
}

/// What the first step shows that is not as intended: where that one has no answer, later ones may only follow from it.
fn shown(outcome: Option<&WorldOutcome>, back: &[String]) -> Shown {
    match outcome {
        Some(WorldOutcome::Tried(cells)) => {
            for (step, cell) in cells {
                let seen = format!("{step} is {}", cell.verdict);
                match cell.status() {
                    CellStatus::Passed => {}
                    CellStatus::Failed if back.contains(step) => return Shown::Undecided(seen),
                    CellStatus::Failed => return Shown::Matters(seen),
                    CellStatus::Flaky | CellStatus::Broken => return Shown::Undecided(seen),
                }
            }
            Shown::Idle
        }
        Some(WorldOutcome::Broken { why }) => {
            Shown::Undecided(format!("the world cannot be set up: {why}"))
        }
        Some(WorldOutcome::Skipped { why }) => Shown::Undecided(format!("skipped: {why}")),
        None => Shown::Undecided("it was never tried".into()),
    }
}

#[cfg(test)]
mod tests {
    use model::{Answer, Cell, Detail, Verdict};

    use super::*;

    fn tried(verdicts: &[Verdict]) -> WorldOutcome {
        let cell = |verdict: &Verdict| Cell {
            intended: Answer::Admitted,
            verdict: verdict.clone(),
            second: None,
            detail: Detail::default(),
            millis: 0.0,
        };
        let cells = verdicts
            .iter()
            .enumerate()
            .map(|(at, verdict)| (format!("step-{at}"), cell(verdict)));
        WorldOutcome::Tried(cells.collect())
    }

    /// A world that breaks shows nothing of the control that was taken out of it, whatever comes later.
    #[test]
    fn only_an_answer_shows_that_a_control_matters() {
        let admitted = Verdict::Answered(Answer::Admitted);
        let other = Verdict::Answered(Answer::Running);
        let broken = Verdict::broken("waited in vain");
        let word = |verdicts: &[Verdict]| match shown(Some(&tried(verdicts)), &[]) {
            Shown::Matters(_) => "matters",
            Shown::Idle => "idle",
            Shown::Undecided(_) => "undecided",
        };
        assert_eq!(
            word(&[admitted.clone(), other.clone(), broken.clone()]),
            "matters"
        );
        assert_eq!(word(&[admitted.clone(), broken, other]), "undecided");
        assert_eq!(word(&[admitted]), "idle");
        for untried in [
            WorldOutcome::Broken { why: "x".into() },
            WorldOutcome::Skipped { why: "x".into() },
        ] {
            assert!(matches!(shown(Some(&untried), &[]), Shown::Undecided(_)));
        }
        assert!(matches!(shown(None, &[]), Shown::Undecided(_)));
        let differs = [Verdict::Answered(Answer::Running)];
        assert!(matches!(
            shown(Some(&tried(&differs)), &["step-0".into()]),
            Shown::Undecided(_)
        ));
        assert_eq!(
            passes(Some(&tried(&[Verdict::Answered(Answer::Admitted)]))),
            Ok(())
        );
        assert!(passes(Some(&tried(&[Verdict::Answered(Answer::Running)]))).is_err());
        assert!(passes(None).is_err());
    }
}
