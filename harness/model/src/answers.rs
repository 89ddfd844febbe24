//! Which answers an action can give. One exhaustive match: a new action does not compile until
//! somebody has said what it can answer.

use crate::{Action, Answer, ConnectionStage, Refuser, RejectionReason};

/// What a change can answer, sent to the API server.
const CHANGE_ANSWERS: &[&str] = &[
    "admitted",
    "denied",
    "forbidden",
    "unauthenticated",
    "invalid",
    "not-found",
    "conflict",
    "encryption-failed",
];

/// What a read can answer. Admission has a say where the API server connects to something else.
const READ_ANSWERS: &[&str] = &[
    "allowed",
    "denied",
    "forbidden",
    "unauthenticated",
    "invalid",
    "not-found",
    "encryption-failed",
];

/// What a read of a collection can answer: admission has no say in it.
const LIST_ANSWERS: &[&str] = &[
    "allowed",
    "forbidden",
    "unauthenticated",
    "invalid",
    "not-found",
    "encryption-failed",
];

/// Many changes at once: the first that is turned down is the answer.
const MANY_CHANGES_ANSWERS: &[&str] = &[
    "done",
    "denied",
    "forbidden",
    "unauthenticated",
    "invalid",
    "not-found",
    "conflict",
    "encryption-failed",
];

/// The same, where the API server may be killed meanwhile.
const REWRITE_ANSWERS: &[&str] = &[
    "done",
    "interrupted",
    "denied",
    "forbidden",
    "unauthenticated",
    "invalid",
    "not-found",
    "conflict",
    "encryption-failed",
];

impl Action {
    /// The words of the answers that it can give.
    #[must_use]
    pub fn answers(&self) -> &'static [&'static str] {
        match self {
            Self::Create(_)
            | Self::Apply(_)
            | Self::Update(_)
            | Self::Patch { .. }
            | Self::UpdateSubresource { .. }
            | Self::Delete(_)
            | Self::DeleteCollection(_)
            | Self::DeleteLabelled { .. }
            | Self::Label { .. }
            | Self::Evict(_)
            | Self::EphemeralContainer { .. }
            | Self::Bind { .. }
            | Self::Token { .. }
            | Self::Scale { .. }
            | Self::Rotate(_) => CHANGE_ANSWERS,
            Self::Get(_)
            | Self::Path(_)
            | Self::Exec { .. }
            | Self::AttachPod(_)
            | Self::PortForward(_) => READ_ANSWERS,
            Self::List { .. } => LIST_ANSWERS,
            Self::CreateSecrets(_) => MANY_CHANGES_ANSWERS,
            Self::RewriteSecrets(_) => REWRITE_ANSWERS,
            Self::CheckSecrets => &["intact", "damaged"],
            Self::WaitRunning(_) => &["running", "not-started"],
            Self::Reach(_)
            | Self::OpenConnection(_)
            | Self::CheckConnection(_)
            | Self::CheckAgent(_) => &["reached", "blocked"],
            Self::CheckDelivery(_) => &["delivered", "lost"],
            Self::LookFor(_) => &["found", "absent"],
            Self::CheckPropagation(_) => &["updated", "stale"],
            Self::Build(_) | Self::Kms(_) | Self::CopyEtcdValue(_) | Self::Snapshot(_) => &["done"],
            Self::Push(_)
            | Self::Copy(_)
            | Self::Index(_)
            | Self::Tamper(_)
            | Self::Corrupt(_)
            | Self::Sbom(_)
            | Self::Attach(_)
            | Self::Sign(_)
            | Self::Attest(_) => &["done", "not-done"],
            Self::Verify(_) => &["verified", "verification-failed"],
            Self::Scan(_) => &["clean", "vulnerable", "nothing-to-scan", "not-done"],
            Self::ReadEtcdValue(_) => &["plaintext", "encrypted"],
            Self::SetEncryption(_) => &["done", "reloaded", "not-reloaded", "not-started"],
            Self::Process(_) => &["running", "stopped", "not-started"],
            Self::Node(_) => &["running", "stopped"],
            Self::Restore(_) => &["running", "not-started"],
        }
    }

    /// Whether it can give this very answer: not only the word, but who refused and how far it
    /// came.
    #[must_use]
    pub fn can_answer(&self, answer: &Answer) -> bool {
        self.answers().contains(&answer.word())
            && match answer {
                Answer::Denied { by } => is_asked(by),
                // A process of the box ends by itself; whatever else refuses, refuses a pod.
                Answer::NotStarted { by } => {
                    matches!(self, Self::WaitRunning(_)) != matches!(by, Refuser::Process(_))
                }
                Answer::NotDone { why } => is_of_making(*why),
                Answer::VerificationFailed { why } => *why != RejectionReason::TokenRefused,
                Answer::Blocked { at } if matches!(self, Self::CheckAgent(_)) => is_of_agents(*at),
                Answer::Blocked { at } => is_of_the_wire(*at),
                Answer::Admitted
                | Answer::Allowed
                | Answer::Forbidden
                | Answer::Unauthenticated
                | Answer::Invalid
                | Answer::NotFound
                | Answer::Conflict
                | Answer::EncryptionFailed
                | Answer::Running
                | Answer::Stopped
                | Answer::Reloaded
                | Answer::NotReloaded
                | Answer::Done
                | Answer::Interrupted
                | Answer::Found
                | Answer::Absent
                | Answer::Verified
                | Answer::Clean
                | Answer::Vulnerable
                | Answer::NothingToScan
                | Answer::Intact
                | Answer::Damaged
                | Answer::Plaintext
                | Answer::Encrypted { .. }
                | Answer::Updated
                | Answer::Stale
                | Answer::Reached
                | Answer::Delivered
                | Answer::Lost => true,
            }
    }
}

