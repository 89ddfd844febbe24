//! Carrying a plan out: several boxes at a time, or one cluster that exists.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use cluster::Cluster;
use components::PinnedComponent;
use engine::{EngineEvent, EngineOptions, RunWorkshop, WorldTrial, WorldTurns};
use model::{ClusterSpec, LoadedScenario, WorldOutcome};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, JoinSet, LocalSet};

use crate::box_slots::BoxSlots;
use crate::ledger::RunLedger;
use crate::outcome::{KeptNamespace, TriedWorld, WHY_NO_CLUSTER, gather_outcome};
use crate::{
    BoxStarter, ClusterFacts, ComponentSupply, Error, LiveCluster, RunEvent, RunObserver,
    RunOutcome, RunPlan, SkippedWorld, WorldGroup,
};

/// How to try worlds.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Leave namespaces and boxes as they are after their last step.
    pub keep: bool,
    /// The folder that gets a folder for each failure. `None` where failures are what is looked
    /// for: they are neither documented nor looked at twice, and a world ends with its first.
    pub evidence: Option<PathBuf>,
    /// How many worlds do something at a time, on all clusters together.
    pub worlds_at_once: usize,
}

impl Default for RunOptions {
    /// Ten worlds keep two cores busy, and with more of them what is timed has to wait.
    fn default() -> Self {
        Self {
            keep: false,
            evidence: None,
            worlds_at_once: 10,
        }
    }
}

/// Starts clusters and tries worlds on them. All of its clusters share one workshop, in which
/// images are made once.
#[derive(Clone)]
pub struct ClusterRunner {
    boxes: BoxStarter,
    options: RunOptions,
    observer: Arc<dyn RunObserver>,
    workshop: Arc<RunWorkshop>,
    turns: WorldTurns,
}

impl ClusterRunner {
    /// A runner whose boxes come from `boxes`, and that reports events to `observer`.
    #[must_use]
    pub fn new(boxes: BoxStarter, options: RunOptions, observer: Arc<dyn RunObserver>) -> Self {
        let turns = WorldTurns::new(options.worlds_at_once);
        Self {
            boxes,
            options,
            observer,
            workshop: Arc::default(),
            turns,
        }
    }

    /// Builds these components in this order, while boxes begin whose components are there already.
    #[must_use]
    pub fn build_components(&self, missing: Vec<&'static PinnedComponent>) -> ComponentSupply {
        ComponentSupply::begin_builds(&self.boxes, missing, &self.observer)
    }

    /// Tries everything in the plan, in boxes that it starts as their components come in. A box is
    /// taken down as soon as its worlds are done, unless it is to be kept. One that does not start
    /// is an error among the outcome's.
    pub async fn run_in_boxes(&self, plan: RunPlan, supply: &ComponentSupply) -> RunOutcome {
        let account = Arc::new(RunAccount::new(&self.observer, &plan.scenarios));
        // Worlds take turns on one thread; their connections have others.
        let part = LocalSet::new()
            .run_until(self.run_groups(plan.groups, supply, &account))
            .await;
        self.close_account(&plan.scenarios, plan.skipped, part, &account)
            .await
    }

    /// Tries everything in the plan on one cluster, until it is done or `interrupted` comes true.
    /// Then what worlds made there is taken away.
    ///
    /// # Errors
    /// When it was interrupted.
    pub async fn run_on_cluster(
        &self,
        plan: RunPlan,
        cluster: LiveCluster,
        interrupted: impl Future<Output = ()>,
    ) -> Result<RunOutcome, Error> {
        let account = RunAccount::new(&self.observer, &plan.scenarios);
        let trials = plan
            .groups
            .into_iter()
            .flat_map(|group| group.trials)
            .collect();
        let tried = tokio::select! {
            tried = self.try_on(&cluster, trials, &account) => Some(tried),
            () = interrupted => None,
        };
        let Some(tried) = tried else {
            self.observer.observe_event(RunEvent::Sweeping);
            let left = cluster.sweep_leftovers(&account.namespaces()).await;
            return Err(if left.is_empty() {
                Error::Interrupted
            } else {
                Error::InterruptedLeaving { left }
            });
        };
        let mut worlds = tried.worlds;
        worlds.extend(tried.untried.into_iter().map(into_untried));
        let part = RunPart {
            worlds,
            clusters: vec![tried.facts],
            live: vec![cluster],
            ..RunPart::default()
        };
        Ok(self
            .close_account(&plan.scenarios, plan.skipped, part, &account)
            .await)
    }

