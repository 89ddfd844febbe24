//! `gauntlet run`: starts what is needed, tries everything, compares, reports, takes everything down.

mod announcer;
mod compare;
pub(crate) mod display;
mod hold;
mod outputs;
pub(crate) mod setup;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cluster::Provider;
use model::Loaded;
use native::Cache;
use runner::{EvidenceFolder, LiveCluster, Plan, RunObserver, RunOptions, RunOutcome, Runner};
use tokio::runtime::Runtime;

use crate::args::{Choice, Existing, Filter, Run};
use crate::commands::lint;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::folders::{self, Found};
use crate::report::Report;
use crate::{interrupt, report, ui};
use announcer::Announcer;
use display::RunDisplay;

/// Runs the chosen scenarios.
pub(crate) fn run(args: &Run) -> Result<Exit, Fault> {
    let began = Instant::now();
    let found = folders::find(&args.folders)?;
    let chosen: Vec<Arc<Loaded>> = lint::good(&found, &args.choice, args.shard)?
        .into_iter()
        .map(Arc::new)
        .collect();
    let store = found.store()?;
    outputs::check(args)?;
    let cache = Cache::from_env()?;
    if chosen.is_empty() {
        return Ok(nothing_to_try(args));
    }
    let evidence = EvidenceFolder::in_cache(&cache);
    let display = Arc::new(RunDisplay::new(
        &chosen,
        Some(Announcer::new(&found, args, &chosen)?),
    ));
    let observer: Arc<dyn RunObserver> = Arc::<RunDisplay>::clone(&display);
    let options = RunOptions {
        keep: args.keep,
        evidence: Some(evidence.path().to_owned()),
        ..RunOptions::default()
    };
    let runner = Runner::new(interrupt::boxes(&cache), options, observer);
    let runtime = start_runtime()?;
    let ran = if args.existing.is_asked_for() {
        runtime.block_on(try_on_existing(&runner, &chosen, &args.existing))
    } else {
        try_in_boxes(&runner, &runtime, &cache, &chosen, args)
    };
    display.clear();
    let mut ran = ran?;
    let live = std::mem::take(&mut ran.live);
    let mut report = Report::of(ran);
    report.folders = folders::options(&args.folders);
    report.nodes = args.nodes;
    report.told = display.told();
    compare::all(&store, &found, &mut report);
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
    outputs::write(args, &mut report, evidence.path());
    if args.keep {
        hold::until_told(&cache, &held, &report);
        runtime.block_on(take_down(held, &mut report));
    }
    evidence.tidy();
    Ok(report.exit())
}

/// What tries worlds and speaks with clusters.
pub(crate) fn start_runtime() -> Result<Runtime, Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| Fault::machine("cannot start threads").because(&error))
}

fn try_in_boxes(
    runner: &Runner,
    runtime: &Runtime,
    cache: &Cache,
    chosen: &[Arc<Loaded>],
    args: &Run,
) -> Result<RunOutcome, Fault> {
    interrupt::watch(cache);
    let plan = Plan::new(chosen, Provider::Box, args.nodes.unwrap_or(1))?;
    let missing = setup::missing(cache, &plan.components(), args.setup)?;
    let plan = plan.stage(&missing)?;
    let missing = plan
        .components()
        .into_iter()
        .filter(|component| !cache.built(component))
        .collect();
    let supply = runner.build(missing);
    Ok(runtime.block_on(runner.run_in_boxes(plan, &supply)))
}

async fn try_on_existing(
    runner: &Runner,
    chosen: &[Arc<Loaded>],
    existing: &Existing,
) -> Result<RunOutcome, Fault> {
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
    let plan = Plan::new(chosen, Provider::Existing(cluster.facts()), 1)?;
    Ok(runner.run_on_cluster(plan, cluster, signal).await?)
}

/// Takes down what is still up.
async fn take_down(clusters: Vec<LiveCluster>, report: &mut Report) {
    for cluster in clusters {
        if let Err(error) = cluster.take_down().await {
            report.leaked.push(cluster::chain(&error));
        }
    }
}

/// Nothing is touched, and it is nothing's turn: the answer to a question that was well asked, and no fault.
fn nothing_to_try(args: &Run) -> Exit {
    let mut report = Report {
        may_be_empty: args.choice.may_be_empty(),
        ..Report::default()
    };
    outputs::write(args, &mut report, Path::new(""));
    report.exit()
}

impl Run {
    /// Whether a report for programs goes to standard output.
    fn takes_output(&self) -> bool {
        [&self.junit, &self.json]
            .into_iter()
            .flatten()
            .any(|path| path.as_os_str() == "-")
    }

    /// Whether nothing narrows the run.
    fn is_everything(&self) -> bool {
        let Choice {
            filter: Filter { ids, area },
            changed,
            rotate,
            built,
        } = &self.choice;
        let all = ids.is_empty() && area.is_empty() && self.shard.is_none();
        all && changed.is_none() && rotate.is_none() && !built
    }
}

fn look_for_orphans(
    found: &Found,
    chosen: &[Arc<Loaded>],
    report: &mut Report,
) -> Result<(), Fault> {
    let ids: Vec<&str> = chosen.iter().map(|loaded| loaded.id.as_str()).collect();
    report.orphans = found.store()?.orphans(&ids)?;
    Ok(())
}

/// Prints a text where the report goes: to standard output, unless a report for programs goes there.
fn print(text: &str, taken: bool) {
    if taken { ui::note(text) } else { ui::say(text) }
}

/// The report for people.
fn text(report: &Report, evidence: &Path, tables: bool) -> String {
    report::text::report(report, evidence, tables)
}
