//! What a caller is told while worlds are tried.

use std::time::Duration;

use model::{OutcomeCell, WorldOutcome};

/// One thing that happened.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "events are few and soon gone; boxing would clutter every match on them"
)]
pub enum EngineEvent {
    /// A world's namespace is being made.
    WorldStarted {
        /// The scenario.
        id: String,
        /// The world.
        world: String,
        /// Its namespace.
        namespace: String,
    },
    /// A world has waited for something for longer than a moment.
    Waiting {
        /// The scenario.
        id: String,
        /// The world.
        world: String,
        /// For what, and what was last seen.
        what: String,
        /// For how long so far.
        elapsed: Duration,
    },
    /// A step has sent a request, in the name of whoever it asks as.
    RequestDone {
        /// The scenario.
        id: String,
        /// The world.
        world: String,
        /// The step.
        step: String,
        /// The method and the path, as a person reads it, without what is secret.
        request: String,
        /// The status of the reply; nothing where none came.
        code: Option<u16>,
        /// From the first byte out to the last byte in.
        took: Duration,
    },
    /// A step was tried.
    CellDone {
        /// The scenario.
        id: String,
        /// The world.
        world: String,
        /// The step.
        step: String,
        /// What was recorded.
        cell: OutcomeCell,
    },
    /// A world came to its end; its cells may still be looked at a second time.
    WorldDone {
        /// The scenario.
        id: String,
        /// The world.
        world: String,
        /// What was recorded.
        outcome: WorldOutcome,
    },
    /// Something that a world made is still there after its end. Other worlds on the cluster may
    /// meet it.
    LeftBehind {
        /// The scenario.
        id: String,
        /// The world.
        world: String,
        /// What, and why.
        what: String,
    },
    /// What showed that controls are in force is still there after the last world.
    SentinelLeft {
        /// What, and why.
        what: String,
    },
    /// A world is tried once more, because some of its cells are not as intended.
    SecondLook {
        /// The scenario.
        id: String,
        /// The world.
        world: String,
    },
}
