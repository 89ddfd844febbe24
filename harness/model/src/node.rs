//! What can happen to a whole node, and what the API server says about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to a node of the box, with all that runs on it: `node-2` or `node-3`. The API
/// server is beside the first, which is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeChange {
    /// Its link to the other nodes goes down; what runs on it goes on.
    CutOff(String),
    /// The link is up again.
    Rejoin(String),
    /// All of its processes halt, those of its pods included.
    Freeze(String),
    /// They go on.
    Thaw(String),
    /// All of its processes end at once (SIGKILL), those of its pods included.
    Kill(String),
    /// After that, it starts again.
    Start(String),
}

impl NodeChange {
    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::CutOff(name)
            | Self::Rejoin(name)
            | Self::Freeze(name)
            | Self::Thaw(name)
            | Self::Kill(name)
            | Self::Start(name) => name,
        }
    }

    /// The same of another node.
    #[must_use]
    pub fn of_node(&self, name: String) -> Self {
        match self {
            Self::CutOff(_) => Self::CutOff(name),
            Self::Rejoin(_) => Self::Rejoin(name),
            Self::Freeze(_) => Self::Freeze(name),
            Self::Thaw(_) => Self::Thaw(name),
            Self::Kill(_) => Self::Kill(name),
            Self::Start(_) => Self::Start(name),
        }
    }
}

/// What the API server says about a node: its condition `Ready`. The controller manager takes a
/// while to notice a node that says nothing, so this is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NodeMatch {
    /// The node's name.
    pub name: String,
    /// Its `Ready` is this: `True`, `False`, or `Unknown` once its kubelet has been silent for too
    /// long.
    pub ready: ReadyStatus,
}

/// The status of a node's condition `Ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReadyStatus {
    /// `True`.
    True,
    /// `False`.
    False,
    /// `Unknown`.
    Unknown,
}

impl ReadyStatus {
    /// The word in the condition.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}
