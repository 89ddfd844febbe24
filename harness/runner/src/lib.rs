//! What a run is: which worlds share a cluster, starting those clusters, trying the worlds on them,
//! and putting what came of it together.
//!
//! [`RunPlan`] is pure: scenarios × provider → groups of worlds, and worlds that are skipped with
//! the name of what their cluster would lack. [`ClusterRunner`] carries a plan out, in boxes or on
//! a cluster that exists, and accounts for what it started and left behind. A display subscribes as
//! a [`RunObserver`]. Nothing here prints, and nothing knows a command line or an exit code.

mod box_slots;
mod box_starter;
mod component_supply;
mod error;
mod event;
mod evidence;
mod ledger;
mod outcome;
mod plan;
mod runner;

pub use box_starter::{BoxStarter, LiveBoxes, LiveCluster};
pub use component_supply::ComponentSupply;
pub use error::Error;
pub use event::{ClusterFacts, RunEvent, RunObserver};
pub use evidence::EvidenceFolder;
pub use outcome::{KeptNamespace, RunOutcome, ScenarioOutcome, WHY_NO_CLUSTER, WHY_STOPPED};
pub use plan::{RunPlan, SkippedWorld, WorldGroup, needed_components};
pub use runner::{ClusterRunner, RunOptions, try_worlds};
