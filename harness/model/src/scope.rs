//! How far an object reaches: whether other worlds on the same cluster could notice it.

use serde_json::Value;

use crate::claims::{claims_what_is_shared, patch_claims_what_is_shared};
use crate::kinds::{KindIsolation, ReachRule, object_kind, stays_in_namespaces};

/// How far an object reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImpactScope {
    /// Only the world's own namespaces: the world can run beside others.
    Confined,
    /// The whole cluster, as far as can be told: the world runs alone.
    Cluster,
}

pub(crate) const NAMESPACE_MARK: &str = "$(namespace)";
pub(crate) const OWN_NAMESPACE: &str = "kubernetes.io/metadata.name";

/// How far `object`, as its author wrote it, reaches. In doubt, and of a kind that is not known, it
/// is [`ImpactScope::Cluster`].
///
/// Namespaced kinds are confined when their namespace is one of the world's. Of the cluster-scoped
/// kinds, those that say themselves what they concern are confined if that is only the world's
/// namespace.
#[must_use]
pub fn object_scope(object: &Value) -> ImpactScope {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    let Some(kind) = object_kind(text("apiVersion"), text("kind")) else {
        return ImpactScope::Cluster;
    };
    let named = is_ours(&object["metadata"]["name"]);
    let confined = match kind.isolation {
        KindIsolation::Namespace => {
            object["metadata"].get("namespace").is_none_or(is_ours)
                && !claims_what_is_shared(object)
        }
        KindIsolation::Name => named && !claims_what_is_shared(object),
        KindIsolation::Volume => named && is_bound_to_ours(object),
        KindIsolation::Never => false,
        KindIsolation::Question => true,
        KindIsolation::ClusterRole => {
            named && collects_only_ours(object) && !may_feed_others(object)
        }
        KindIsolation::ClusterRoleBinding => {
            named && all_are_ours(&object["subjects"], subject_is_ours)
        }
        KindIsolation::PolicyBinding => named && selects_only_us(&object["spec"]["matchResources"]),
        KindIsolation::Webhooks => {
            named
                && all_are_ours(&object["webhooks"], |hook| {
                    selects_only_us(hook) && stays_in_namespaces(&hook["rules"])
                })
        }
        KindIsolation::Stated(ReachRule(is_confined)) => named && is_confined(object),
    };
    if confined {
        ImpactScope::Confined
    } else {
        ImpactScope::Cluster
    }
}

/// How far what this patch sets reaches, by itself: which object it is sent to is not asked here.
#[must_use]
pub fn reach_of_patch(patch: &Value) -> ImpactScope {
    if patch_claims_what_is_shared(patch) {
        ImpactScope::Cluster
    } else {
        ImpactScope::Confined
    }
}

pub(crate) fn is_ours(name: &Value) -> bool {
    name.as_str()
        .is_some_and(|name| name.contains(NAMESPACE_MARK))
}

/// Whether a pattern of image references matches only images of this world, whose repositories are
/// called after it.
pub(crate) fn is_our_image(glob: &Value) -> bool {
    let images = ["$(image:", "$(digest:", "$(front:"];
    is_ours(glob)
        || glob
            .as_str()
            .is_some_and(|glob| images.iter().any(|image| glob.starts_with(image)))
}

/// Whether every item of a list passes; a list that is not there has none that does not.
pub(crate) fn all_are_ours(list: &Value, test: fn(&Value) -> bool) -> bool {
    list.as_array().is_none_or(|items| items.iter().all(test))
}

fn subject_is_ours(subject: &Value) -> bool {
    match subject["kind"].as_str() {
        Some("ServiceAccount") => is_ours(&subject["namespace"]),
        _ => is_ours(&subject["name"]),
    }
}

pub(crate) fn selects_only_us(matcher: &Value) -> bool {
    is_ours(&matcher["namespaceSelector"]["matchLabels"][OWN_NAMESPACE])
}

/// A volume that only a claim of this world can take, on a folder that no other volume is on.
fn is_bound_to_ours(volume: &Value) -> bool {
    let spec = &volume["spec"];
    let has_own_folder = ["hostPath", "local"].iter().all(|source| {
        let path = &spec[*source]["path"];
        path.is_null() || is_ours(path)
    });
    has_own_folder
        && (is_ours(&spec["claimRef"]["namespace"]) || is_ours(&spec["storageClassName"]))
}

/// An aggregated role that can only collect roles whose label names the world.
fn collects_only_ours(role: &Value) -> bool {
    all_are_ours(
        &role["aggregationRule"]["clusterRoleSelectors"],
        |selector| {
            selector["matchLabels"]
                .as_object()
                .is_some_and(|labels| labels.values().any(is_ours))
        },
    )
}

/// Whether another role may gather this one's rules. Which labels gather is the cluster's affair:
/// Kubernetes' own roles, an addon's and somebody's go by different ones. So only labels whose values
/// name the world count as its own.
fn may_feed_others(role: &Value) -> bool {
    let labels = role["metadata"]["labels"].as_object();
    labels.is_some_and(|all| !all.values().all(is_ours))
}