    /// Starts a box like this, and reports progress.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_box(&self, name: &str, spec: &ClusterSpec) -> Result<LiveCluster, Error> {
        let (kubernetes, nodes) = (spec.kubernetes.clone(), spec.nodes);
        self.observer.observe_event(RunEvent::BoxStarting {
            name: name.to_owned(),
            kubernetes,
            nodes,
        });
        let (observer, box_name) = (Arc::clone(&self.observer), name.to_owned());
        let progress = move |step| {
            observer.observe_event(RunEvent::BoxProgress {
                name: box_name.clone(),
                step,
            })
        };
        let started = self.boxes.start(name, spec, progress).await;
        self.observer.observe_event(RunEvent::BoxStartEnded {
            name: name.to_owned(),
        });
        started
    }

    /// Boxes of this run that are left over.
    #[must_use]
    pub fn find_stray_boxes(&self) -> Vec<String> {
        self.boxes.find_strays(&box_prefix())
    }

    async fn run_groups(
        &self,
        groups: Vec<WorldGroup>,
        supply: &ComponentSupply,
        account: &Arc<RunAccount>,
    ) -> RunPart {
        let slots = Arc::new(BoxSlots::new(groups.iter().map(|group| group.trials.len())));
        let mut tasks = JoinSet::new();
        for (index, group) in groups.into_iter().enumerate() {
            let (runner, supply) = (self.clone(), supply.clone());
            let (slots, account) = (Arc::clone(&slots), Arc::clone(account));
            tasks.spawn_local(async move {
                runner
                    .run_group(index + 1, group, &supply, &slots, &account)
                    .await
            });
        }
        let mut all = RunPart::default();
        while let Some(done) = tasks.join_next().await {
            match done {
                Ok(part) => all.add(part),
                Err(source) => all.errors.push(Error::TaskEnded { source }),
            }
        }
        all
    }

    /// Tries worlds in a box of their own; where one leaves it other than it was, those after it
    /// have another box.
    async fn run_group(
        &self,
        index: usize,
        group: WorldGroup,
        supply: &ComponentSupply,
        slots: &BoxSlots,
        account: &RunAccount,
    ) -> RunPart {
        let WorldGroup {
            spec,
            trials,
            needed,
        } = group;
        if let Err(error) = supply.wait_for(&needed).await {
            slots.expect_one_less(trials.len());
            return RunPart::without_cluster(trials, error);
        }
        let mut slot = Some(slots.wait_for(trials.len(), spec.nodes).await);
        let (mut part, mut rest) = (RunPart::default(), trials);
        for turn in 1.. {
            let name = match turn {
                1 => format!("{}{index}", box_prefix()),
                _ => format!("{}{index}-{turn}", box_prefix()),
            };
            let cluster = match self.start_box(&name, &spec).await {
                Ok(cluster) => cluster,
                Err(error) => {
                    part.add(RunPart::without_cluster(rest, error));
                    break;
                }
            };
            let tried = self.try_on(&cluster, rest, account).await;
            part.worlds.extend(tried.worlds);
            part.clusters.push(tried.facts);
            rest = tried.untried;
            if rest.is_empty() {
                // The next box starts while this one is taken down.
                drop(slot.take());
            }
            if self.options.keep {
                part.live.push(cluster);
            } else {
                part.errors.extend(cluster.take_down().await.err());
            }
            if rest.is_empty() {
                break;
            }
        }
        part
    }

    async fn try_on(
        &self,
        cluster: &LiveCluster,
        trials: Vec<WorldTrial>,
        account: &RunAccount,
    ) -> TriedOnCluster {
        let facts = cluster.describe(trials.len());
        self.observer
            .observe_event(RunEvent::ClusterReady(facts.clone()));
        let all = trials.clone();
        let tried = engine::run_trials(
            cluster,
            trials,
            &self.engine_options(),
            account.receive_events(),
        )
        .await;
        let (mut worlds, mut untried) = (Vec::new(), Vec::new());
        for ((id, world, outcome), trial) in tried.into_iter().zip(all) {
            match outcome {
                Some(outcome) => worlds.push((id, world, outcome)),
                None => untried.push(trial),
            }
        }
        TriedOnCluster {
            worlds,
            untried,
            facts,
        }
    }

    fn engine_options(&self) -> EngineOptions {
        let RunOptions {
            keep,
            evidence,
            worlds_at_once: _,
        } = self.options.clone();
        EngineOptions {
            keep,
            evidence,
            turns: self.turns.clone(),
            workshop: Arc::clone(&self.workshop),
        }
    }

    /// Closes the account: every event has been heard, every world has an outcome.
    async fn close_account(
        &self,
        scenarios: &[Arc<LoadedScenario>],
        skipped: Vec<SkippedWorld>,
        part: RunPart,
        account: &RunAccount,
    ) -> RunOutcome {
        account.hear_all().await;
        let kept = if self.options.keep {
            account.find_kept(&part.worlds)
        } else {
            Vec::new()
        };
        let mut worlds: Vec<TriedWorld> = skipped
            .into_iter()
            .map(SkippedWorld::into_outcome)
            .collect();
        worlds.extend(part.worlds);
        RunOutcome {
            scenarios: gather_outcome(scenarios, worlds),
            clusters: part.clusters,
            errors: part.errors,
            kept,
            leaks: account.take_leaks(),
            live: part.live,
        }
    }
}

