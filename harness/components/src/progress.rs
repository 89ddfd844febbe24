//! What a caller is told while components are built.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One thing that happened to a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuildProgress {
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
        /// Packages compiled so far. Those that the Go build cache already holds are not counted,
        /// so a warm build ends below `total`.
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
}
