//! Connections that a step tries, and what the probe reports of them.

use probe_protocol::{AttemptStage, ProbeReport};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Answer, ConnectionStage};

/// A connection to try, from a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ConnectionTry {
    /// The pod that tries it; its image is `$(image:probe)`.
    pub from: String,
    /// What it tries: `tcp://HOST:PORT`, `udp://…`, `http://…`, `tls://…`, or
    /// `dns://NAME[@SERVER[:PORT]]`. `$(pod-ip:NAME)`, `$(service-ip:NAME)` and `$(node-ip)` stand
    /// for addresses, and `[$(pod-ipv6:NAME)]` and so on for those of IPv6. Behind a `?`, joined by
    /// `&`: `open` (tcp, tls: to be connected is enough), `by=NAME` (this host has to answer),
    /// `name=`, `authority=`, `ca=FILE` and `insecure` (tls: which authority the client trusts),
    /// `tcp` (dns over TCP from the beginning), `ipv6` (a name's IPv6 address is asked for).
    pub to: String,
    /// No server is meant to answer there, in any world.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_listener: bool,
    /// Within how many seconds the answer that is intended may come: another one is believed once
    /// it has held for this long. Where it is left out, a block that is not intended has to hold
    /// for ten seconds, and what is reached is believed at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<u8>,
}

/// A TCP connection to open and to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HoldConnection {
    /// The pod that opens it; its image is `$(image:probe)`.
    pub from: String,
    /// The target: `tcp://HOST:PORT`, as in `reach`.
    pub to: String,
    /// What later steps call it.
    pub name: String,
}

/// A connection that an earlier step opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HeldConnection {
    /// The pod that holds it.
    pub from: String,
    /// What the step that opened it called it.
    pub name: String,
}

/// What a report of the probe means.
#[must_use]
pub fn read_probe(report: &ProbeReport) -> Answer {
    match report.end {
        Ok(()) => Answer::Reached,
        Err(blocked) => Answer::Blocked {
            at: blocked.at.into(),
        },
    }
}

impl From<AttemptStage> for ConnectionStage {
    fn from(stage: AttemptStage) -> Self {
        match stage {
            AttemptStage::Dns => Self::Dns,
            AttemptStage::Connect => Self::Connect,
            AttemptStage::Tls => Self::Tls,
            AttemptStage::Request => Self::Request,
            AttemptStage::Reply => Self::Reply,
        }
    }
}

/// The pod whose own address a target is: the name in its `$(pod-ip:NAME)` or `[$(pod-ipv6:NAME)]`.
#[must_use]
pub fn target_pod(to: &str) -> Option<&str> {
    target_name(to, ["$(pod-ip:", "[$(pod-ipv6:"])
}

/// The Service whose address is the target of a connection, as its placeholder names it.
#[must_use]
pub fn target_service(to: &str) -> Option<&str> {
    target_name(to, ["$(service-ip:", "[$(service-ipv6:"])
}

/// The name in the placeholder that a target's host begins with.
fn target_name<'a>(to: &'a str, placeholders: [&str; 2]) -> Option<&'a str> {
    let (_, host) = to.split_once("://")?;
    let rest = placeholders.iter().find_map(|one| host.strip_prefix(one))?;
    rest.split_once(')').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_an_answer_with_its_stage() {
        let read = |text: &str| read_probe(&ProbeReport::read(text.as_bytes()).unwrap());
        let reached = read(r#"{"target":"t","reached":true,"by":"web","ms":0.2}"#);
        assert_eq!(reached, Answer::Reached);
        let blocked = r#"{"target":"t","reached":false,"at":"tls","reason":"other","ms":3}"#;
        assert_eq!(
            read(blocked),
            Answer::Blocked {
                at: ConnectionStage::Tls
            }
        );
    }

    #[test]
    fn a_pod_is_known_as_a_target() {
        assert_eq!(target_pod("tcp://$(pod-ip:web):80"), Some("web"));
        assert_eq!(
            target_pod("tcp://$(pod-ip:-shop/web):80?open"),
            Some("-shop/web")
        );
        assert_eq!(target_pod("udp://[$(pod-ipv6:web)]:53"), Some("web"));
        assert_eq!(target_pod("tcp://web:80"), None);
        assert_eq!(target_pod("dns://web@$(pod-ip:dns)"), None);
        assert_eq!(
            target_service("tcp://$(service-ip:default/kubernetes):443"),
            Some("default/kubernetes")
        );
        assert_eq!(target_service("udp://[$(service-ipv6:db)]:53"), Some("db"));
        assert_eq!(target_service("tcp://$(pod-ip:web):80"), None);
    }
}
