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

/// Its program is the package `webhook`; what it is installed with in a cluster comes from its module, unbuilt.
pub(super) const POLICY_CONTROLLER: Component = tools!(
    "policy-controller", "0.15.1", ["policy-controller"],
    renames: [("webhook", "policy-controller")],
    data: [
        installed("200-clusterrole.yaml", "config/200-clusterrole.yaml"),
        installed("200-role.yaml", "config/200-role.yaml"),
        installed("200-serviceaccount.yaml", "config/200-serviceaccount.yaml"),
        installed("201-clusterrolebinding.yaml", "config/201-clusterrolebinding.yaml"),
        installed("201-rolebinding.yaml", "config/201-rolebinding.yaml"),
        installed("300-clusterimagepolicy.yaml", "config/300-clusterimagepolicy.yaml"),
        installed("300-trustroot.yaml", "config/300-trustroot.yaml"),
        installed("400-webhook-service.yaml", "config/400-webhook-service.yaml"),
        installed("500-webhook-configuration.yaml", "config/500-webhook-configuration.yaml"),
        installed("501-policy-webhook-configurations.yaml", "config/501-policy-webhook-configurations.yaml"),
        installed("config-image-policies.yaml", "config/config-image-policies.yaml"),
        installed("config-logging.yaml", "config/config-logging.yaml"),
        installed("config-observability.yaml", "config/config-observability.yaml"),
        installed("config-policy-controller.yaml", "config/config-policy-controller.yaml"),
        installed("config-sigstore-keys.yaml", "config/config-sigstore-keys.yaml"),
        installed("webhook.yaml", "config/webhook.yaml"),
    ]
);

const fn installed(name: &'static str, path: &'static str) -> Data {
    Data { module: "github.com/sigstore/policy-controller", path, name }
}
