//! What came back over the wire, before it is interpreted.

use serde_json::Value;

/// What was asked, as far as it matters to the reading of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyContext {
    /// A request that changes an object, a collection or a subresource: admission has a say in it.
    Change,
    /// A request that reads one, or a path of the API server.
    Read,
    /// A request that the API server hands on to a kubelet (`nodes/proxy`, `exec`), whose own
    /// refusal is plain text.
    Kubelet,
}

/// One reply, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum ApiReply {
    /// An HTTP reply, complete.
    Http {
        /// The status code.
        code: u16,
        /// The body: JSON where it is JSON.
        body: ReplyBody,
        /// The texts of its `Warning` headers, in order.
        warnings: Vec<String>,
    },
    /// No reply: connection refused, reset, a time-out, a TLS fault.
    Transport {
        /// The fault, for a person.
        fault: String,
    },
}

/// A reply's body.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplyBody {
    /// It parsed as JSON.
    Json(Value),
    /// It did not: its text, lossily decoded.
    Text(String),
}

impl ReplyBody {
    /// The body of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).map_or_else(
            |_| Self::Text(String::from_utf8_lossy(bytes).into_owned()),
            Self::Json,
        )
    }
}
