//! External Secrets Operator: its kinds, and the ways round what it may be asked for.

mod rules;
mod ways;

use std::time::Duration;

use serde_json::Value;

use crate::kinds::cluster_kind;
use crate::scope::{OWN_NAMESPACE, all_are_ours, is_ours};
use crate::{
    AddonControl, AddonVersion, KindBarrier, KindIsolation, ObjectKind, PureAddon, ReachRule,
};

const API_GROUP: &str = "external-secrets.io";
const GENERATOR_GROUP: &str = "generators.external-secrets.io";
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
        // What is pushed goes wherever a store leads, and a store says it, not they.
        cluster_kind(API_GROUP, "PushSecret", KindIsolation::Never, ADDON_BARRIER),
        cluster_kind(
            API_GROUP,
            "ClusterPushSecret",
            KindIsolation::Never,
            ADDON_BARRIER,
        ),
        generator_kind("Fake"),
        generator_kind("Password"),
        generator_kind("SSHKey"),
        generator_kind("UUID"),
        cluster_kind(
            GENERATOR_GROUP,
            "ClusterGenerator",
            KindIsolation::Name,
            ADDON_BARRIER,
        ),
    ],
    // States are the operator's own. The others ask a service outside, or a program of somebody's own,
    // or (MFA) take what they make from a Secret: no sentinel shows when they are known.
    without_barrier: &[
        (GENERATOR_GROUP, "ACRAccessToken"),
        (GENERATOR_GROUP, "ECRAuthorizationToken"),
        (GENERATOR_GROUP, "GCRAccessToken"),
        (GENERATOR_GROUP, "GeneratorState"),
        (GENERATOR_GROUP, "GithubAccessToken"),
        (GENERATOR_GROUP, "Grafana"),
        (GENERATOR_GROUP, "MFA"),
        (GENERATOR_GROUP, "QuayAccessToken"),
        (GENERATOR_GROUP, "STSSessionToken"),
        (GENERATOR_GROUP, "VaultDynamicSecret"),
        (GENERATOR_GROUP, "Webhook"),
    ],
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

/// A generator, which makes nothing before an ExternalSecret beside it names it.
const fn generator_kind(kind: &'static str) -> ObjectKind {
    cluster_kind(
        GENERATOR_GROUP,
        kind,
        KindIsolation::Namespace,
        ADDON_BARRIER,
    )
}

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
