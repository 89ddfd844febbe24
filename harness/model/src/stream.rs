//! Streams of a pod that a step opens beside those of a command of its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Joining the program that a container runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AttachPod {
    /// The pod.
    pub pod: String,
    /// What is said over its streams; they are closed at once where this is left out. A container
    /// takes input that says `stdin: true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talk: Option<StreamTalk>,
    /// Keeps what it said out of the record, because it differs each time. Later steps can look
    /// into it all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unrecorded: bool,
}

/// A connection to a port of a pod, from within the pod's own network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ForwardPort {
    /// The pod.
    pub pod: String,
    /// The port.
    pub port: u16,
    /// What is said over the connection; it is closed at once where this is left out. With this,
    /// the step also notices that no program listens on the port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talk: Option<StreamTalk>,
    /// Keeps what it said out of the record, because it differs each time. Later steps can look
    /// into it all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unrecorded: bool,
}

/// What is said over streams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StreamTalk {
    /// What is sent first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<String>,
    /// It ends once this was said, or once the other end has closed. A step in which neither
    /// comes in time is broken.
    pub until: String,
}
