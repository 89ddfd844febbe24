//! `gauntlet prove`: takes out one control at a time. A world that passes without a control shows
//! that the control is not needed, or that no step notices its absence.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use model::{CellStatus, ControlMutant, LoadedScenario, WorldOutcome, scenario_mutants};
use runner::{RunOptions, RunOutcome};

use crate::args::ProveArguments;
use crate::commands::lint::{self, count_scenarios};
use crate::commands::run::try_in_built_boxes;
use crate::exit::ExitReason;
use crate::fault::CommandFault;
use crate::progress::format_seconds;
use crate::{folders, ui};

/// Tries the chosen scenarios without each of their controls.
pub(crate) fn run_prove(args: &ProveArguments) -> Result<ExitReason, CommandFault> {
    let began = Instant::now();
    let chosen =
        lint::readable_scenarios(&folders::find_folders(&args.folders)?, &args.choice, None)?;
    let (scenarios, controls): (Vec<Arc<LoadedScenario>>, Vec<(String, ControlMutant)>) =
        without_controls(&chosen, !args.whole_passed);
    if controls.is_empty() && args.choice.may_be_empty() {
        ui::print_result("no control to take out");
        return Ok(ExitReason::Passed);
    }
    if controls.is_empty() {
        return Err(CommandFault::new(
            ExitReason::Nothing,
            "no control can be taken out of these scenarios",
        )
        .hint("worlds that are declared ineffective, or not to help, have none"));
    }
    let options = RunOptions {
        ends_at_failure: true,
        ..RunOptions::default()
    };
    let ran = try_in_built_boxes(&scenarios, args.setup, options)?;
    let ControlTally {
        matter,
        idle,
        undecided,
    } = report_controls(&controls, &by_world(&ran), !args.whole_passed);
    ui::print_result(&format!(
        "{}, {}: {matter} matter, {idle} idle, {undecided} undecided; {}",
        count_scenarios(scenarios.len(), "scenario"),
        count_scenarios(controls.len(), "control"),
        format_seconds(began.elapsed())
    ));
    if let Some(error) = ran.errors.into_iter().next() {
        return Err(error.into());
    }
    if !ran.leaks.is_empty() {
        return Err(CommandFault::new(
            ExitReason::Leaked,
            format!(
                "worlds left something behind:\n  {}",
                ran.leaks.join("\n  ")
            ),
        ));
    }
    Ok(match (idle, undecided) {
        (0, 0) => ExitReason::Passed,
        (0, _) => ExitReason::Broken,
        _ => ExitReason::Failed,
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

/// The scenarios without their controls, with `whole` their worlds with them as well, and each
/// control with its scenario's id.
fn without_controls(
    chosen: &[LoadedScenario],
    whole: bool,
) -> (Vec<Arc<LoadedScenario>>, Vec<(String, ControlMutant)>) {
    let (mut scenarios, mut controls) = (Vec::new(), Vec::new());
    for loaded in chosen {
        let (scenario, each) = scenario_mutants(loaded, whole);
        if !each.is_empty() {
            scenarios.push(Arc::new(scenario));
            controls.extend(each.into_iter().map(|one| (loaded.id.clone(), one)));
        }
    }
    (scenarios, controls)
}

/// What became of the controls, counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct ControlTally {
    matter: usize,
    idle: usize,
    undecided: usize,
}

/// What a world without one control shows of it.
#[derive(Debug, PartialEq, Eq)]
enum ShownEffect {
    /// A step was answered otherwise.
    Matters(String),
    /// Every step was answered as with the control.
    Idle,
    /// The world could not be tried without it, so nothing is shown.
    Undecided(String),
}

/// Says what became of each control.
fn report_controls(
    controls: &[(String, ControlMutant)],
    outcomes: &BTreeMap<(String, String), WorldOutcome>,
    whole: bool,
) -> ControlTally {
    let mut tally = ControlTally::default();
    for (id, one) in controls {
        let outcome = |world: &String| outcomes.get(&(id.clone(), world.clone()));
        let fault_with = if whole {
            fault_with_control(outcome(&one.of))
        } else {
            None
        };
        let without = fault_with.map_or_else(
            || shown_effect(outcome(&one.world), &one.back),
            ShownEffect::Undecided,
        );
        let (count, word, by) = match without {
            ShownEffect::Matters(by) => (&mut tally.matter, "matters", by),
            ShownEffect::Idle => (
                &mut tally.idle,
                "idle",
                "every step is as intended without it".to_owned(),
            ),
            ShownEffect::Undecided(why) => (&mut tally.undecided, "undecided", why),
        };
        *count += 1;
        ui::print_result(&format!(
            "{word:<9} {id} · {} without {}: {by}",
            one.of, one.without
        ));
    }
    tally
}

/// What is not as intended in the world with its control: what is otherwise without it is only on
/// account of the control where nothing is.
fn fault_with_control(whole: Option<&WorldOutcome>) -> Option<String> {
    match shown_effect(whole, &[]) {
        ShownEffect::Idle => None,
        ShownEffect::Matters(seen) | ShownEffect::Undecided(seen) => {
            Some(format!("the world fails with it, too: {seen}"))
        }
    }
}

/// What the first step shows that is not as intended: where that one has no answer, later ones may
/// only follow from it.
fn shown_effect(outcome: Option<&WorldOutcome>, back: &[String]) -> ShownEffect {
    match outcome {
        Some(WorldOutcome::Tried(cells)) => {
            for (step, cell) in cells {
                let seen = format!("{step} is {}", cell.verdict);
                match cell.status() {
                    CellStatus::Passed => {}
                    CellStatus::Failed if back.contains(step) => {
                        return ShownEffect::Undecided(seen);
                    }
                    CellStatus::Failed => return ShownEffect::Matters(seen),
                    CellStatus::Flaky | CellStatus::Broken => return ShownEffect::Undecided(seen),
                }
            }
            ShownEffect::Idle
        }
        Some(WorldOutcome::Broken { why }) => {
            ShownEffect::Undecided(format!("the world cannot be set up: {why}"))
        }
        Some(WorldOutcome::Skipped { why }) => ShownEffect::Undecided(format!("skipped: {why}")),
        None => ShownEffect::Undecided("it was never tried".into()),
    }
}

#[cfg(test)]
mod tests {
    use model::{Answer, AnswerDetail, OutcomeCell, Verdict};

    use super::*;

    fn tried(verdicts: &[Verdict]) -> WorldOutcome {
        let cell = |verdict: &Verdict| OutcomeCell {
            intended: Answer::Admitted,
            verdict: verdict.clone(),
            second: None,
            detail: AnswerDetail::default(),
            millis: 0.0,
        };
        let cells = verdicts
            .iter()
            .enumerate()
            .map(|(at, verdict)| (format!("step-{at}"), cell(verdict)));
        WorldOutcome::Tried(cells.collect())
    }

    /// A world that breaks shows nothing of the control that was taken out of it, whatever comes
    /// later.
    #[test]
    fn only_an_answer_shows_that_a_control_matters() {
        let admitted = Verdict::Answered(Answer::Admitted);
        let other = Verdict::Answered(Answer::Running);
        let broken = Verdict::broken("waited in vain");
        let word = |verdicts: &[Verdict]| match shown_effect(Some(&tried(verdicts)), &[]) {
            ShownEffect::Matters(_) => "matters",
            ShownEffect::Idle => "idle",
            ShownEffect::Undecided(_) => "undecided",
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
            assert!(matches!(
                shown_effect(Some(&untried), &[]),
                ShownEffect::Undecided(_)
            ));
        }
        assert!(matches!(shown_effect(None, &[]), ShownEffect::Undecided(_)));
        let differs = [Verdict::Answered(Answer::Running)];
        assert!(matches!(
            shown_effect(Some(&tried(&differs)), &["step-0".into()]),
            ShownEffect::Undecided(_)
        ));
        assert_eq!(
            fault_with_control(Some(&tried(&[Verdict::Answered(Answer::Admitted)]))),
            None
        );
        assert!(fault_with_control(Some(&tried(&[Verdict::Answered(Answer::Running)]))).is_some());
        assert!(fault_with_control(None).is_some());
    }
}
