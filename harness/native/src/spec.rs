//! What a caller asks of a box.

use std::path::PathBuf;

use model::ClusterSpec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// An object of a first state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstObject {
    /// Where objects of its kind are made, such as `/api/v1/namespaces`.
    pub collection: String,
    /// The object.
    pub object: Value,
    /// What the API server answers with 200 once the object has come into force, if that is to be
    /// waited for. For a Deployment it is its own path, and its pods have to be there as well.
    pub in_force: Option<String>,
}
