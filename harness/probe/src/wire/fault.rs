//! Where it ended, and why: the fixed words that come out.

use std::io::{self, ErrorKind};

/// The stage that was not got through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// A name for an address.
    Dns,
    /// A connection.
    Connect,
    /// A TLS session.
    Tls,
    /// Sending what is asked.
    Request,
    /// What is answered.
    Reply,
}

impl At {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Request => "request",
            Self::Reply => "reply",
        }
    }
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Refused,
    TimedOut,
    Unreachable,
    NotPermitted,
    Reset,
    Closed,
    /// There is no such name.
    NoSuchName,
    /// The name is there, and has no address.
    NoAddress,
    /// No name server answered in time.
    NoAnswer,
    /// The name server failed.
    ServerFailure,
    /// There is no name server to ask, or the name is none.
    NotAsked,
    /// An answer that cannot be read.
    Malformed,
    CertificateUnknown,
    CertificateExpired,
    CertificateNotYetValid,
    CertificateName,
    /// The peer does not speak TLS.
    NotTls,
    /// The peer ended the handshake, or offers nothing that we do.
    Handshake,
    /// Somebody else answered.
    OtherServer,
    Other,
}

impl Reason {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::TimedOut => "timed-out",
            Self::Unreachable => "unreachable",
            Self::NotPermitted => "not-permitted",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::NoSuchName => "nxdomain",
            Self::NoAddress => "no-address",
            Self::NoAnswer => "no-answer",
            Self::ServerFailure => "server-failure",
            Self::NotAsked => "not-asked",
            Self::Malformed => "malformed",
            Self::CertificateUnknown => "certificate-unknown",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateNotYetValid => "certificate-not-yet-valid",
            Self::CertificateName => "certificate-name",
            Self::NotTls => "not-tls",
            Self::Handshake => "handshake",
            Self::OtherServer => "other-server",
            Self::Other => "other",
        }
    }

    /// The word for what the kernel said.
    pub(crate) fn of(fault: &io::Error) -> Self {
        match fault.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Self::TimedOut,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Self::Unreachable,
            ErrorKind::PermissionDenied => Self::NotPermitted,
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                Self::Reset
            }
            ErrorKind::UnexpectedEof => Self::Closed,
            ErrorKind::InvalidData => Self::Malformed,
            _ => Self::Other,
        }
    }
}

/// The end of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: At,
    pub(crate) reason: Reason,
}

impl Fault {
    pub(crate) fn new(at: At, reason: Reason) -> Self {
        Self { at, reason }
    }

    /// For `map_err`: what the kernel said at this stage.
    pub(crate) fn at(at: At) -> impl Fn(io::Error) -> Self {
        move |fault| Self::new(at, Reason::of(&fault))
    }
}
