//! The words for what happened: an [`Answer`] can be expected, [`Verdict::Broken`] cannot.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Refuser, StorageSeal};

/// What a cluster answered, in one word; the only words a scenario can expect. Each word has one
/// meaning, and each action can give only some of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// The API server took a change (it may have changed the object itself: the detail says what).
    Admitted,
    /// The API server, or the kubelet behind it, let the identity read, or run a command.
    Allowed,
    /// Admission refused the request, and said who.
    Denied {
        /// What refused.
        by: Refuser,
    },
    /// Authorization refused: the identity has no right to this.
    Forbidden,
    /// The credentials are not accepted (any more).
    Unauthenticated,
    /// The object is not valid for its schema, its type is not known to the server, or objects of
    /// its type cannot be selected by the field that the request names.
    Invalid,
    /// The object, or the namespace or account that the request names, is not there.
    NotFound,
    /// The object is there already, or is not as the request takes it to be.
    Conflict,
    /// The API server cannot encrypt the object, or cannot decrypt what is stored.
    EncryptionFailed,
    /// The pod (or every pod of the workload), the process or the node really runs.
    Running,
    /// It was created or started, and it never ran; says who or what refused.
    NotStarted {
        /// What refused.
        by: Refuser,
    },
    /// The process or the node does not run, or does nothing (frozen), as was asked.
    Stopped,
    /// The API server uses the new configuration.
    Reloaded,
    /// The API server does not take the new configuration, and goes on with the old one.
    NotReloaded,
    /// What the step makes or does is made or done: an image, a copy, a signature, a snapshot, a
    /// setting.
    Done,
    /// It could not be made or done; says why.
    NotDone {
        /// Why.
        why: RejectionReason,
    },
    /// The rewrite ended before its end, as was asked.
    Interrupted,
    /// The record holds what was looked for.
    Found,
    /// The record does not hold it, while it was shown to be recording.
    Absent,
    /// The signature or attestation is what was asked for.
    Verified,
    /// It is not; says why.
    VerificationFailed {
        /// Why.
        why: RejectionReason,
    },
    /// No vulnerability of the severity in question is known.
    Clean,
    /// A vulnerability of the severity in question is known.
    Vulnerable,
    /// The bill of materials names nothing, so nothing was looked up.
    NothingToScan,
    /// Every Secret can be read, and holds what was written.
    Intact,
    /// Not every Secret can be read as it was written.
    Damaged,
    /// The bytes in etcd hold the object as it is.
    Plaintext,
    /// The bytes in etcd are encrypted, and hold none of the planted values.
    Encrypted {
        /// The provider that encrypted them.
        with: StorageSeal,
    },
    /// The place has the new value.
    Updated,
    /// The place still had the old value when the time was over.
    Stale,
    /// The connection got through, or the agent to its manager.
    Reached,
    /// It did not; says how far it came.
    Blocked {
        /// The stage at which it ended.
        at: ConnectionStage,
    },
    /// Every event arrived.
    Delivered,
    /// Events are missing.
    Lost,
}

impl Answer {
    /// Its word in a scenario.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Allowed => "allowed",
            Self::Denied { .. } => "denied",
            Self::Forbidden => "forbidden",
            Self::Unauthenticated => "unauthenticated",
            Self::Invalid => "invalid",
            Self::NotFound => "not-found",
            Self::Conflict => "conflict",
            Self::EncryptionFailed => "encryption-failed",
            Self::Running => "running",
            Self::NotStarted { .. } => "not-started",
            Self::Stopped => "stopped",
            Self::Reloaded => "reloaded",
            Self::NotReloaded => "not-reloaded",
            Self::Done => "done",
            Self::NotDone { .. } => "not-done",
            Self::Interrupted => "interrupted",
            Self::Found => "found",
            Self::Absent => "absent",
            Self::Verified => "verified",
            Self::VerificationFailed { .. } => "verification-failed",
            Self::Clean => "clean",
            Self::Vulnerable => "vulnerable",
            Self::NothingToScan => "nothing-to-scan",
            Self::Intact => "intact",
            Self::Damaged => "damaged",
            Self::Plaintext => "plaintext",
            Self::Encrypted { .. } => "encrypted",
            Self::Updated => "updated",
            Self::Stale => "stale",
            Self::Reached => "reached",
            Self::Blocked { .. } => "blocked",
            Self::Delivered => "delivered",
            Self::Lost => "lost",
        }
    }

    /// Whether this shows a cluster at work; a dead API server can give none of these.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        match self {
            Self::Admitted
            | Self::Allowed
            | Self::Running
            | Self::Reloaded
            | Self::Found
            | Self::Verified
            | Self::Clean
            | Self::Intact
            | Self::Plaintext
            | Self::Encrypted { .. }
            | Self::Updated
            | Self::Reached
            | Self::Delivered => true,
            Self::Denied { .. }
            | Self::Forbidden
            | Self::Unauthenticated
            | Self::Invalid
            | Self::NotFound
            | Self::Conflict
            | Self::EncryptionFailed
            | Self::NotStarted { .. }
            | Self::Stopped
            | Self::NotReloaded
            | Self::Done
            | Self::NotDone { .. }
            | Self::Interrupted
            | Self::Absent
            | Self::VerificationFailed { .. }
            | Self::Vulnerable
            | Self::NothingToScan
            | Self::Damaged
            | Self::Stale
            | Self::Blocked { .. }
            | Self::Lost => false,
        }
    }
}

