//! How an attempt at a target ended: the stage, the reason, and what was learned on the way.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{Error, read_line, write_line};

/// The stage that was not got through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptStage {
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

/// Why it was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultReason {
    /// The peer's kernel says that nothing listens there.
    Refused,
    /// Nothing came in time.
    TimedOut,
    /// A router says that there is no way.
    Unreachable,
    /// Our own kernel forbids it.
    NotPermitted,
    /// The connection was broken off.
    Reset,
    /// The peer ended the connection.
    Closed,
    /// There is no such name.
    #[serde(rename = "nxdomain")]
    NoSuchName,
    /// The name is there, and has no address.
    NoAddress,
    /// No name server answered in time.
    NoAnswer,
    /// The name server failed.
    ServerFailure,
    /// There is no name server to ask, or the name is not one.
    NotAsked,
    /// An answer that cannot be read.
    Malformed,
    /// The certificate is of no authority that the client trusts.
    CertificateUnknown,
    /// The certificate is not valid any more.
    CertificateExpired,
    /// The certificate is not valid yet.
    CertificateNotYetValid,
    /// The certificate is for another name.
    CertificateName,
    /// The peer does not speak TLS.
    NotTls,
    /// The peer ended the handshake, or offers nothing that we do.
    Handshake,
    /// Another server answered.
    OtherServer,
    /// Something else.
    Other,
}

impl FaultReason {
    /// Its word, as it is recorded.
    #[must_use]
    pub fn word(self) -> &'static str {
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
}

impl fmt::Display for FaultReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Where an attempt ended, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockedAttempt {
    /// The stage.
    pub at: AttemptStage,
    /// The reason.
    pub reason: FaultReason,
}

impl BlockedAttempt {
    /// At this stage, for this reason.
    #[must_use]
    pub fn new(at: AttemptStage, reason: FaultReason) -> Self {
        Self { at, reason }
    }
}

/// What DNS went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsTransport {
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
}

impl DnsTransport {
    /// Its word, as it is recorded.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// What the probe says of one attempt, or of a connection that it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ReportLine", into = "ReportLine")]
pub struct ProbeReport {
    /// What was tried.
    pub target: String,
    /// Whether an answer came that is right, or where it ended instead.
    pub end: Result<(), BlockedAttempt>,
    /// What was learned on the way.
    pub facts: AttemptFacts,
    /// How many lines went out and back over a connection that is held.
    pub exchanges: Option<u64>,
    /// Whether it stays so; nothing, where that was not to be found out.
    pub lasts: Option<bool>,
    /// How long it took, or lived, in milliseconds.
    pub ms: f64,
}

/// What an attempt learned, as far as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptFacts {
    /// The name server that was asked.
    pub dns: Option<SocketAddr>,
    /// Over what it was asked.
    pub dns_over: Option<DnsTransport>,
    /// The name that was found, of a name that was asked for.
    pub name: Option<String>,
    /// What a name stands for.
    pub addresses: Vec<IpAddr>,
    /// The address that was tried.
    pub address: Option<SocketAddr>,
    /// The status of an HTTP reply.
    pub status: Option<u16>,
    /// The server that answered, by its own name.
    pub by: Option<String>,
    /// The address as which the server saw the client.
    pub seen_as: Option<IpAddr>,
}

impl ProbeReport {
    /// Reads one line.
    ///
    /// # Errors
    /// When it is not such a line, or does not say whether the target was reached or else where and
    /// why it was not.
    pub fn read(line: &[u8]) -> Result<Self, Error> {
        read_line("a report of the probe", line)
    }

    /// The line, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        write_line(self)
    }

    /// Whether an answer came that is right.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.end.is_ok()
    }

    /// Why none came.
    #[must_use]
    pub fn reason(&self) -> Option<FaultReason> {
        self.end.err().map(|blocked| blocked.reason)
    }
}

/// How an attempt ended, in the words of a line.
pub(crate) struct AttemptEnding {
    pub(crate) reached: bool,
    pub(crate) at: Option<AttemptStage>,
    pub(crate) reason: Option<FaultReason>,
}

impl From<Result<(), BlockedAttempt>> for AttemptEnding {
    fn from(end: Result<(), BlockedAttempt>) -> Self {
        Self {
            reached: end.is_ok(),
            at: end.err().map(|blocked| blocked.at),
            reason: end.err().map(|blocked| blocked.reason),
        }
    }
}

