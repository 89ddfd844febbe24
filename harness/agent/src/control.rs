//! Control messages: what agent and manager say to each other beside events.

use serde_json::{Value, json};

use crate::AgentVersion;

const CONTROL_MARK: &[u8] = b"#!-";

/// What an agent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromAgent {
    /// It wants to begin; with the version that it names, where it names one.
    Startup(Option<String>),
    /// It ends.
    Shutdown,
    /// It is still there: its system, and the sum of the files it shares.
    KeepAlive(String),
}

/// What a manager says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromManager {
    /// It has taken a control message.
    Ack,
    /// It does not want this agent.
    Refused(String),
    /// The agent has to connect again.
    ForceReconnect,
    /// Something that this agent does not act on.
    Other(String),
}

impl FromAgent {
    /// A startup of this version.
    #[must_use]
    pub fn startup(version: AgentVersion) -> Self {
        Self::Startup(Some(version.to_string()))
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        let text = match self {
            Self::Startup(Some(version)) => {
                format!("agent startup {}", json!({ "version": version }))
            }
            Self::Startup(None) => "agent startup ".to_owned(),
            Self::Shutdown => "agent shutdown ".to_owned(),
            Self::KeepAlive(text) => text.clone(),
        };
        [CONTROL_MARK, text.as_bytes()].concat()
    }

    /// Reads a payload; `None` where it is an event.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(payload.strip_prefix(CONTROL_MARK)?);
        if let Some(json) = text.strip_prefix("agent startup ") {
            let said: Value = serde_json::from_str(json).unwrap_or_default();
            return Some(Self::Startup(said["version"].as_str().map(str::to_owned)));
        }
        Some(if text == "agent shutdown " {
            Self::Shutdown
        } else {
            Self::KeepAlive(text.into_owned())
        })
    }

    /// A keep-alive of an agent on `node`, with no shared files.
    #[must_use]
    pub fn keep_alive(node: &str, version: AgentVersion, address: &str) -> Self {
        let arch = std::env::consts::ARCH;
        let system =
            format!("Linux |{node} |- |- |{arch} [Gauntlet|gauntlet: 1] - Wazuh {version}");
        Self::KeepAlive(format!("{system}\nx merged.mg\n#\"_agent_ip\":{address}\n"))
    }
}

impl FromManager {
    /// The payload.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        let text = match self {
            Self::Ack => "agent ack ".to_owned(),
            Self::Refused(why) => format!("err {}", json!({ "message": why })),
            Self::ForceReconnect => "force_reconnect".to_owned(),
            Self::Other(text) => text.clone(),
        };
        [CONTROL_MARK, text.as_bytes()].concat()
    }

    /// Reads a payload; `None` where it is not a control message.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(payload.strip_prefix(CONTROL_MARK)?);
        if let Some(said) = text.strip_prefix("err ") {
            let said: Value = serde_json::from_str(said).unwrap_or_default();
            return Some(Self::Refused(
                said["message"].as_str().unwrap_or("no reason").to_owned(),
            ));
        }
        Some(match text.as_ref() {
            "agent ack " => Self::Ack,
            "force_reconnect" => Self::ForceReconnect,
            _ => Self::Other(text.into_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_words_are_those_of_the_protocol() {
        let startup = FromAgent::startup(AgentVersion::KNOWN);
        assert_eq!(
            startup.payload(),
            br##"#!-agent startup {"version":"v4.14.7"}"##
        );
        assert_eq!(FromManager::Ack.payload(), b"#!-agent ack ");
        let refused = FromManager::Refused("Incompatible version".into());
        assert_eq!(
            refused.payload(),
            br##"#!-err {"message":"Incompatible version"}"##
        );
    }

    #[test]
    fn everything_comes_back() {
        let alive = FromAgent::keep_alive("node-1", AgentVersion::KNOWN, "10.0.0.1");
        for said in [
            FromAgent::startup(AgentVersion::KNOWN),
            FromAgent::Startup(None),
            FromAgent::Shutdown,
            alive,
        ] {
            assert_eq!(FromAgent::read(&said.payload()), Some(said));
        }
        let other = FromManager::Other("req 1 x".into());
        for said in [
            FromManager::Ack,
            FromManager::Refused("a".into()),
            FromManager::ForceReconnect,
            other,
        ] {
            assert_eq!(FromManager::read(&said.payload()), Some(said));
        }
        assert_eq!(FromAgent::read(b"1:location:text"), None);
    }

    proptest! {
        #[test]
        fn whatever_is_said_does_not_panic(head in "(#!-|#!-agent startup |#!-err )?", rest in prop::collection::vec(any::<u8>(), 0..60)) {
            let payload = [head.as_bytes(), &rest].concat();
            let _ = (FromAgent::read(&payload), FromManager::read(&payload));
        }
    }
}
