//! External Secrets Operator: its kinds.

use std::time::Duration;

use serde_json::Value;

use crate::confine::{OWN_NAMESPACE, all, is_ours};
use crate::kinds::kind;
use crate::{Addon, AddonVersion, Barrier, Isolation, ReachRule};

const GROUP: &str = "external-secrets.io";
const BARRIER: Barrier = Barrier::Addon("external-secrets");

/// External Secrets Operator.
pub static ADDON: Addon = Addon {
    name: "external-secrets",
    about: "External Secrets Operator.",
    versions: &[AddonVersion {
        version: "0.19.2",
        components: &["external-secrets-0.19.2"],
    }],
    needs_node: true,
    asks_registries: false,
    one_by_one: true,
    // What fails, be it that two of its caches have not heard the same yet, is tried again after a second.
    second_try: Some(Duration::from_millis(2500)),
    milestones: &["external-secrets"],
    kinds: &[
        kind(GROUP, "SecretStore", Isolation::Namespace, BARRIER),
        kind(GROUP, "ClusterSecretStore", Isolation::Name, BARRIER),
        kind(GROUP, "ExternalSecret", Isolation::Namespace, BARRIER),
        kind(
            GROUP,
            "ClusterExternalSecret",
            Isolation::Stated(ReachRule(goes_only_to_us)),
            BARRIER,
        ),
    ],
    without_barrier: &[("generators.external-secrets.io", "GeneratorState")],
    denials: &[],
};

/// A ClusterExternalSecret that goes into the world's namespaces alone; what it goes by is added up.
fn goes_only_to_us(object: &Value) -> bool {
    let spec = &object["spec"];
    let is_us = |selector: &Value| is_ours(&selector["matchLabels"][OWN_NAMESPACE]);
    let one = &spec["namespaceSelector"];
    (one.is_null() || is_us(one))
        && all(&spec["namespaceSelectors"], is_us)
        && all(&spec["namespaces"], is_ours)
}
