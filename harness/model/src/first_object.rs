//! What a cluster can begin with beside its own objects.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An object of a first state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstObject {
    /// Where objects of its kind are made, such as `/api/v1/namespaces`.
    pub collection: String,
    /// The object.
    pub object: Value,
    /// What the API server answers with 200 once the object has come into force, if that is to be
    /// waited for. For a Deployment it is its own path, and its controller has to have seen it, and
    /// made its pods.
    pub in_force: Option<String>,
}
