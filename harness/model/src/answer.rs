//! The words for what happened: an [`Answer`] can be expected, [`Verdict::Broken`] cannot.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{By, Seal};

/// What a cluster answered, in one word; the only words a scenario can expect.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// The API server took the request (it may have changed the object: the detail says what).
    Admitted,
    /// Admission refused the request, and said who.
    Denied {
        /// Who refused.
        by: By,
    },
    /// Authorization refused: the identity has no right to this.
    Forbidden,
    /// The credentials are not accepted (any more).
    Unauthenticated,
    /// The object is not valid for its schema, or its type is not known to the server.
    Invalid,
    /// The object, or the namespace or account that the request names, is not there.
    NotFound,
    /// The object is there already, or is not as the request takes it to be.
    Conflict,
    /// The pod (or every pod of the workload) really runs.
    Running,
    /// Created, but it never started; says who or what refused.
    Refused {
        /// Who refused.
        by: By,
    },
    /// The record holds what was looked for.
    Seen,
    /// The record does not hold it, while it was shown to be recording.
    Unseen,
    /// It was made or done: an image, a copy, a signature, a snapshot, another setting of a test's own service.
    Made,
    /// The signature, attestation or bill of materials is what was asked for.
    Verified,
    /// It is not, or it could not be made; says why.
    Rejected {
        /// Why.
        why: Why,
    },
    /// The process does not run, or does nothing (frozen), as was asked.
    Stopped,
    /// The bytes in etcd hold the object as it is.
    Plaintext,
    /// The bytes in etcd are sealed, and hold none of the planted values.
    Sealed {
        /// The provider that sealed them.
        with: Seal,
    },
    /// What was asked over the wire was answered.
    Reached,
    /// It was not; says how far it came.
    Blocked {
        /// The stage at which it ended.
        at: At,
    },
}

impl Answer {
    /// Whether this shows a cluster at work; a dead API server can give none of these.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        matches!(
            self,
            Self::Admitted
                | Self::Running
                | Self::Seen
                | Self::Verified
                | Self::Plaintext
                | Self::Sealed { .. }
                | Self::Reached
        )
    }
}

/// Why an artifact was rejected, from what the tool said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Nothing is attached to the image.
    NoSignature,
    /// No signature is by this key.
    WrongKey,
    /// The certificate is for another subject, or its token was of another issuer.
    WrongIdentity,
    /// The signature speaks of another digest.
    OtherDigest,
    /// The certificate was not valid at the only time that is known.
    Expired,
    /// No entry in the transparency log that is trusted. (cosign says the same where the entry is of another log.)
    NoLogEntry,
    /// The entry is not of a log that is trusted.
    UntrustedLog,
    /// No timestamp.
    NoTimestamp,
    /// The timestamp is not of an authority that is trusted.
    UntrustedTimestamp,
    /// The certificate is not of an authority that is trusted.
    UntrustedAuthority,
    /// The certificate is over or of no authority that is trusted: cosign does not say which.
    InvalidCertificate,
    /// The log entry that came with the signature is not the entry of this signature.
    OtherLogEntry,
    /// No attestation of the type that was asked for.
    NoAttestation,
    /// What is attached cannot be read.
    Unreadable,
    /// The trusted root cannot be read, or there is none.
    NoTrustedRoot,
    /// The certificate authority did not accept the token.
    TokenRefused,
    /// The registry does not hold it, or does not give it to us.
    NotGiven,
    /// A vulnerability of the severity in question is known.
    Vulnerable,
    /// The bill of materials names nothing.
    Empty,
    /// Not everything that was written can be read again as it was.
    Lost,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSignature => "no-signature",
            Self::WrongKey => "wrong-key",
            Self::WrongIdentity => "wrong-identity",
            Self::OtherDigest => "other-digest",
            Self::Expired => "expired",
            Self::NoLogEntry => "no-log-entry",
            Self::UntrustedLog => "untrusted-log",
            Self::NoTimestamp => "no-timestamp",
            Self::UntrustedTimestamp => "untrusted-timestamp",
            Self::UntrustedAuthority => "untrusted-authority",
            Self::InvalidCertificate => "invalid-certificate",
            Self::OtherLogEntry => "other-log-entry",
            Self::NoAttestation => "no-attestation",
            Self::Unreadable => "unreadable",
            Self::NoTrustedRoot => "no-trusted-root",
            Self::TokenRefused => "token-refused",
            Self::NotGiven => "not-given",
            Self::Vulnerable => "vulnerable",
            Self::Empty => "empty",
            Self::Lost => "lost",
        })
    }
}

/// How far something came on the wire: the stage that it did not get through.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum At {
    /// The name has no address, or nobody said so.
    Dns,
    /// No connection: refused, unreachable, or no answer in time. (UDP has none: there it is `reply`.)
    Connect,
    /// No TLS session: the handshake failed, or the peer's certificate is not accepted.
    Tls,
    /// The connection was there, and the request could not be sent.
    Request,
    /// The request was sent, and no answer came, or not the one that was wanted.
    Reply,
    /// The manager did not enrol the agent.
    Enrol,
    /// The manager does not take what is sealed with the agent's key.
    Key,
    /// The agent was let in, and its events do not arrive.
    Event,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Request => "request",
            Self::Reply => "reply",
            Self::Enrol => "enrol",
            Self::Key => "key",
            Self::Event => "event",
        })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admitted => f.write_str("admitted"),
            Self::Denied { by } => write!(f, "denied by {by}"),
            Self::Forbidden => f.write_str("forbidden"),
            Self::Unauthenticated => f.write_str("unauthenticated"),
            Self::Invalid => f.write_str("invalid"),
            Self::NotFound => f.write_str("not-found"),
            Self::Conflict => f.write_str("conflict"),
            Self::Running => f.write_str("running"),
            Self::Refused { by } => write!(f, "refused by {by}"),
            Self::Seen => f.write_str("seen"),
            Self::Unseen => f.write_str("unseen"),
            Self::Made => f.write_str("made"),
            Self::Verified => f.write_str("verified"),
            Self::Rejected { why } => write!(f, "rejected: {why}"),
            Self::Stopped => f.write_str("stopped"),
            Self::Plaintext => f.write_str("plaintext"),
            Self::Sealed { with } => write!(f, "sealed: {with}"),
            Self::Reached => f.write_str("reached"),
            Self::Blocked { at } => write!(f, "blocked at {at}"),
        }
    }
}

/// What one cell of the table says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The cluster gave an answer.
    Answered(Answer),
    /// It could not be tried, or the reply is not one that is known. Meets no expectation.
    Broken {
        /// What stood in the way, for a person.
        why: String,
    },
}

impl Verdict {
    /// Shorthand for [`Verdict::Broken`].
    #[must_use]
    pub fn broken(why: impl Into<String>) -> Self {
        Self::Broken { why: why.into() }
    }

    /// Whether this is exactly what was intended. `Broken` never is.
    #[must_use]
    pub fn meets(&self, intended: &Answer) -> bool {
        matches!(self, Self::Answered(answer) if answer == intended)
    }
}

impl From<Answer> for Verdict {
    fn from(answer: Answer) -> Self {
        Self::Answered(answer)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(answer) => answer.fmt(f),
            Self::Broken { why } => write!(f, "broken: {why}"),
        }
    }
}
