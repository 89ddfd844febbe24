//! Why NetworkPolicies are not enforced.

use std::io;
use std::path::PathBuf;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that others look at could not be written.
    #[error(transparent)]
    Component(#[from] components::Error),
    /// The process was started with other words than it needs.
    #[error("a node, a server, a socket, a folder and a folder with keys are wanted")]
    Words,
    /// The process cannot be told to end.
    #[error("failed to let signals through")]
    Signals(#[from] nix::errno::Errno),
    /// A file or socket could not be used.
    #[error("failed to {doing} `{path}`", path = .path.display())]
    File {
        /// What was tried, as an infinitive: "read", "listen at".
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A command of the machine failed.
    #[error("`{command}` failed: {why}")]
    Command {
        /// The command as typed.
        command: String,
        /// What it said.
        why: String,
    },
    /// Text that is not what it should be.
    #[error("{what} is not well formed: {why}")]
    Malformed {
        /// What was read.
        what: String,
        /// The reader's complaint.
        why: String,
    },
}

impl Error {
    /// For `map_err` on file operations.
    pub(crate) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }
}
