//! `gauntlet run`: starts what is needed, tries everything, compares, reports, takes everything
//! down.

mod announcer;
mod compare;
pub(crate) mod display;
mod hold;
mod outputs;
pub(crate) mod setup;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cluster::ClusterProvider;
use error_chain::error_chain;
use model::LoadedScenario;
use native::BoxCache;
use runner::{
    ClusterRunner, EvidenceFolder, LiveCluster, RunObserver, RunOptions, RunOutcome, RunPlan,
};
use tokio::runtime::Runtime;

use crate::args::{ExistingCluster, RunArguments, ScenarioChoice, ScenarioFilter};
use crate::commands::lint;
use crate::exit::ExitReason;
use crate::fault::CommandFault;
use crate::folders::{self, CommandFolders};
use crate::report::RunReport;
use crate::{interrupt, report, ui};
use announcer::RunAnnouncer;
use display::RunDisplay;

/// Runs the chosen scenarios.
pub(crate) fn run_scenarios(args: &RunArguments) -> Result<ExitReason, CommandFault> {
    let began = Instant::now();
    let found = folders::find_folders(&args.folders)?;
    let chosen: Vec<Arc<LoadedScenario>> =
        lint::readable_scenarios(&found, &args.choice, args.shard)?
            .into_iter()
            .map(Arc::new)
            .collect();
    let store = found.open_store()?;
    outputs::check_writable(args)?;
    let cache = BoxCache::from_env()?;
    if chosen.is_empty() {
        return Ok(nothing_to_try(args));
    }
    let evidence = EvidenceFolder::in_cache(&cache);
    let display = Arc::new(RunDisplay::new(
        &chosen,
        Some(RunAnnouncer::new(&found, args, &chosen)?),
    ));
    let observer: Arc<dyn RunObserver> = Arc::<RunDisplay>::clone(&display);
    let options = RunOptions {
        keep: args.keep,
        evidence: Some(evidence.path().to_owned()),
        ..RunOptions::default()
    };
    let runner = ClusterRunner::new(interrupt::boxes_of_cache(&cache), options, observer);
    let runtime = start_runtime()?;
    let ran = if args.existing.is_asked_for() {
        runtime.block_on(try_on_existing(&runner, &chosen, &args.existing))
    } else {
        try_in_boxes(&runner, &runtime, &cache, &chosen, args)
    };
    display.clear();
    let mut ran = ran?;
    let live = std::mem::take(&mut ran.live);
    let mut report = RunReport::from_outcome(ran);
    report.folders = folders::folder_options(&args.folders);
    report.nodes = args.nodes;
    report.told = display.told_scenarios();
    compare::compare_all(&store, &found, &mut report);
    if args.is_everything() {
        look_for_orphans(&found, &chosen, &mut report)?;
    }
    let held = if args.keep {
        live
    } else {
        runtime.block_on(take_down(live, &mut report));
        Vec::new()
    };
    report.leaked.extend(runner.find_stray_boxes());
    report.elapsed = began.elapsed();
    outputs::write_reports(args, &mut report, evidence.path());
    if args.keep {
        hold::until_told(&cache, &held, &report);
        runtime.block_on(take_down(held, &mut report));
    }
    evidence.tidy();
    Ok(report.exit_reason())
}

/// What tries worlds and speaks with clusters.
pub(crate) fn start_runtime() -> Result<Runtime, CommandFault> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| CommandFault::machine("cannot start threads").because_of(&error))
}

fn try_in_boxes(
    runner: &ClusterRunner,
    runtime: &Runtime,
    cache: &BoxCache,
    chosen: &[Arc<LoadedScenario>],
    args: &RunArguments,
) -> Result<RunOutcome, CommandFault> {
    interrupt::watch_signals(cache);
    let plan = RunPlan::new(chosen, ClusterProvider::Box, args.nodes.unwrap_or(1))?;
    let missing = setup::missing_components(cache, &plan.components(), args.setup)?;
    let plan = plan.next_stage(&missing)?;
    let missing = plan
        .components()
        .into_iter()
        .filter(|component| !cache.is_built(component))
        .collect();
    let supply = runner.build_components(missing);
    Ok(runtime.block_on(runner.run_in_boxes(plan, &supply)))
}

async fn try_on_existing(
    runner: &ClusterRunner,
    chosen: &[Arc<LoadedScenario>],
    existing: &ExistingCluster,
) -> Result<RunOutcome, CommandFault> {
    let signal = interrupt::next_signal();
    let context = existing
        .context
        .as_deref()
        .or(existing.disposable.as_deref());
    let disposable = existing
        .disposable
        .as_deref()
        .is_some_and(|name| Some(name) == context);
    let cluster = LiveCluster::attach(existing.kubeconfig.as_deref(), context, disposable).await?;
    let plan = RunPlan::new(chosen, ClusterProvider::Existing(cluster.facts()), 1)?;
    Ok(runner.run_on_cluster(plan, cluster, signal).await?)
}

/// Takes down what is still up.
async fn take_down(clusters: Vec<LiveCluster>, report: &mut RunReport) {
    for cluster in clusters {
        if let Err(error) = cluster.take_down().await {
            report.leaked.push(error_chain(&error));
        }
    }
}

/// Nothing is touched, and it is nothing's turn: the answer to a question that was well asked, and
/// no fault.
fn nothing_to_try(args: &RunArguments) -> ExitReason {
    let mut report = RunReport {
        may_be_empty: args.choice.may_be_empty(),
        ..RunReport::default()
    };
    outputs::write_reports(args, &mut report, Path::new(""));
    report.exit_reason()
}

impl RunArguments {
    /// Whether a report for programs goes to standard output.
    fn takes_output(&self) -> bool {
        [&self.junit, &self.json]
            .into_iter()
            .flatten()
            .any(|path| path.as_os_str() == "-")
    }

    /// Whether nothing narrows the run.
    fn is_everything(&self) -> bool {
        let ScenarioChoice {
            filter: ScenarioFilter { ids, area },
            changed,
            rotate,
            built,
        } = &self.choice;
        let all = ids.is_empty() && area.is_empty() && self.shard.is_none();
        all && changed.is_none() && rotate.is_none() && !built
    }
}

fn look_for_orphans(
    found: &CommandFolders,
    chosen: &[Arc<LoadedScenario>],
    report: &mut RunReport,
) -> Result<(), CommandFault> {
    let ids: Vec<&str> = chosen.iter().map(|loaded| loaded.id.as_str()).collect();
    report.orphans = found.open_store()?.orphans(&ids)?;
    Ok(())
}

/// Prints a text where the report goes: to standard output, unless a report for programs goes
/// there.
fn print_report(text: &str, taken: bool) {
    if taken {
        ui::print_note(text)
    } else {
        ui::print_result(text)
    }
}

/// The report for people.
fn report_text(report: &RunReport, evidence: &Path, tables: bool) -> String {
    report::text::report_text(report, evidence, tables)
}
