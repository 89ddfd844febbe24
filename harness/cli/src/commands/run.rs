//! `gauntlet run`: starts what is needed, tries everything, compares, reports, takes everything down.

mod announce;
pub(crate) mod clusters;
mod compare;
mod hold;
mod outputs;
pub(crate) mod plan;
pub(crate) mod setup;
pub(crate) mod supply;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use indexmap::IndexMap;
use model::{Loaded, Outcome, WorldOutcome};
use native::Cache;
use tokio::task::LocalSet;

use crate::args::{Choice, Filter, Run};
use crate::commands::lint;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::folders::{self, Found};
use crate::report::{Golden, Report, Tried};
use crate::{interrupt, report, ui};
use announce::{Style, Told, announce};
use clusters::{Job, Ran};
use supply::Supply;

/// Runs the chosen scenarios.
pub(crate) fn run(args: &Run) -> Result<Exit, Fault> {
    let began = Instant::now();
    let found = folders::find(&args.folders)?;
    let chosen: Vec<Arc<Loaded>> = lint::good(&found, &args.choice, args.shard)?.into_iter().map(Arc::new).collect();
    let store = found.store()?;
    outputs::check(args)?;
    let cache = Cache::from_env()?;
    if chosen.is_empty() {
        return Ok(nothing_to_try(args));
    }
    let mut plan = plan::of(&chosen, &args.existing, args.nodes.unwrap_or(1))?;
    let mut missing = Vec::new();
    if !args.existing.is_asked_for() {
        missing = setup::missing(&cache, &plan.components(), args.setup)?;
        plan = plan.stage(&missing)?;
        missing = plan.components().into_iter().filter(|component| !cache.built(component)).collect();
        interrupt::watch(&cache);
    }
    let evidence = evidence(&cache);
    let told = Told::default();
    let announce = announce(&found, told.clone(), Style::of(args, &chosen))?;
    let job = Arc::new(Job::new(&cache, &chosen, Some(evidence.clone()), args.keep, Some(announce)));
    let supply = if missing.is_empty() { Supply::complete() } else { Supply::begin(&cache, missing, &job.board) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fault::machine("cannot start threads").because(&error))?;
    let ran = LocalSet::new().block_on(&runtime, clusters::run(&job, plan, &supply, &args.existing));
    job.board.clear();
    let mut ran = ran?;
    let mut report = gather(&chosen, &mut ran);
    report.folders = folders::options(&args.folders);
    report.nodes = args.nodes;
    report.told = told.ids();
    compare::all(&store, &found, &mut report);
    if args.is_everything() {
        look_for_orphans(&found, &chosen, &mut report)?;
    }
    if !args.keep {
        runtime.block_on(clusters::down(std::mem::take(&mut ran.clusters), &mut report));
    }
    report.leaked.extend(left_over(&cache));
    report.elapsed = began.elapsed();
    outputs::write(args, &mut report, &evidence);
    if args.keep {
        hold::until_told(&cache, &ran.clusters, &report);
        runtime.block_on(clusters::down(ran.clusters, &mut report));
    }
    job.tidy();
    Ok(report.exit())
}

/// Nothing is touched, and it is nothing's turn: the answer to a question that was well asked, and no fault.
fn nothing_to_try(args: &Run) -> Exit {
    let mut report = Report { may_be_empty: args.choice.may_be_empty(), ..Report::default() };
    outputs::write(args, &mut report, std::path::Path::new(""));
    report.exit()
}

impl Run {
    /// Whether a report for programs goes to standard output.
    fn takes_output(&self) -> bool {
        [&self.junit, &self.json].into_iter().flatten().any(|path| path.as_os_str() == "-")
    }

    /// Whether nothing narrows the run.
    fn is_everything(&self) -> bool {
        let Choice { filter: Filter { ids, area }, changed, rotate, built } = &self.choice;
        let all = ids.is_empty() && area.is_empty() && self.shard.is_none();
        all && changed.is_none() && rotate.is_none() && !built
    }
}

/// Boxes of ours that are still there although nobody wants them.
fn left_over(cache: &Cache) -> Vec<String> {
    let wanted = interrupt::remembered();
    let names = std::fs::read_dir(cache.boxes()).into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let ours = format!("run-{}-", std::process::id());
    names.filter(|name| name.starts_with(&ours) && !wanted.iter().any(|one| name.starts_with(one.as_str()))).collect()
}

/// A folder of this run's own for what failures leave to look at.
fn evidence(cache: &Cache) -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    cache.root.join("evidence").join(format!("{now}-{}", std::process::id()))
}

/// Puts the worlds of every scenario back together, in the file's order.
fn gather(chosen: &[Arc<Loaded>], ran: &mut Ran) -> Report {
    let mut worlds: IndexMap<(String, String), WorldOutcome> =
        ran.outcomes.drain(..).map(|(id, world, outcome)| ((id, world), outcome)).collect();
    let mut scenarios = Vec::new();
    for loaded in chosen {
        let mut outcome = Outcome { id: loaded.id.clone(), worlds: IndexMap::new() };
        for world in loaded.scenario.worlds.keys() {
            let seen = worlds.swap_remove(&(loaded.id.clone(), world.clone()));
            let seen = seen.unwrap_or_else(|| WorldOutcome::Broken { why: "it was never tried".into() });
            outcome.worlds.insert(world.clone(), seen);
        }
        scenarios.push(Tried { scenario: Arc::clone(loaded), outcome, golden: Golden::NotCompared });
    }
    Report {
        scenarios,
        clusters: std::mem::take(&mut ran.facts),
        faults: std::mem::take(&mut ran.faults),
        kept: std::mem::take(&mut ran.kept),
        leaked: std::mem::take(&mut ran.left),
        ..Report::default()
    }
}

fn look_for_orphans(found: &Found, chosen: &[Arc<Loaded>], report: &mut Report) -> Result<(), Fault> {
    let ids: Vec<&str> = chosen.iter().map(|loaded| loaded.id.as_str()).collect();
    report.orphans = found.store()?.orphans(&ids)?;
    Ok(())
}

/// Prints a text where the report goes: to standard output, unless a report for programs goes there.
fn print(text: &str, taken: bool) {
    if taken { ui::note(text) } else { ui::say(text) }
}

/// The report for people.
fn text(report: &Report, evidence: &std::path::Path, tables: bool) -> String {
    report::text::report(report, evidence, tables)
}
