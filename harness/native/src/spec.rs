//! What a caller asks of a box.

use std::path::PathBuf;

use model::ClusterSpec;

/// A box to start.
#[derive(Clone, Debug)]
pub struct BoxSpec {
    /// The box's name: 1 to 40 of `a-z`, `0-9` and `-`, beginning and ending with a letter or
    /// digit.
    pub name: String,
    /// What the cluster looks like.
    pub cluster: ClusterSpec,
    /// The first state that it begins with, if [`crate::prepare_template`] has made one of this
    /// name: Kubernetes' own, with a few objects more. Without a name, Kubernetes' own.
    pub first_state: Option<String>,
    /// The program that calls [`crate::hidden_main`] first thing in its `main`; it is run again
    /// with hidden arguments.
    pub launcher: PathBuf,
}
