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

    /// Whether the connection ended before the first byte of a reply.
    pub(crate) fn is_unanswered(&self) -> bool {
        let Self::Lost(lost) = self else {
            return false;
        };
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(lost.as_ref());
        while let Some(one) = cause {
            if let Some(fault) = one.downcast_ref::<hyper::Error>() {
                return fault.is_incomplete_message();
            }
            cause = one.source();
        }
        false
    }
}

impl From<kube::Error> for Error {
    fn from(source: kube::Error) -> Self {
        Self::Lost(Box::new(source))
    }
}
