//! `gauntlet compare`: the same scenarios on two releases, side by side in one run.

use std::sync::Arc;

use ::components::kubernetes_component;
use cluster::ClusterProvider;
use model::{ComparedRelease, ComparedWorld, LoadedScenario, ReleasePair};
use native::BoxCache;
use runner::{ClusterRunner, ComponentSupply, RunObserver, RunOptions, RunPlan};

use crate::args::CompareArguments;
use crate::commands::lint;
use crate::commands::run::display::RunDisplay;
use crate::commands::run::{outputs, setup, start_runtime};
use crate::exit::ExitReason;
use crate::fault::CommandFault;
use crate::report::releases::ReleaseReport;
use crate::{folders, interrupt, ui};

/// Tries the chosen scenarios on both releases, and says what the second answers differently.
pub(crate) fn run_compare(args: &CompareArguments) -> Result<ExitReason, CommandFault> {
    let pair = ReleasePair::new(args.old.clone(), args.new.clone())
        .map_err(|error| CommandFault::usage(error.to_string()))?;
    for release in [pair.old(), pair.new_release()] {
        check_pinned(release)?;
    }
    if let Some(path) = &args.json {
        outputs::check_file(path)?;
    }
    let chosen =
        lint::readable_scenarios(&folders::find_folders(&args.folders)?, &args.choice, None)?;
    let doubled = double_all(&pair, &chosen);
    if doubled.is_empty() {
        return nothing_concerned(args, &pair);
    }
    let scenarios: Vec<Arc<LoadedScenario>> = doubled
        .iter()
        .map(|(loaded, _)| Arc::clone(loaded))
        .collect();
    let cache = BoxCache::from_env()?;
    interrupt::watch_signals(&cache);
    let plan = RunPlan::new(&scenarios, ClusterProvider::Box, 1)?;
    setup::ensure_ready(&cache, &plan.components(), args.setup)?;
    let display = Arc::new(RunDisplay::new(&scenarios, None, 1));
    let observer: Arc<dyn RunObserver> = Arc::<RunDisplay>::clone(&display);
    let boxes = interrupt::boxes_of_cache(&cache);
    let runner = ClusterRunner::new(boxes, RunOptions::default(), observer);
    let ran = start_runtime()?.block_on(runner.run_in_boxes(plan, &ComponentSupply::all_built()));
    display.clear();
    let mut report = ReleaseReport::new(&pair);
    for (tried, (_, worlds)) in ran.scenarios.iter().zip(&doubled) {
        report.add_scenario(&tried.outcome, worlds);
    }
    report.leaks = ran.leaks;
    report.leaks.extend(runner.find_stray_boxes());
    show_report(args, &report)?;
    if let Some(error) = ran.errors.into_iter().next() {
        return Err(error.into());
    }
    Ok(if args.gate {
        report.gate()
    } else {
        report.exit_reason()
    })
}

/// Whether there is such a release; those of addons are known by their table.
fn check_pinned(release: &ComparedRelease) -> Result<(), CommandFault> {
    match release {
        ComparedRelease::Kubernetes(release) => kubernetes_component(release)
            .map(drop)
            .map_err(|error| CommandFault::usage(error.to_string())),
        ComparedRelease::Addon(_) => Ok(()),
    }
}

/// The scenarios that the releases concern, with each of their worlds twice.
fn double_all(
    pair: &ReleasePair,
    chosen: &[LoadedScenario],
) -> Vec<(Arc<LoadedScenario>, Vec<ComparedWorld>)> {
    let doubled = chosen.iter().map(|loaded| pair.double_worlds(loaded));
    doubled
        .filter(|(_, worlds)| !worlds.is_empty())
        .map(|(loaded, worlds)| (Arc::new(loaded), worlds))
        .collect()
}

/// Where scenarios were chosen by what changed, none is an answer; otherwise it is a fault.
fn nothing_concerned(
    args: &CompareArguments,
    pair: &ReleasePair,
) -> Result<ExitReason, CommandFault> {
    if args.choice.may_be_empty() {
        show_report(args, &ReleaseReport::new(pair))?;
        return Ok(ExitReason::Passed);
    }
    let fault = format!(
        "{} and {} concern none of these scenarios",
        pair.old(),
        pair.new_release()
    );
    Err(CommandFault::new(ExitReason::Nothing, fault).hint(
        "an addon concerns worlds that install it, Kubernetes those that ask for no release themselves",
    ))
}

fn show_report(args: &CompareArguments, report: &ReleaseReport) -> Result<(), CommandFault> {
    let takes_output = args
        .json
        .as_ref()
        .is_some_and(|path| path.as_os_str() == "-");
    if takes_output {
        ui::print_note(&report.text());
    } else {
        ui::print_result(report.text().trim_start_matches('\n').trim_end());
    }
    match &args.json {
        Some(path) => outputs::write_text(path, &format!("{:#}\n", report.json())),
        None => Ok(()),
    }
}
