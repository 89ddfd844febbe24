//! Tries a scenario's steps in its worlds and records what the cluster answered.
//!
//! A *trial* is one scenario in one world. Each gets a fresh namespace; its controls are applied
//! and waited for until they are in force; its steps are sent as they are, one after the other;
//! what came back is read by [`model::read`]. Trials run side by side, except those whose controls
//! reach beyond their own namespace.

mod actions;
mod address_book;
mod barriers;
mod changed;
mod control;
mod conversation;
mod discovery;
mod error;
mod event;
mod evidence;
mod identity;
mod lookup;
mod meter;
mod observe;
mod pods;
mod random;
mod rivals;
mod run_context;
mod schedule;
mod scope;
mod secret_markers;
mod started;
mod tools;
mod trial_queue;
mod turns;
mod wait;
mod workshop;
mod world;

use std::path::PathBuf;
use std::sync::Arc;

use cluster::Cluster;
use model::{LoadedScenario, WorldOutcome};
use tokio::sync::mpsc::UnboundedSender;

pub use control::{PausedWorld, StopFlag, WorldPauses};
pub use error::Error;
pub use event::EngineEvent;
pub use trial_queue::TrialQueue;
pub use turns::WorldTurns;
pub use workshop::RunWorkshop;

/// One scenario in one of its worlds.
#[derive(Clone, Debug)]
pub struct WorldTrial {
    /// The scenario.
    pub scenario: Arc<LoadedScenario>,
    /// The world's name.
    pub world: String,
}

/// How to run.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Leave every world as it was after its last step.
    pub keep: bool,
    /// The folder that gets a folder for each failure, where they are documented.
    pub evidence: Option<PathBuf>,
    /// Failures are what is looked for: they are not looked at twice, and a world ends with its first.
    pub ends_at_failure: bool,
    /// How many worlds of all clusters of the run do something at a time.
    pub turns: WorldTurns,
    /// What all clusters of the run share.
    pub workshop: Arc<RunWorkshop>,
    /// Keeps further worlds from beginning.
    pub stop: StopFlag,
    /// Where worlds wait that are not as expected, if they are to.
    pub pauses: Option<WorldPauses>,
}

/// Takes trials out of `queue` for as long as `cluster` is good for them, and tries them: the
/// outcome of each that was taken, in the order in which they were queued. There is none for those
/// that were not to begin any more. What is still in the queue needs another cluster, because a
/// trial left this one other than it found it; those that are to be looked at again there are back
/// in the queue, and are told of once they were.
///
/// Dropping the future stops at once and tidies nothing up. A receiver of `events` that is gone is
/// fine.
pub async fn run_trials(
    cluster: &Cluster,
    queue: &TrialQueue,
    options: &EngineOptions,
    events: UnboundedSender<EngineEvent>,
) -> Vec<(WorldTrial, Option<WorldOutcome>)> {
    let run = run_context::RunContext::new(cluster, options, events);
    // Boxes of one kind begin alike.
    let is_box = cluster.facts().ephemeral;
    let mut taken = schedule::try_all(&run, queue, is_box).await;
    let waiter = wait::WaitReporter {
        id: String::new(),
        world: String::new(),
        events: run.events.clone(),
        planted: run.planted.clone(),
        granted: None,
    };
    let left = run
        .sentinels
        .finish_removals(&waiter, cluster.facts().ephemeral);
    for what in left.await {
        let what = run.planted.conceal_values(&what);
        run.send_event(EngineEvent::SentinelLeft { what });
    }
    taken.sort_by_key(|(queued, _)| queued.place);
    taken
        .into_iter()
        .map(|(queued, outcome)| (queued.trial, outcome))
        .collect()
}
