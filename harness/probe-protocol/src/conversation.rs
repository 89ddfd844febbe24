//! A conversation: questions and answers, many at a time over one connection, each answered as soon
//! as it can be.
//!
//! ```text
//! {"id":1,"ask":{"reach":{"target":"tcp://10.0.0.1:80","timeout-ms":1000}}}
//! {"id":1,"said":{"seen":{…}}}             what is seen meanwhile, whenever it is something else
//! {"id":1,"said":{"answer":{"report":{…}}}}
//! {"id":1,"said":{"fault":"…"}}
//! ```

use serde::{Deserialize, Serialize};

use crate::{AgentReport, Error, ManagerReport, ProbeReport, ReachRequest, read_line, write_line};

/// The number of no question: under it, the probe complains of what is not a question.
pub const NO_QUESTION: u64 = 0;

/// A question, with the number that comes back with what is said to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EngineQuestion {
    /// Its number, from 1 on.
    pub id: u64,
    /// What is asked.
    pub ask: ProbeRequest,
}

/// What can be asked. All of it only looks: a command that changes something is a separate process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ProbeRequest {
    /// Whether a target can be reached. A [`ProbeAnswer::Report`].
    Reach(ReachRequest),
    /// How the connection of this name is, which an earlier command opened. A
    /// [`ProbeAnswer::Report`].
    Held(String),
    /// What a file holds. A [`ProbeAnswer::File`].
    Cat(String),
    /// What the agent of this container says of itself. A [`ProbeAnswer::Agent`].
    AgentState,
    /// What the manager of this container knows. A [`ProbeAnswer::Manager`].
    ManagerState,
}

/// Something said to a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProbeReply {
    /// Whose question it is, or [`NO_QUESTION`].
    pub id: u64,
    /// What is said.
    pub said: QuestionAnswer,
}

/// What is said to a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum QuestionAnswer {
    /// What is seen so far; more follows.
    Seen(ProbeReport),
    /// The result. Nothing follows.
    Answer(ProbeAnswer),
    /// Why nothing did. Nothing follows.
    Fault(String),
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ProbeAnswer {
    /// How an attempt ended, or how a connection is.
    Report(ProbeReport),
    /// The content of a file. Each character is a byte: files are not always text.
    File(#[serde(with = "bytes")] Vec<u8>),
    /// What an agent says.
    Agent(AgentReport),
    /// What a manager says.
    Manager(ManagerReport),
}

impl EngineQuestion {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is not a question.
    pub fn read(line: &[u8]) -> Result<Self, Error> {
        read_line("a question to the probe", line)
    }

    /// The line that asks it, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        write_line(self)
    }
}

impl ProbeReply {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is nothing that a probe says.
    pub fn read(line: &[u8]) -> Result<Self, Error> {
        read_line("what a probe says to a question", line)
    }

    /// The line that says it, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        write_line(self)
    }
}

/// Bytes as text in which each character is one.
mod bytes {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        text.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        text.chars()
            .map(|one| {
                u8::try_from(one).map_err(|_| Error::custom(format!("`{one}` is not a byte")))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::HoldRule;

    #[test]
    fn questions_are_read_as_they_are_written_and_nothing_else_is() {
        let until = HoldRule {
            holds: Duration::from_secs(1),
            reached_holds: Duration::ZERO,
            every: Duration::from_millis(200),
            within: Duration::from_secs(60),
        };
        let reach = ReachRequest::once("tcp://a:1");
        let asks = [
            ProbeRequest::Reach(reach.clone()),
            ProbeRequest::Reach(ReachRequest {
                until: Some(until),
                ..reach
            }),
            ProbeRequest::Held("one".into()),
            ProbeRequest::Cat("a\nb".into()),
            ProbeRequest::AgentState,
            ProbeRequest::ManagerState,
        ];
        for ask in asks {
            let question = EngineQuestion { id: 7, ask };
            let line = question.line();
            assert_eq!(line.lines().count(), 1, "{line}");
            assert_eq!(EngineQuestion::read(line.as_bytes()).unwrap(), question);
        }
        for line in [
            "",
            "{",
            "7",
            r#"{"id":7}"#,
            r#"{"ask":"agent-state"}"#,
            r#"{"id":-1,"ask":"agent-state"}"#,
            r#"{"id":7,"ask":"dance"}"#,
            r#"{"id":7,"ask":"cat"}"#,
            r#"{"id":7,"ask":{"reach":{"target":"tcp://a:1"}}}"#,
            r#"{"id":7,"ask":"agent-state","words":[]}"#,
        ] {
            let fault = EngineQuestion::read(line.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(fault.ends_with("is not a question to the probe"), "{fault}");
        }
    }

    #[test]
    fn what_a_probe_says_is_read_and_nothing_else() {
        let file = ProbeReply {
            id: 1,
            said: QuestionAnswer::Answer(ProbeAnswer::File(vec![b'a', 0, 0xff])),
        };
        assert_eq!(ProbeReply::read(file.line().as_bytes()).unwrap(), file);
        let fault = ProbeReply {
            id: 2,
            said: QuestionAnswer::Fault("no".into()),
        };
        assert_eq!(fault.line(), "{\"id\":2,\"said\":{\"fault\":\"no\"}}\n");
        for line in [
            "",
            "probe: no",
            "{}",
            r#"{"id":1}"#,
            r#"{"said":{"fault":"x"}}"#,
            r#"{"id":1,"said":{"answer":7}}"#,
            r#"{"id":1,"said":{"answer":{"file":"€"}}}"#,
            r#"{"id":1,"said":{"fault":"x","seen":{}}}"#,
            r#"{"id":1,"said":{"answer":{"report":{}}}}"#,
        ] {
            assert!(ProbeReply::read(line.as_bytes()).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in proptest::collection::vec(any::<u8>(), 0..60), text in "\\PC*") {
            let _ = (EngineQuestion::read(&line), ProbeReply::read(&line));
            let _ = (EngineQuestion::read(text.as_bytes()), ProbeReply::read(text.as_bytes()));
        }
    }
}