/// Why an artifact did not pass, or was not made, from what the tool said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RejectionReason {
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
    /// No entry in the transparency log that is trusted. (cosign says the same where the entry is
    /// of another log.)
    NoLogEntry,
    /// The entry is not of a log that is trusted.
    UntrustedLog,
    /// No timestamp.
    NoTimestamp,
    /// The timestamp is not of an authority that is trusted.
    UntrustedTimestamp,
    /// The certificate is not of an authority that is trusted.
    UntrustedAuthority,
    /// The certificate has expired, or its authority is not trusted: cosign does not say which.
    InvalidCertificate,
    /// The log entry that came with the signature is not the entry of this signature.
    OtherLogEntry,
    /// No attestation of the type that was asked for.
    NoAttestation,
    /// What an attestation of that type states does not satisfy the policy. (cosign says the same of a
    /// policy that it cannot read.)
    RefusedByPolicy,
    /// It is signed, and not with the annotation that was asked for.
    WrongAnnotation,
    /// What is attached cannot be read.
    Unreadable,
    /// The trusted root cannot be read, or there is none.
    NoTrustedRoot,
    /// The certificate authority did not accept the token.
    TokenRefused,
    /// The registry does not hold it, or does not give it to us.
    NotGiven,
}

impl fmt::Display for RejectionReason {
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
            Self::RefusedByPolicy => "refused-by-policy",
            Self::WrongAnnotation => "wrong-annotation",
            Self::Unreadable => "unreadable",
            Self::NoTrustedRoot => "no-trusted-root",
            Self::TokenRefused => "token-refused",
            Self::NotGiven => "not-given",
        })
    }
}

/// How far something came on the wire: the stage that it did not get through.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionStage {
    /// The name has no address, or no name server answered.
    Dns,
    /// No connection: refused, unreachable, or no answer in time. (UDP has none: there it is
    /// `reply`.)
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

impl fmt::Display for ConnectionStage {
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
        let word = self.word();
        match self {
            Self::Denied { by } => write!(f, "{word} by {by}"),
            Self::NotStarted { by } => write!(f, "{word}: {by}"),
            Self::NotDone { why } | Self::VerificationFailed { why } => write!(f, "{word}: {why}"),
            Self::Encrypted { with } => write!(f, "{word}: {with}"),
            Self::Blocked { at } => write!(f, "{word} at {at}"),
            Self::Admitted
            | Self::Allowed
            | Self::Forbidden
            | Self::Unauthenticated
            | Self::Invalid
            | Self::NotFound
            | Self::Conflict
            | Self::EncryptionFailed
            | Self::Running
            | Self::Stopped
            | Self::Reloaded
            | Self::NotReloaded
            | Self::Done
            | Self::Interrupted
            | Self::Found
            | Self::Absent
            | Self::Verified
            | Self::Clean
            | Self::Vulnerable
            | Self::NothingToScan
            | Self::Intact
            | Self::Damaged
            | Self::Plaintext
            | Self::Updated
            | Self::Stale
            | Self::Reached
            | Self::Delivered
            | Self::Lost => f.write_str(word),
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
        /// The reason, for a person.
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
    pub fn meets_intent(&self, intended: &Answer) -> bool {
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
