//! Carrying a plan out: several boxes at a time, or one cluster that exists.

mod account;
mod groups;
mod part;

use std::path::PathBuf;
use std::sync::Arc;

use cluster::Cluster;
use components::PinnedComponent;
use engine::{
    EngineOptions, RunWorkshop, StopFlag, TrialQueue, WorldPauses, WorldTrial, WorldTurns,
};
use model::{ClusterSpec, LoadedScenario, WorldOutcome};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::LocalSet;

use account::RunAccount;
use part::{RunPart, into_stopped, into_untried, without_a_cluster};

use crate::outcome::{TriedWorld, gather_outcome};
use crate::{
    BoxStarter, ComponentSupply, Error, LiveCluster, RunEvent, RunObserver, RunOutcome, RunPlan,
    SkippedWorld,
};

/// How to try worlds.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Leave namespaces and boxes as they are after their last step.
    pub keep: bool,
    /// The folder that gets a folder for each failure, where they are documented.
    pub evidence: Option<PathBuf>,
    /// Failures are what is looked for: they are not looked at twice, and a world ends with its first.
    pub ends_at_failure: bool,
    /// How many worlds do something at a time, on all clusters together.
    pub worlds_at_once: usize,
    /// Begin no further world once one is not as expected.
    pub fail_fast: bool,
    /// Where a world waits that is not as expected, before it is taken down.
    pub pauses: Option<WorldPauses>,
}

impl Default for RunOptions {
    /// Ten worlds keep two cores busy, and with more of them what is timed has to wait.
    fn default() -> Self {
        Self {
            keep: false,
            evidence: None,
            ends_at_failure: false,
            worlds_at_once: 10,
            fail_fast: false,
            pauses: None,
        }
    }
}

impl RunOptions {
    fn stop_flag(&self) -> StopFlag {
        if self.fail_fast {
            StopFlag::at_failure()
        } else {
            StopFlag::default()
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
    stop: StopFlag,
}

impl ClusterRunner {
    /// A runner whose boxes come from `boxes`, and that reports events to `observer`.
    #[must_use]
    pub fn new(boxes: BoxStarter, options: RunOptions, observer: Arc<dyn RunObserver>) -> Self {
        let turns = WorldTurns::new(options.worlds_at_once);
        let stop = options.stop_flag();
        Self {
            boxes,
            options,
            observer,
            workshop: Arc::default(),
            turns,
            stop,
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
        let trials = plan.groups.into_iter().flat_map(|group| group.trials);
        let queue = TrialQueue::new(trials.collect());
        let tried = tokio::select! {
            tried = self.try_on(&cluster, &queue, &account) => Some(tried),
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
        let rest = queue.take_rest().into_iter();
        if self.stop.is_raised() {
            worlds.extend(rest.map(into_stopped));
        } else {
            worlds.extend(rest.map(into_untried));
        }
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

    fn engine_options(&self, cluster: &str) -> EngineOptions {
        let RunOptions {
            keep,
            evidence,
            ends_at_failure,
            worlds_at_once: _,
            fail_fast: _,
            pauses,
        } = self.options.clone();
        EngineOptions {
            keep,
            evidence,
            ends_at_failure,
            turns: self.turns.clone(),
            workshop: Arc::clone(&self.workshop),
            stop: self.stop.clone(),
            pauses: pauses.map(|pauses| pauses.on_cluster(cluster)),
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

/// Tries worlds on a cluster, apart from any run: each with its outcome. Images are made again.
pub async fn try_worlds(
    cluster: &Cluster,
    trials: Vec<WorldTrial>,
    options: RunOptions,
) -> Vec<(WorldTrial, WorldOutcome)> {
    let stop = options.stop_flag();
    let RunOptions {
        keep,
        evidence,
        ends_at_failure,
        worlds_at_once,
        fail_fast: _,
        pauses,
    } = options;
    let options = EngineOptions {
        keep,
        evidence,
        ends_at_failure,
        turns: WorldTurns::new(worlds_at_once),
        workshop: Arc::default(),
        stop,
        pauses,
    };
    // There is no receiver.
    let (events, _) = unbounded_channel();
    let queue = TrialQueue::new(trials);
    let tried = engine::run_trials(cluster, &queue, &options, events).await;
    let rest = queue.take_rest();
    tried
        .into_iter()
        .chain(rest)
        .map(|(trial, outcome)| (trial, outcome.unwrap_or_else(without_a_cluster)))
        .collect()
}

/// What the names of this program's boxes begin with.
fn box_prefix() -> String {
    format!("run-{}-", std::process::id())
}
