//! External Secrets Operator: its kinds, and the ways round what it may be asked for.

mod rules;
mod ways;

use std::time::Duration;

use serde_json::Value;

use crate::kinds::cluster_kind;
use crate::scope::{OWN_NAMESPACE, all_are_ours, is_ours};
use crate::{AddonControl, AddonVersion, KindBarrier, KindIsolation, PureAddon, ReachRule};

const API_GROUP: &str = "external-secrets.io";
const ADDON_BARRIER: KindBarrier = KindBarrier::Addon("external-secrets");

/// External Secrets Operator.
pub static ADDON: PureAddon = PureAddon {
    name: "external-secrets",
    about: "External Secrets Operator.",
    versions: &[AddonVersion {
        version: "0.19.2",
        components: &["external-secrets-0.19.2"],
    }],
    part_of: None,
    needs_node: true,
    namespace: Some("external-secrets"),
    asks_registries: false,
    one_by_one: true,
    // What fails, be it that two of its caches have not heard the same yet, is tried again after a
    // second.
    second_try: Some(Duration::from_millis(2500)),
    milestones: &["external-secrets"],
    kinds: &[
        cluster_kind(
            API_GROUP,
            "SecretStore",
            KindIsolation::Namespace,
            ADDON_BARRIER,
        ),
        cluster_kind(
            API_GROUP,
            "ClusterSecretStore",
            KindIsolation::Name,
            ADDON_BARRIER,
        ),
        cluster_kind(
            API_GROUP,
            "ExternalSecret",
            KindIsolation::Namespace,
            ADDON_BARRIER,
        ),
        cluster_kind(
            API_GROUP,
            "ClusterExternalSecret",
            KindIsolation::Stated(ReachRule(goes_only_to_us)),
            ADDON_BARRIER,
        ),
    ],
    without_barrier: &[("generators.external-secrets.io", "GeneratorState")],
    denials: &[],
    settle_message: None,
    unserved: None,
    varying_texts: &[],
    control: Some(&AddonControl {
        title: "External Secrets Operator",
        groups: &[API_GROUP],
        subjects: &[],
        ways: ways::WAYS,
        engine_ways: &[],
        webhook_labels: &[],
        needs_no_object: false,
        compared: &[],
        stops: Some(rules::keeps_back),
    }),
    contradicts: None,
    made_policy_prefixes: &[],
};

/// A ClusterExternalSecret that goes into the world's namespaces alone; what it goes by is added
/// up.
fn goes_only_to_us(object: &Value) -> bool {
    let spec = &object["spec"];
    let is_us = |selector: &Value| is_ours(&selector["matchLabels"][OWN_NAMESPACE]);
    let one = &spec["namespaceSelector"];
    (one.is_null() || is_us(one))
        && all_are_ours(&spec["namespaceSelectors"], is_us)
        && all_are_ours(&spec["namespaces"], is_ours)
}
