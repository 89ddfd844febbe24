//! Why there is no reply, or not the one that was asked for.

use std::time::Duration;

use model::ApiReply;
use thiserror::Error;

use crate::reply::{reply_message, status_code};

/// No reply, or not the one that was asked for.
#[derive(Debug, Error)]
pub enum Error {
    /// The request cannot be written down.
    #[error(transparent)]
    Request(#[from] http::Error),
    /// The connection was not made, or broke before the reply's end.
    #[error(transparent)]
    Lost(Box<kube::Error>),
    /// The server took too long.
    #[error("no reply within {} s", within.as_secs())]
    Late {
        /// How long it had.
        within: Duration,
    },
    /// The server said something else than what it was asked for.
    #[error("{said}")]
    Unexpected {
        /// The reply's status code, where it came over HTTP.
        code: Option<u16>,
        /// The code and the server's words.
        said: String,
    },
}

impl Error {
    /// A reply that is not what was asked for.
    #[must_use]
    pub fn unexpected(reply: &ApiReply) -> Self {
        Self::Unexpected {
            code: status_code(reply),
            said: reply_message(reply),
        }
    }
}

impl From<kube::Error> for Error {
    fn from(source: kube::Error) -> Self {
        Self::Lost(Box::new(source))
    }
}
