//! What is tried on the wire, and what the probe says came of it.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Answer, At, Verdict};

/// A connection to try, from a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Wire {
    /// The pod that tries it; its image is `$(image:probe)`.
    pub from: String,
    /// What it tries: `tcp://HOST:PORT`, `udp://…`, `http://…`, `tls://…`, or `dns://NAME[@SERVER[:PORT]]`.
    /// `$(pod-ip:NAME)`, `$(service-ip:NAME)` and `$(node-ip)` stand for addresses, and `[$(pod-ipv6:NAME)]` and so on for
    /// those of IPv6. Behind a `?`, joined by `&`: `open` (tcp, tls: to be connected is enough), `by=NAME` (this host has
    /// to answer), `name=`, `authority=`, `ca=FILE` and `insecure` (tls: whom the client believes), `tcp` (dns over TCP
    /// from the beginning), `ipv6` (a name's IPv6 address is asked for).
    pub to: String,
    /// Nobody is meant to answer there, in any world.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_listener: bool,
    /// Within how many seconds the answer that is intended may come: another one is believed once it has held for so long.
    /// Where it is left out, a block that is not intended has to hold for ten seconds, and what is reached is believed at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<u8>,
}

/// A TCP connection to open and to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Hold {
    /// The pod that opens it; its image is `$(image:probe)`.
    pub from: String,
    /// To whom: `tcp://HOST:PORT`, as in `reach`.
    pub to: String,
    /// What later steps call it.
    pub name: String,
}

/// A connection that an earlier step opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Held {
    /// The pod that holds it.
    pub from: String,
    /// What the step that opened it called it.
    pub name: String,
}

/// What the probe says of one attempt: a line of JSON.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct ProbeReport {
    /// Whether an answer came that is right.
    pub reached: bool,
    /// Where it ended instead.
    pub at: Option<At>,
    /// Why, in one of the probe's fixed words.
    pub reason: Option<String>,
    /// Who answered, by its own name.
    pub by: Option<String>,
    /// The address as which the server saw the client.
    #[serde(rename = "seen as")]
    pub seen_as: Option<IpAddr>,
    /// What a name stands for.
    pub addresses: Vec<IpAddr>,
    /// Whether a name server was asked over `udp` or `tcp`.
    #[serde(rename = "dns over")]
    pub dns_over: Option<String>,
    /// The status of an HTTP reply.
    pub status: Option<u16>,
    /// How many lines went out and back over a connection that is held.
    pub exchanges: Option<u64>,
    /// Whether it stays so; nothing, where that was not to be found out.
    pub lasts: Option<bool>,
    /// How long it took, or lived.
    pub ms: f64,
}

impl ProbeReport {
    /// Reads the one line that a probe says.
    ///
    /// # Errors
    /// When it is not such a line.
    pub fn read(output: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(output);
        let shown: String = text.trim().chars().take(200).collect();
        serde_json::from_str(text.trim()).map_err(|why| format!("the probe said `{shown}`: {why}"))
    }

    /// What it says, in one line for a person.
    #[must_use]
    pub fn said(&self) -> String {
        format!(
            "{}: {}",
            self.verdict(),
            self.reason.as_deref().unwrap_or_default()
        )
    }

    /// What it means. A fault without a stage is no answer.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.reached, self.at) {
            (true, None) => Answer::Reached.into(),
            (false, Some(at)) => Answer::Blocked { at }.into(),
            _ => Verdict::broken("the probe says neither that it was reached nor where it ended"),
        }
    }
}

/// The pod whose own address a target is: the name in its `$(pod-ip:NAME)` or `[$(pod-ipv6:NAME)]`.
#[must_use]
pub fn target_pod(to: &str) -> Option<&str> {
    let (_, host) = to.split_once("://")?;
    let rest = host
        .strip_prefix("$(pod-ip:")
        .or_else(|| host.strip_prefix("[$(pod-ipv6:"))?;
    rest.split_once(')').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_answer_only_if_it_says_so() {
        let read = |text: &str| ProbeReport::read(text.as_bytes()).unwrap().verdict();
        assert_eq!(
            read(r#"{"reached":true,"by":"web","seen as":"10.0.0.1","ms":0.2}"#),
            Answer::Reached.into()
        );
        let blocked = read(r#"{"reached":false,"at":"tls","reason":"certificate-name","ms":3}"#);
        assert_eq!(blocked, Answer::Blocked { at: At::Tls }.into());
        for text in [
            "{}",
            r#"{"reached":false}"#,
            r#"{"reached":true,"at":"dns"}"#,
        ] {
            assert!(matches!(read(text), Verdict::Broken { .. }), "{text}");
        }
        for text in [
            "",
            "probe: no",
            r#"{"reached":false,"at":"nowhere"}"#,
            "{}\n{}",
        ] {
            assert!(ProbeReport::read(text.as_bytes()).is_err(), "{text}");
        }
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
    }
}
