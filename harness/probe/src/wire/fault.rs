//! What the kernel says, in the protocol's words.

use std::io::{self, ErrorKind};

use probe_protocol::{AttemptStage, BlockedAttempt, FaultReason};

/// The word for what the kernel said.
pub(crate) fn reason_of(fault: &io::Error) -> FaultReason {
    match fault.kind() {
        ErrorKind::ConnectionRefused => FaultReason::Refused,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => FaultReason::TimedOut,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => FaultReason::Unreachable,
        ErrorKind::PermissionDenied => FaultReason::NotPermitted,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            FaultReason::Reset
        }
        ErrorKind::UnexpectedEof => FaultReason::Closed,
        ErrorKind::InvalidData => FaultReason::Malformed,
        _ => FaultReason::Other,
    }
}

/// For `map_err`: what the kernel said at this stage.
pub(crate) fn blocked_at(stage: AttemptStage) -> impl Fn(io::Error) -> BlockedAttempt {
    move |fault| BlockedAttempt::new(stage, reason_of(&fault))
}
