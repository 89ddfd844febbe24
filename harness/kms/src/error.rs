//! Why the plugin can fail.

use std::io;
use std::path::PathBuf;

/// Why the plugin does not run, or its files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
    /// A file is not what it should be.
    #[error("`{}` is not well formed", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The reader's complaint.
        #[source]
        source: serde_json::Error,
    },
    /// The master key is not valid.
    #[error("`{}` does not hold {wanted} bytes", path.display())]
    Master {
        /// The file.
        path: PathBuf,
        /// How many it should hold.
        wanted: usize,
    },
    /// The system has no randomness to give.
    #[error("the system has no random bytes")]
    Random,
    /// The server ended.
    #[error("the server failed")]
    Server {
        /// Why.
        #[source]
        source: tonic::transport::Error,
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

    /// For `map_err` on reading JSON.
    pub(crate) fn malformed(path: impl Into<PathBuf>) -> impl FnOnce(serde_json::Error) -> Self {
        let path = path.into();
        move |source| Self::Malformed { path, source }
    }
}
