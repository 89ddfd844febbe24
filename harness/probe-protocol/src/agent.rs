//! What a security agent and its manager say of themselves.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::write_line;

/// What an agent says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AgentReport {
    /// Whether it is connected.
    pub connected: bool,
    /// Answers of the manager.
    pub acks: u64,
    /// Attempts that failed, in all.
    pub attempts: u64,
    /// Of these, the last ones that failed alike.
    pub streak: u64,
    /// Where they failed.
    pub stage: Option<AgentStage>,
    /// Why.
    pub reason: String,
    /// This run of the agent: the source of the marks that tell its connections apart.
    pub session: String,
    /// How many times it was connected: the number in that mark.
    pub connections: u64,
    /// The manager that it is connected to.
    pub server: String,
}

/// The stage that an agent did not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentStage {
    /// The manager's name has no address.
    Dns,
    /// No connection.
    Connect,
    /// No TLS session for the enrolment.
    Tls,
    /// No key.
    Enrol,
    /// The manager did not answer to what is sealed with the key.
    Key,
}

impl AgentStage {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Enrol => "enrol",
            Self::Key => "key",
        }
    }
}

impl fmt::Display for AgentStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a manager knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ManagerReport {
    /// Who has enrolled.
    pub agents: Vec<EnrolledAgent>,
    /// What it counted, by agent and source.
    pub counts: Vec<EventCount>,
}

/// An agent, as its manager knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EnrolledAgent {
    /// Its number.
    pub id: String,
    /// Its name.
    pub name: String,
    /// From where it may come.
    pub ip: String,
    /// Whether the manager takes it to be connected, in the manager's word.
    pub status: String,
}

/// The events of one source of one agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EventCount {
    /// The agent's number.
    pub id: String,
    /// The agent's name.
    pub name: String,
    /// The source.
    pub source: String,
    /// How many different ones came.
    pub received: u64,
    /// How many below the highest did not come.
    pub missing: u64,
    /// How many events came with a number that had come before.
    pub duplicates: u64,
    /// How many came after one with a higher number.
    pub late: u64,
    /// The numbers that came.
    pub ranges: Vec<(u64, u64)>,
}

impl AgentReport {
    /// One line, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        write_line(self)
    }
}

impl ManagerReport {
    /// One line, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        write_line(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_line;

    #[test]
    fn an_agent_says_all_of_it_or_nothing() {
        let report = AgentReport {
            stage: Some(AgentStage::Enrol),
            ..AgentReport::default()
        };
        let line = report.line();
        let read = |line: &str| read_line::<AgentReport>("an agent's state", line.as_bytes());
        assert_eq!(read(&line).unwrap(), report);
        for line in [
            "{}",
            &line.replace("enrol", "moon"),
            &line.replace("\"acks\":0,", ""),
            &line.replace("\"acks\"", "\"jokes\""),
        ] {
            assert!(read(line).is_err(), "{line}");
        }
        assert_eq!(
            serde_json::to_value(AgentStage::Enrol).unwrap(),
            AgentStage::Enrol.word()
        );
    }
}
