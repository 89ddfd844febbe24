//! What can be wrong with input, and what can fail.

use std::io;
use std::path::PathBuf;

/// Why something was not done, or not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Counters cannot be verified by several workers: the manager does not start.
    #[error("Message id verification can't be guaranteed when worker_pool is greater than 1.")]
    WorkerPool,
    /// A file could not be used.
    #[error("failed to {doing} `{}`", path.display())]
    File {
        /// What was tried, as an infinitive.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The network did not do it.
    #[error("failed to {doing}")]
    Network {
        /// What was tried, as an infinitive.
        doing: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A frame announces nothing, or more than a frame can hold.
    #[error("a frame of {length} bytes")]
    FrameLength {
        /// What it announces.
        length: u32,
    },
    /// A message has no header that is known.
    #[error("the message is badly formatted")]
    Format,
    /// A message does not open with this key.
    #[error("wrong key or corrupt payload")]
    Key,
    /// What opened does not have the sum that came with it.
    #[error("checksum mismatch")]
    Checksum,
    /// What would be sent is longer than a frame can hold.
    #[error("a message of {length} bytes is too long to be sent")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// A line is not an entry of a key file.
    #[error("a line is not `ID NAME IP KEY`")]
    KeyLine,
    /// An agent that does not enrol has no key.
    #[error("there is no key in `{}`", path.display())]
    NoKey {
        /// The key file.
        path: PathBuf,
    },
    /// A file is not the state of an agent.
    #[error("the agent's state has no `{key}` that can be read")]
    State {
        /// What is missing, or has a value that it cannot have.
        key: &'static str,
    },
    /// What the manager answered to an enrolment is not an answer that is known.
    #[error("the reply to the enrolment is not well formed")]
    Reply,
    /// Certificates or keys could not be used.
    #[error("the certificates cannot be used")]
    Tls {
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// A file holds no certificate or key in PEM.
    #[error("`{}` holds no PEM of the kind that is needed", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The reader's complaint.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// A file's authorities cannot vouch for agents.
    #[error("the authorities in `{}` cannot be used", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::server::VerifierBuilderError,
    },
    /// A certificate for the manager itself could not be made.
    #[error("no certificate could be made")]
    Certificate {
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// A word that is not one of those which are known.
    #[error("`{text}` is not {what}: write {known}")]
    UnknownWord {
        /// The word.
        text: String,
        /// What it should be, with an article.
        what: &'static str,
        /// What can be written.
        known: &'static str,
    },
    /// A name has no address.
    #[error("no address for `{name}`{}", .why.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    Unresolved {
        /// The name.
        name: String,
        /// Why not, where that is known.
        why: Option<String>,
    },
    /// The system has no randomness to give.
    #[error("the system has no random bytes")]
    Random,
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

    /// For words that cannot be parsed.
    pub(crate) fn unknown_word(text: &str, what: &'static str, known: &'static str) -> Self {
        Self::UnknownWord {
            text: text.to_owned(),
            what,
            known,
        }
    }

    /// For `map_err` on sockets.
    pub(crate) fn network(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Network { doing, source }
    }
}
