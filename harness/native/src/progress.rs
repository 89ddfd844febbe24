//! What a caller is told while something takes long.

use std::time::Duration;

use components::BuildProgress;
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoxProgress {
    /// A component of the box is built.
    Build(BuildProgress),
    /// The ready-made first state of a release is being made, once.
    MakingTemplate {
        /// The Kubernetes release, `1.36.3`.
        kubernetes: String,
    },
    /// The start waits for something that others hold.
    Waiting {
        /// For what, and who holds it.
        what: String,
    },
    /// A process of the box was started.
    Started {
        /// The process, such as `kube-apiserver`.
        process: String,
    },
    /// The start reached a point.
    Milestone {
        /// Which: `api-answers`, `readyz`, `node-ready`, `default-serviceaccount`, `ready`…
        name: String,
        /// Since the start began.
        at: Duration,
    },
}
