//! Tries a scenario's steps in its worlds and records what the cluster answered.
//!
//! A *trial* is one scenario in one world. Each gets a fresh namespace; its controls are applied and waited for until
//! they are in force; its steps are sent as they are, one after the other; what came back is read by [`model::read`].
//! Trials run side by side, except those whose controls reach beyond their own namespace.

mod actions;
mod canaries;
mod changed;
mod conversation;
mod discovery;
mod error;
mod event;
mod evidence;
mod identity;
mod lab;
mod learn;
mod masked;
mod meter;
mod places;
mod pods;
mod random;
mod reach;
mod schedule;
mod seen;
mod settle;
mod started;
mod tools;
mod turns;
mod wait;
mod workshop;
mod world;

use std::path::PathBuf;
use std::sync::Arc;

use cluster::Cluster;
use model::{Loaded, WorldOutcome};
use tokio::sync::mpsc::UnboundedSender;

pub use error::Error;
pub use event::Event;
pub use turns::Turns;
pub use workshop::Workshop;

/// One scenario in one of its worlds.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The scenario.
    pub scenario: Arc<Loaded>,
    /// The world's name.
    pub world: String,
}

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Leave every world as it was after its last step.
    pub keep: bool,
    /// The folder that gets a folder for each failure. `None` where failures are what is looked for: they are neither
    /// documented nor looked at twice, and a world ends with its first.
    pub evidence: Option<PathBuf>,
    /// How many worlds of all clusters of the run do something at a time.
    pub turns: Turns,
    /// What all clusters of the run share.
    pub workshop: Arc<Workshop>,
}

/// Tries every trial on `cluster`: the outcome of each, in the order of `trials`.
///
/// Dropping the future stops at once and tidies nothing up. A receiver of `events` that is gone is fine.
pub async fn run(
    cluster: &Cluster,
    trials: Vec<Trial>,
    options: &Options,
    events: UnboundedSender<Event>,
) -> Vec<(String, String, WorldOutcome)> {
    let lab = lab::Lab::new(cluster, options, events);
    let outcomes = schedule::all(&lab, &trials).await;
    let waiter = wait::Waiter {
        id: String::new(),
        world: String::new(),
        events: lab.events.clone(),
        planted: lab.planted.clone(),
    };
    lab.canaries.end(&waiter, cluster.facts().ephemeral).await;
    trials
        .into_iter()
        .zip(outcomes)
        .map(|(trial, outcome)| (trial.scenario.id.clone(), trial.world, outcome))
        .collect()
}
