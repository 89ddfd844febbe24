//! `gauntlet run`: starts what is needed, tries everything, compares, reports, takes everything
//! down.

mod announcer;
mod compare;
pub(crate) mod display;
mod finished;
mod hold;
mod interrupted;
pub(crate) mod outputs;
mod pause;
mod record;
mod repeat;
pub(crate) mod setup;
mod whole;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cluster::ClusterProvider;
use error_chain::error_chain;
use golden::GoldenStore;
use model::LoadedScenario;
use native::BoxCache;
use runner::{
    ClusterRunner, EvidenceFolder, LiveCluster, RunObserver, RunOptions, RunOutcome, RunPlan,
};
use tokio::runtime::Runtime;

use crate::args::{ExistingCluster, RunArguments};
use crate::commands::lint;
use crate::exit::ExitReason;
use crate::fault::CommandFault;
use crate::folders::{self, CommandFolders};
use crate::report::RunReport;
use crate::{interrupt, report, ui};
use announcer::RunAnnouncer;
use display::RunDisplay;
use interrupted::InterruptedReport;
use record::{RunRecord, RunRecorder};
use repeat::{RepeatedRun, repeat_run};
pub(crate) use whole::try_in_built_boxes;

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
    pause::check_terminal(args)?;
    let cache = BoxCache::from_env()?;
    if chosen.is_empty() {
        return Ok(nothing_to_try(args));
    }
    let evidence = EvidenceFolder::in_cache(&cache);
    let display = RunDisplay::new(&chosen, args.repeat).showing_steps(args.verbose);
    let display = Arc::new(display);
    let record = Arc::<RunRecord>::default();
    let observer: Arc<dyn RunObserver> = Arc::new(RunRecorder {
        record: Arc::clone(&record),
        display: Arc::clone(&display),
        announcer: scenario_announcer(&found, args, &chosen)?,
    });
    let session = RunSession {
        args,
        found: &found,
        chosen: &chosen,
        cache: &cache,
        runner: ClusterRunner::new(
            interrupt::boxes_of_cache(&cache),
            run_options(args, &cache, &display, &evidence),
            observer,
        ),
        runtime: start_runtime()?,
    };
    let interrupted = InterruptedReport {
        args: args.clone(),
        chosen: chosen.clone(),
        record: Arc::clone(&record),
        display: Arc::clone(&display),
        evidence: evidence.path().to_owned(),
        began,
        is_written: Arc::default(),
    };
    let ran = session.try_all(&interrupted);
    display.clear();
    let ran = ran.inspect_err(|_| {
        // On a cluster that stays, a signal ends the run as a fault.
        if record.was_interrupted() {
            interrupted.write();
        }
    })?;
    let (mut report, live) = session.compare_run(ran, &store, &record)?;
    let held = if args.keep {
        live
    } else {
        session.take_down(live, &mut report);
        Vec::new()
    };
    report.leaked.extend(session.runner.find_stray_boxes());
    report.elapsed = began.elapsed();
    interrupted.replace_by(|| outputs::write_reports(args, &mut report, evidence.path()));
    if args.keep {
        hold::until_told(&cache, &held, &report);
        session.take_down(held, &mut report);
    }
    evidence.tidy();
    Ok(report.exit_reason())
}

/// What one command needs while it runs.
struct RunSession<'a> {
    args: &'a RunArguments,
    found: &'a CommandFolders,
    chosen: &'a [Arc<LoadedScenario>],
    cache: &'a BoxCache,
    runner: ClusterRunner,
    runtime: Runtime,
}

impl RunSession<'_> {
    /// Tries everything, as often as it was asked for. A signal takes boxes down, after what is done
    /// was reported.
    fn try_all(&self, interrupted: &InterruptedReport) -> Result<RepeatedRun, CommandFault> {
        let (args, runtime) = (self.args, &self.runtime);
        if args.existing.is_asked_for() {
            return repeat_run(args.repeat, || {
                runtime.block_on(try_on_existing(&self.runner, self.chosen, &args.existing))
            });
        }
        let interrupted = interrupted.clone();
        interrupt::watch_signals_and(self.cache, move || interrupted.write());
        repeat_run(args.repeat, || {
            try_in_boxes(&self.runner, runtime, self.cache, self.chosen, args)
        })
    }

    /// The report on what was tried, compared with what was recorded, and what is still up.
    fn compare_run(
        &self,
        ran: RepeatedRun,
        store: &GoldenStore,
        record: &RunRecord,
    ) -> Result<(RunReport, Vec<LiveCluster>), CommandFault> {
        let RepeatedRun {
            mut ran,
            later,
            tally,
        } = ran;
        let live = std::mem::take(&mut ran.live);
        let mut report = RunReport::from_outcome(ran);
        report.folders = folders::folder_options(&self.args.folders);
        report.nodes = self.args.nodes;
        report.told = record.told_scenarios();
        report.repeated = tally;
        compare::compare_all(store, self.found, &mut report);
        compare::compare_repetitions(store, &later, &mut report);
        if self.args.is_everything() {
            look_for_orphans(self.found, self.chosen, &mut report)?;
        }
        Ok((report, live))
    }

    fn take_down(&self, clusters: Vec<LiveCluster>, report: &mut RunReport) {
        self.runtime.block_on(take_down(clusters, report));
    }
}

/// What reports scenarios while others are tried. What is repeated is reported when all of it is
/// done.
fn scenario_announcer(
    found: &CommandFolders,
    args: &RunArguments,
    chosen: &[Arc<LoadedScenario>],
) -> Result<Option<RunAnnouncer>, CommandFault> {
    match args.repeat {
        1 => RunAnnouncer::new(found, args, chosen).map(Some),
        _ => Ok(None),
    }
}

fn run_options(
    args: &RunArguments,
    cache: &BoxCache,
    display: &Arc<RunDisplay>,
    evidence: &EvidenceFolder,
) -> RunOptions {
    let defaults = RunOptions::default();
    RunOptions {
        keep: args.keep,
        evidence: Some(evidence.path().to_owned()),
        ends_at_failure: false,
        worlds_at_once: args.parallel.map_or(defaults.worlds_at_once, usize::from),
        fail_fast: args.fail_fast,
        pauses: args
            .pause_on_failure
            .then(|| pause::hold_failures(cache, display)),
    }
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
        !self.choice.narrows() && self.shard.is_none()
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
