//! What verifies images at admission, with the definitions that it wants to find in the cluster.

use super::tools;
use crate::components::{Component, Data};

pub(super) const KYVERNO: Component = tools!(
    "kyverno", "1.19.1", ["kyverno"],
    renames: [],
    data: [Data {
        module: "github.com/kyverno/kyverno",
        path: "config/install-latest-testing.yaml",
        name: "install.yaml",
    }]
);
