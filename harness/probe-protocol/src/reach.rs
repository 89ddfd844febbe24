//! What is to be reached, and how long an answer has to hold.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long each stage of an attempt may take, where nothing else is said.
pub const STAGE_TIMEOUT: Duration = Duration::from_secs(1);

/// A target to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReachRequest {
    /// `SCHEME://HOST:PORT[?OPTION&…]`.
    pub target: String,
    /// For each stage of an attempt, in milliseconds.
    #[serde(rename = "timeout-ms", with = "millis")]
    pub timeout: Duration,
    /// One attempt where it is left out; else as many as it takes until it is known how it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<HoldRule>,
}

impl ReachRequest {
    /// One attempt.
    #[must_use]
    pub fn once(target: &str) -> Self {
        Self {
            target: target.into(),
            timeout: STAGE_TIMEOUT,
            until: None,
        }
    }
}

/// How long an answer has to hold, and how that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HoldRule {
    /// For a block: from the beginning of the first attempt that ended so to that of the last, at
    /// least.
    #[serde(rename = "holds-ms", with = "millis")]
    pub holds: Duration,
    /// The same for an answer; without any time, the first one is believed.
    #[serde(rename = "reached-holds-ms", with = "millis")]
    pub reached_holds: Duration,
    /// From the beginning of one attempt to that of the next, however long either takes.
    #[serde(rename = "every-ms", with = "millis")]
    pub every: Duration,
    /// When nothing has held by then, nothing does.
    #[serde(rename = "within-ms", with = "millis")]
    pub within: Duration,
}

/// A time as whole milliseconds.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        u64::try_from(time.as_millis())
            .unwrap_or(u64::MAX)
            .serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}