/// Whether somebody has a say while a request is decided; the others act later.
fn is_asked(by: &Refuser) -> bool {
    match by {
        Refuser::PodSecurity
        | Refuser::Policy(_)
        | Refuser::Webhook(_)
        | Refuser::FailingClosed(_)
        | Refuser::Engine { .. }
        | Refuser::RbacEscalation
        | Refuser::CertificateApproval
        | Refuser::CertificateSubjectRestriction
        | Refuser::NodeRestriction
        | Refuser::Plugin(_)
        | Refuser::Quota(_)
        | Refuser::DisruptionBudget => true,
        Refuser::Kubelet(_)
        | Refuser::Container(_)
        | Refuser::Process(_)
        | Refuser::Scheduler(_)
        | Refuser::Controller(_) => false,
    }
}

/// Whether it can stand in the way of making something.
fn is_of_making(why: RejectionReason) -> bool {
    match why {
        RejectionReason::Unreadable
        | RejectionReason::NotGiven
        | RejectionReason::TokenRefused
        | RejectionReason::NoTimestamp
        | RejectionReason::NoTrustedRoot => true,
        RejectionReason::NoSignature
        | RejectionReason::WrongKey
        | RejectionReason::WrongIdentity
        | RejectionReason::OtherDigest
        | RejectionReason::Expired
        | RejectionReason::NoLogEntry
        | RejectionReason::UntrustedLog
        | RejectionReason::UntrustedTimestamp
        | RejectionReason::UntrustedAuthority
        | RejectionReason::InvalidCertificate
        | RejectionReason::OtherLogEntry
        | RejectionReason::NoAttestation
        | RejectionReason::WrongAnnotation
        | RejectionReason::RefusedByPolicy => false,
    }
}

/// Whether a connection can end there.
fn is_of_the_wire(at: ConnectionStage) -> bool {
    match at {
        ConnectionStage::Dns
        | ConnectionStage::Connect
        | ConnectionStage::Tls
        | ConnectionStage::Request
        | ConnectionStage::Reply => true,
        ConnectionStage::Enrol | ConnectionStage::Key | ConnectionStage::Event => false,
    }
}

/// Whether an agent can be stopped there.
fn is_of_agents(at: ConnectionStage) -> bool {
    match at {
        ConnectionStage::Dns
        | ConnectionStage::Connect
        | ConnectionStage::Tls
        | ConnectionStage::Enrol
        | ConnectionStage::Key
        | ConnectionStage::Event => true,
        ConnectionStage::Request | ConnectionStage::Reply => false,
    }
}
