//! Stores of secrets, and what brings secrets into a cluster from them.

use super::tools;
use crate::components::{Component, Data};

/// All its controllers are one program; its definitions are the files they are generated into.
pub(super) const EXTERNAL_SECRETS: Component = tools!(
    "external-secrets", "0.19.2", ["external-secrets"],
    renames: [],
    data: [
        defined("clusterexternalsecrets.yaml", "config/crds/bases/external-secrets.io_clusterexternalsecrets.yaml"),
        defined("clustersecretstores.yaml", "config/crds/bases/external-secrets.io_clustersecretstores.yaml"),
        defined("externalsecrets.yaml", "config/crds/bases/external-secrets.io_externalsecrets.yaml"),
        defined("generatorstates.yaml", "config/crds/bases/generators.external-secrets.io_generatorstates.yaml"),
        defined("secretstores.yaml", "config/crds/bases/external-secrets.io_secretstores.yaml"),
    ]
);

/// Under the MPL. 1.14.1 and 1.14.3 want an `sdk` from between two of its releases, which cannot be had: one ends at its
/// first request, the other does not compile.
pub(super) const VAULT: Component = tools!("vault", "1.13.2", ["vault"], renames: [], data: []);

const fn defined(name: &'static str, path: &'static str) -> Data {
    Data { module: "github.com/external-secrets/external-secrets", path, name }
}