impl TryFrom<AttemptEnding> for Result<(), BlockedAttempt> {
    type Error = &'static str;

    fn try_from(ending: AttemptEnding) -> Result<Self, &'static str> {
        match (ending.reached, ending.at, ending.reason) {
            (true, None, None) => Ok(Ok(())),
            (false, Some(at), Some(reason)) => Ok(Err(BlockedAttempt { at, reason })),
            (true, _, _) => Err("it says that it was reached, and where it ended instead"),
            (false, _, _) => Err("it says neither that it was reached nor where it ended and why"),
        }
    }
}

/// A report as it is written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportLine {
    target: String,
    reached: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<AttemptStage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<FaultReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dns: Option<SocketAddr>,
    #[serde(default, rename = "dns over", skip_serializing_if = "Option::is_none")]
    dns_over: Option<DnsTransport>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<SocketAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(default, rename = "seen as", skip_serializing_if = "Option::is_none")]
    seen_as: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exchanges: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lasts: Option<bool>,
    ms: f64,
}

impl TryFrom<ReportLine> for ProbeReport {
    type Error = &'static str;

    fn try_from(line: ReportLine) -> Result<Self, &'static str> {
        let ending = AttemptEnding {
            reached: line.reached,
            at: line.at,
            reason: line.reason,
        };
        Ok(Self {
            target: line.target,
            end: ending.try_into()?,
            facts: AttemptFacts {
                dns: line.dns,
                dns_over: line.dns_over,
                name: line.name,
                addresses: line.addresses,
                address: line.address,
                status: line.status,
                by: line.by,
                seen_as: line.seen_as,
            },
            exchanges: line.exchanges,
            lasts: line.lasts,
            ms: line.ms,
        })
    }
}

impl From<ProbeReport> for ReportLine {
    fn from(report: ProbeReport) -> Self {
        let (ending, facts) = (AttemptEnding::from(report.end), report.facts);
        Self {
            target: report.target,
            reached: ending.reached,
            at: ending.at,
            reason: ending.reason,
            dns: facts.dns,
            dns_over: facts.dns_over,
            name: facts.name,
            addresses: facts.addresses,
            address: facts.address,
            status: facts.status,
            by: facts.by,
            seen_as: facts.seen_as,
            exchanges: report.exchanges,
            lasts: report.lasts,
            ms: report.ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_report_only_if_it_says_how_it_ended() {
        let read = |text: &str| ProbeReport::read(text.as_bytes());
        let reached =
            read(r#"{"target":"t","reached":true,"by":"web","seen as":"10.0.0.1","ms":0.2}"#);
        assert!(reached.unwrap().is_reached());
        let line =
            r#"{"target":"t","reached":false,"at":"tls","reason":"certificate-name","ms":3.0}"#;
        let blocked = read(line).unwrap();
        let wanted = BlockedAttempt::new(AttemptStage::Tls, FaultReason::CertificateName);
        assert_eq!(blocked.end, Err(wanted));
        assert_eq!(blocked.line().trim_end(), line);
        for text in [
            "",
            "probe: no",
            "{}",
            "{}\n{}",
            r#"{"target":"t","reached":false,"ms":1}"#,
            r#"{"target":"t","reached":false,"at":"dns","ms":1}"#,
            r#"{"target":"t","reached":true,"at":"dns","reason":"other","ms":1}"#,
            r#"{"target":"t","reached":false,"at":"nowhere","reason":"other","ms":1}"#,
            r#"{"target":"t","reached":false,"at":"dns","reason":"mood","ms":1}"#,
            r#"{"target":"t","reached":true,"mood":"good","ms":1}"#,
        ] {
            let fault = read(text).unwrap_err().to_string();
            assert!(fault.ends_with("is not a report of the probe"), "{fault}");
        }
    }

    #[test]
    fn a_reason_is_recorded_by_the_word_of_its_line() {
        for reason in [
            FaultReason::NoSuchName,
            FaultReason::TimedOut,
            FaultReason::OtherServer,
        ] {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.word());
        }
        let dns_over = DnsTransport::Udp;
        assert_eq!(serde_json::to_value(dns_over).unwrap(), dns_over.word());
    }
}
