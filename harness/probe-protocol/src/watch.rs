//! What a watch says: a line for each change, and one that counts at the end.

use serde::{Deserialize, Serialize};

use crate::attempt::{AttemptEnding, BlockedAttempt};
use crate::{Error, read_line, write_line};

/// A line of a watch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WatchLine {
    /// Connections end otherwise than before.
    Change(WatchChange),
    /// The end.
    Count(WatchCount),
}

/// The first connection that ended otherwise than those before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ChangeLine", into = "ChangeLine")]
pub struct WatchChange {
    /// What was tried.
    pub target: String,
    /// When it began, in seconds since 1970.
    pub time: f64,
    /// When it began, in milliseconds since the watch did.
    pub ms: f64,
    /// How it ended.
    pub end: Result<(), BlockedAttempt>,
    /// How many went the other way before it.
    pub before: u64,
}

/// How many connections there were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchCount {
    /// What was tried.
    pub target: String,
    /// In all.
    pub tried: u64,
    /// Of these, those that got through.
    pub reached: u64,
    /// For how long it was watched.
    pub ms: f64,
}

impl WatchLine {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is none of a watch.
    pub fn read(line: &[u8]) -> Result<Self, Error> {
        read_line("a line of a watch", line)
    }

    /// The line, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        write_line(self)
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeLine {
    target: String,
    time: f64,
    ms: f64,
    reached: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<crate::AttemptStage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<crate::FaultReason>,
    before: u64,
}

impl TryFrom<ChangeLine> for WatchChange {
    type Error = &'static str;

    fn try_from(line: ChangeLine) -> Result<Self, &'static str> {
        let ending = AttemptEnding {
            reached: line.reached,
            at: line.at,
            reason: line.reason,
        };
        Ok(Self {
            end: ending.try_into()?,
            target: line.target,
            time: line.time,
            ms: line.ms,
            before: line.before,
        })
    }
}

impl From<WatchChange> for ChangeLine {
    fn from(change: WatchChange) -> Self {
        let ending = AttemptEnding::from(change.end);
        Self {
            target: change.target,
            time: change.time,
            ms: change.ms,
            reached: ending.reached,
            at: ending.at,
            reason: ending.reason,
            before: change.before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttemptStage, FaultReason};

    #[test]
    fn both_kinds_of_lines_are_told_apart() {
        let change = WatchLine::Change(WatchChange {
            target: "tcp://a:1".into(),
            time: 1.5,
            ms: 2.5,
            end: Err(BlockedAttempt::new(
                AttemptStage::Connect,
                FaultReason::Refused,
            )),
            before: 3,
        });
        let count = WatchLine::Count(WatchCount {
            target: "tcp://a:1".into(),
            tried: 4,
            reached: 2,
            ms: 9.0,
        });
        for line in [change, count] {
            assert_eq!(WatchLine::read(line.line().as_bytes()).unwrap(), line);
        }
        for line in [
            "{}",
            r#"{"target":"a","time":1,"ms":1,"reached":false,"before":0}"#,
        ] {
            assert!(WatchLine::read(line.as_bytes()).is_err(), "{line}");
        }
    }
}
