//! What can be ordered of the processes of a box that is up, and what is known of them.

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

/// An order to one process of a box. It concerns that process alone, not those that it has started
/// itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessCommand {
    /// SIGTERM. A frozen process heeds it once it is thawed.
    Stop,
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Freeze,
    /// SIGCONT.
    Thaw,
    /// The same program with the same arguments once more; its log goes on. A process that was told
    /// to end starts again when it has ended; for one that lives and may live, this order means
    /// nothing.
    Start,
}

impl ProcessCommand {
    /// The signal that does it; `None` for a start.
    pub(crate) fn signal(self) -> Option<Signal> {
        match self {
            Self::Stop => Some(Signal::SIGTERM),
            Self::Kill => Some(Signal::SIGKILL),
            Self::Freeze => Some(Signal::SIGSTOP),
            Self::Thaw => Some(Signal::SIGCONT),
            Self::Start => None,
        }
    }
}

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
