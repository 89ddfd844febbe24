//! What the kernel says, in the protocol's words.

use std::io::{self, ErrorKind};

use probe_protocol::{Blocked, Reason, Stage};

/// The word for what the kernel said.
pub(crate) fn reason_of(fault: &io::Error) -> Reason {
    match fault.kind() {
        ErrorKind::ConnectionRefused => Reason::Refused,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Reason::TimedOut,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Reason::Unreachable,
        ErrorKind::PermissionDenied => Reason::NotPermitted,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            Reason::Reset
        }
        ErrorKind::UnexpectedEof => Reason::Closed,
        ErrorKind::InvalidData => Reason::Malformed,
        _ => Reason::Other,
    }
}

/// For `map_err`: what the kernel said at this stage.
pub(crate) fn blocked_at(stage: Stage) -> impl Fn(io::Error) -> Blocked {
    move |fault| Blocked::new(stage, reason_of(&fault))
}
