//! Starting clusters and trying worlds on them, several boxes at a time.

mod job;
mod places;

use std::sync::Arc;
use std::time::Instant;

use cluster::Cluster;
use engine::Trial;
use model::WorldOutcome;
use tokio::task::JoinSet;

use super::plan::{Group, Plan};
use super::supply::Supply;
use crate::args::Existing;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::interrupt;
use crate::report::{ClusterFacts, NO_CLUSTER, Report};
pub(crate) use job::{Announce, Job};
use places::{Place, Places};

/// What came of it.
#[derive(Default)]
pub(crate) struct Ran {
    pub(crate) outcomes: Vec<(String, String, WorldOutcome)>,
    pub(crate) facts: Vec<ClusterFacts>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) kept: Vec<(String, String, String)>,
    /// What worlds left behind.
    pub(crate) left: Vec<String>,
    /// Clusters that are still up, by the name of their box.
    pub(crate) clusters: Vec<(String, Cluster)>,
}

/// Tries everything in the plan. Runs in a `LocalSet`: worlds take turns on one thread, their connections have others.
///
/// # Errors
/// When a cluster that exists cannot be used. A box that does not start is a fault among the results.
pub(crate) async fn run(job: &Arc<Job>, plan: Plan, supply: &Supply, existing: &Existing) -> Result<Ran, Fault> {
    let mut ran = Ran { outcomes: plan.skipped, ..Ran::default() };
    if existing.is_asked_for() {
        let trials = plan.groups.into_iter().flat_map(|group| group.trials).collect();
        ran.add(on_existing(job, trials, existing).await?);
    } else {
        let places = Arc::new(Places::of(plan.groups.iter().map(|group| group.trials.len())));
        let mut tasks = JoinSet::new();
        for (index, group) in plan.groups.into_iter().enumerate() {
            let (job, places, supply) = (Arc::clone(job), Arc::clone(&places), supply.clone());
            tasks.spawn_local(async move {
                if let Err(fault) = supply.wait_for(&group.needed).await {
                    places.one_less(group.trials.len());
                    return without(group.trials, fault);
                }
                let place = places.wait_for(group.trials.len(), group.spec.nodes).await;
                in_a_box(&job, index + 1, group, place).await
            });
        }
        while let Some(done) = tasks.join_next().await {
            match done {
                Ok(part) => ran.add(part),
                Err(error) => ran.faults.push(Fault::new(Exit::Broken, "a box's task ended early").because(&error)),
            }
        }
    }
    job.show_all().await;
    ran.kept = job.kept(&ran.outcomes);
    ran.left = job.left();
    Ok(ran)
}

/// Takes down what is still up.
pub(crate) async fn down(clusters: Vec<(String, Cluster)>, report: &mut Report) {
    for (name, cluster) in clusters {
        if let Err(error) = cluster.down().await {
            report.leaked.push(cluster::chain(&error));
        }
        interrupt::forget(&name);
    }
}

/// Tries worlds in a box of their own. Its place is free before it is taken down, so that the next one starts meanwhile.
async fn in_a_box(job: &Arc<Job>, index: usize, group: Group, place: Place) -> Ran {
    let name = format!("run-{}-{index}", std::process::id());
    interrupt::remember(&name);
    let board = Arc::clone(&job.board);
    let (began, shown) = (Instant::now(), name.clone());
    board.now(
        &name,
        &format!("box {name}: starting Kubernetes {}, {} node(s)", group.spec.kubernetes, group.spec.nodes),
    );
    let progress = move |step| board.machine(&shown, &step);
    let started = addons::start(&job.cache, &name, interrupt::LAUNCHER.as_ref(), &group.spec, progress).await;
    job.board.end(&name);
    match started {
        Ok(cluster) => {
            let mut ran = on(job, &name, cluster, group.trials, began).await;
            drop(place);
            if !job.keep {
                take_down(&mut ran).await;
            }
            ran
        }
        Err(error) => {
            interrupt::forget(&name);
            without(group.trials, Fault::from(error))
        }
    }
}

async fn on_existing(job: &Arc<Job>, trials: Vec<Trial>, existing: &Existing) -> Result<Ran, Fault> {
    let (began, signal) = (Instant::now(), interrupt::next_signal());
    let context = existing.context.as_deref().or(existing.disposable.as_deref());
    let disposable = existing.disposable.as_deref().is_some_and(|name| Some(name) == context);
    let cluster = Cluster::existing(existing.kubeconfig.as_deref(), context, disposable).await?;
    let facts = facts(context.unwrap_or("current context"), &cluster, trials.len(), began);
    job.started(&facts);
    let options = job.options();
    tokio::select! {
        outcomes = engine::run(&cluster, trials, &options, job.events()) => {
            let clusters = vec![(facts.name.clone(), cluster)];
            Ok(Ran { outcomes, facts: vec![facts], clusters, ..Ran::default() })
        }
        () = signal => {
            job.board.line("interrupted: taking everything down");
            Err(swept(&cluster.sweep(&job.namespaces()).await))
        }
    }
}

/// How an interrupted run on a cluster that stays ends.
fn swept(left: &[String]) -> Fault {
    if left.is_empty() {
        return Fault::new(Exit::Interrupted, "interrupted: everything was taken down first");
    }
    Fault::new(Exit::Leaked, format!("interrupted, and not taken down:\n  {}", left.join("\n  ")))
}

async fn on(job: &Arc<Job>, name: &str, cluster: Cluster, trials: Vec<Trial>, began: Instant) -> Ran {
    let facts = facts(name, &cluster, trials.len(), began);
    job.started(&facts);
    let outcomes = engine::run(&cluster, trials, &job.options(), job.events()).await;
    Ran { outcomes, facts: vec![facts], clusters: vec![(name.to_owned(), cluster)], ..Ran::default() }
}

fn facts(name: &str, cluster: &Cluster, worlds: usize, began: Instant) -> ClusterFacts {
    ClusterFacts {
        name: name.to_owned(),
        version: cluster.facts().version.clone(),
        worlds,
        start: began.elapsed(),
        milestones: cluster.milestones(),
    }
}

/// Takes a box down as soon as its worlds are done.
async fn take_down(ran: &mut Ran) {
    for (name, cluster) in std::mem::take(&mut ran.clusters) {
        if let Err(error) = cluster.down().await {
            ran.faults.push(Fault::new(Exit::Leaked, format!("`{name}` was not taken down")).because(&error));
        }
        interrupt::forget(&name);
    }
}

/// What becomes of worlds whose cluster never was.
fn without(trials: Vec<Trial>, fault: Fault) -> Ran {
    let broken = || WorldOutcome::Broken { why: NO_CLUSTER.into() };
    let outcomes = trials.into_iter().map(|trial| (trial.scenario.id.clone(), trial.world, broken())).collect();
    Ran { outcomes, faults: vec![fault], ..Ran::default() }
}

impl Ran {
    fn add(&mut self, part: Self) {
        self.outcomes.extend(part.outcomes);
        self.facts.extend(part.facts);
        self.clusters.extend(part.clusters);
        for fault in part.faults {
            if !self.faults.contains(&fault) {
                self.faults.push(fault);
            }
        }
    }
}
