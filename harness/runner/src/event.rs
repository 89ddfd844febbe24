//! What an observer is told while a run goes on.

use std::sync::Arc;
use std::time::Duration;

use cluster::ClusterProgress;
use components::{BuildProgress, PinnedComponent};
use model::{LoadedScenario, RecordedOutcome};

/// One thing that happened.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "events are few and soon gone; boxing would clutter every match on them"
)]
pub enum RunEvent {
    /// These are to be built, in this order.
    BuildsBegin(Vec<&'static PinnedComponent>),
    /// A component is being built, or is built.
    Build(BuildProgress),
    /// A box begins to start.
    BoxStarting {
        /// Its name.
        name: String,
        /// Its Kubernetes release.
        kubernetes: String,
        /// How many nodes it will have.
        nodes: u8,
    },
    /// A box that starts has come further.
    BoxProgress {
        /// Its name.
        name: String,
        /// What it did.
        step: ClusterProgress,
    },
    /// A box no longer starts: it is up, or it never will be.
    BoxStartEnded {
        /// Its name.
        name: String,
    },
    /// A cluster answers.
    ClusterReady(ClusterFacts),
    /// Something happened in a world.
    World(engine::EngineEvent),
    /// The first look at every world of a scenario has ended.
    ScenarioDone {
        /// The scenario.
        scenario: Arc<LoadedScenario>,
        /// What the first look came to.
        outcome: RecordedOutcome,
        /// How many scenarios are done, this one included.
        done: usize,
        /// How many there are.
        of: usize,
    },
    /// The run is interrupted on a cluster that stays: what it made there is taken away.
    Sweeping,
}

/// One cluster of a run.
#[derive(Clone, Debug)]
pub struct ClusterFacts {
    /// Its box's name, or its context's.
    pub name: String,
    /// Its Kubernetes release, such as `v1.36.3`.
    pub version: String,
    /// How many worlds were tried on it; while it is up, how many are left for it and for others of its
    /// kind.
    pub worlds: usize,
    /// How long it took until it answered.
    pub start: Duration,
    /// What was reached on the way, and when.
    pub milestones: Vec<(String, Duration)>,
}

/// An observer of a run. It is called from several threads; one that takes long holds the run up.
pub trait RunObserver: Send + Sync {
    /// Handles one event.
    fn observe_event(&self, event: RunEvent);
}

/// Without an observer.
impl RunObserver for () {
    fn observe_event(&self, _: RunEvent) {}
}
