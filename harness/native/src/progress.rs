//! What a caller is told while something takes long.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// A component's modules are being fetched.
    Fetching {
        /// `NAME-VERSION`.
        component: String,
        /// Modules fetched so far.
        modules: usize,
        /// Since the work on this component began.
        elapsed: Duration,
    },
    /// A component is being compiled.
    Building {
        /// `NAME-VERSION`.
        component: String,
        /// Packages compiled so far. Those that the Go build cache already holds are not counted, so a warm build ends
        /// below `total`.
        compiled: usize,
        /// Packages that the component consists of.
        total: usize,
        /// Since the work on this component began.
        elapsed: Duration,
    },
    /// Another program builds the same component; this one waits for it.
    WaitingForBuild {
        /// `NAME-VERSION`.
        component: String,
    },
    /// A component is built and in the cache.
    Built {
        /// `NAME-VERSION`.
        component: String,
        /// How long it took.
        elapsed: Duration,
    },
    /// The ready-made first state of a release is being made, once.
    MakingSeed {
        /// The Kubernetes release, `1.36.3`.
        kubernetes: String,
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
