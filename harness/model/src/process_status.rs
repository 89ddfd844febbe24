//! What is known of a process of a cluster.

use serde::{Deserialize, Serialize};

/// What is known of one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// How often it was started.
    pub starts: u32,
    /// How it is now.
    pub state: ProcessState,
}

/// How a process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessState {
    /// It runs.
    Alive,
    /// It is stopped by a signal, and goes on when it is thawed.
    Frozen,
    /// It has ended, or could not be started again.
    Ended {
        /// How it ended: `exit code 1`, `killed by SIGKILL`, `not started: …`.
        status: String,
        /// The last lines of its log since it was started last.
        tail: String,
    },
}
