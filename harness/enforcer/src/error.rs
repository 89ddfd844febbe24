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
    /// A server did not answer.
    #[error(transparent)]
    NoAnswer(#[from] ureq::Error),
    /// An answer broke off.
    #[error("the answer broke off: {0}")]
    BrokenOff(#[source] io::Error),
    /// An answer is not the JSON that was asked for.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A server answered otherwise than it was asked to.
    #[error("status {status}: {said}")]
    UnexpectedAnswer {
        /// Its status.
        status: u16,
        /// The first line that it said.
        said: String,
    },
    /// A watch tells of something that is not a change of an object.
    #[error("{kind}: {message}")]
    WatchEnded {
        /// What kind of event it was.
        kind: String,
        /// What it said.
        message: String,
    },
    /// A `resourceVersion` that cannot be compared.
    #[error("`{0}` is not a version that can be compared")]
    Version(String),
    /// Whoever was told of changes has ended.
    #[error("the receiver has ended")]
    ReceiverEnded,
    /// The runtime did not say what the network plugin needs.
    #[error("the network plugin was called without {0}")]
    PluginInput(&'static str),
    /// The enforcer did not take a pod.
    #[error("{enforcer} {did}")]
    NotAnnounced {
        /// Which.
        enforcer: String,
        /// What it did instead.
        did: String,
    },
    /// What was waited for did not come about.
    #[error(transparent)]
    TimedOut(#[from] wait::TimedOut),
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