/// Tries worlds on a cluster, apart from any run: the outcome of each, in the order of `trials`.
/// Images are made again.
pub async fn try_worlds(
    cluster: &Cluster,
    trials: Vec<WorldTrial>,
    options: RunOptions,
) -> Vec<WorldOutcome> {
    let RunOptions {
        keep,
        evidence,
        worlds_at_once,
    } = options;
    let options = EngineOptions {
        keep,
        evidence,
        turns: WorldTurns::new(worlds_at_once),
        workshop: Arc::default(),
    };
    // There is no receiver.
    let (events, _) = unbounded_channel();
    let tried = engine::run_trials(cluster, trials, &options, events).await;
    tried
        .into_iter()
        .map(|(_, _, outcome)| outcome.unwrap_or_else(without_a_cluster))
        .collect()
}

/// What came of worlds on one cluster.
struct TriedOnCluster {
    worlds: Vec<TriedWorld>,
    /// Those that need another cluster.
    untried: Vec<WorldTrial>,
    facts: ClusterFacts,
}

/// What becomes of a world for which there is only a cluster that an earlier one left changed.
fn without_a_cluster() -> WorldOutcome {
    WorldOutcome::Broken {
        why: "a world before it left this cluster other than it was".into(),
    }
}

fn into_untried(trial: WorldTrial) -> TriedWorld {
    (trial.scenario.id.clone(), trial.world, without_a_cluster())
}

/// What the names of this program's boxes begin with.
fn box_prefix() -> String {
    format!("run-{}-", std::process::id())
}

/// What came of some of the clusters of a run.
#[derive(Default)]
struct RunPart {
    worlds: Vec<TriedWorld>,
    clusters: Vec<ClusterFacts>,
    errors: Vec<Error>,
    live: Vec<LiveCluster>,
}

impl RunPart {
    /// What becomes of worlds whose cluster never was.
    fn without_cluster(trials: Vec<WorldTrial>, error: Error) -> Self {
        let broken = || WorldOutcome::Broken {
            why: WHY_NO_CLUSTER.into(),
        };
        let worlds = trials
            .into_iter()
            .map(|trial| (trial.scenario.id.clone(), trial.world, broken()))
            .collect();
        Self {
            worlds,
            errors: vec![error],
            ..Self::default()
        }
    }

    fn add(&mut self, part: Self) {
        self.worlds.extend(part.worlds);
        self.clusters.extend(part.clusters);
        self.errors.extend(part.errors);
        self.live.extend(part.live);
    }
}

/// The ledger of one run, and the tasks that enter events into it and pass them on.
struct RunAccount {
    ledger: Arc<Mutex<RunLedger>>,
    observer: Arc<dyn RunObserver>,
    /// A task for each cluster.
    clerks: Mutex<Vec<JoinHandle<()>>>,
}

impl RunAccount {
    fn new(observer: &Arc<dyn RunObserver>, scenarios: &[Arc<LoadedScenario>]) -> Self {
        let ledger = Arc::new(Mutex::new(RunLedger::new(scenarios)));
        Self {
            ledger,
            observer: Arc::clone(observer),
            clerks: Mutex::default(),
        }
    }

    /// Where a cluster's events go, for as long as there are senders.
    fn receive_events(&self) -> UnboundedSender<EngineEvent> {
        let (sender, mut events) = unbounded_channel();
        let (ledger, observer) = (Arc::clone(&self.ledger), Arc::clone(&self.observer));
        let clerk = tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let done = ledger
                    .lock()
                    .ok()
                    .and_then(|mut ledger| ledger.note_event(&event));
                observer.observe_event(RunEvent::World(event));
                done.into_iter()
                    .for_each(|done| observer.observe_event(done));
            }
        });
        if let Ok(mut clerks) = self.clerks.lock() {
            clerks.push(clerk);
        }
        sender
    }

    /// Waits until every event is entered. The clusters have said all that they have to say.
    async fn hear_all(&self) {
        let clerks = self
            .clerks
            .lock()
            .map(|mut all| std::mem::take(&mut *all))
            .unwrap_or_default();
        for clerk in clerks {
            let _ = clerk.await;
        }
    }

    fn namespaces(&self) -> Vec<String> {
        self.ledger
            .lock()
            .map(|ledger| ledger.namespaces())
            .unwrap_or_default()
    }

    fn find_kept(&self, worlds: &[TriedWorld]) -> Vec<KeptNamespace> {
        self.ledger
            .lock()
            .map(|ledger| ledger.find_kept(worlds))
            .unwrap_or_default()
    }

    fn take_leaks(&self) -> Vec<String> {
        self.ledger
            .lock()
            .map(|mut ledger| ledger.take_leaks())
            .unwrap_or_default()
    }
}
