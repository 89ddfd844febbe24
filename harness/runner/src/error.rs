//! What can keep a run from being one.

use std::sync::Arc;

use thiserror::Error;

/// Why a cluster of a run was not there, or did not go.
#[derive(Debug, Error)]
pub enum Error {
    /// A file that a world's shape names cannot be read.
    #[error(transparent)]
    Scenario(#[from] model::Error),
    /// What a box would be made of is not pinned.
    #[error(transparent)]
    Component(#[from] components::Error),
    /// A component could not be built.
    #[error(transparent)]
    Build(Arc<components::Error>),
    /// The thread that builds components is gone, and not all are built.
    #[error("the builds of components ended early")]
    BuildsEnded,
    /// A cluster did not start, or cannot be used.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// A box with what was asked for in it did not start.
    #[error(transparent)]
    Addons(#[from] addons::Error),
    /// A task ended before its box was done.
    #[error("a box's task ended early")]
    TaskEnded {
        /// How.
        #[source]
        source: tokio::task::JoinError,
    },
    /// Something of a box is still there.
    #[error("`{name}` was not taken down")]
    NotTakenDown {
        /// The box.
        name: String,
        /// Why not.
        #[source]
        source: cluster::Error,
    },
    /// The run was interrupted on a cluster that stays, and nothing of it is left there.
    #[error("interrupted: everything was taken down first")]
    Interrupted,
    /// The same, and something is left.
    #[error("interrupted, and not taken down:\n  {}", left.join("\n  "))]
    InterruptedLeaving {
        /// What.
        left: Vec<String>,
    },
}
