//! Who owns whom: what controllers make goes with what they make it for, in its own time.

use api::percent_encode;
use serde_json::Value;

use super::makes_pods;
use crate::discovery::ApiResource;

/// The collections of a namespace that hold what controllers make for an object: makers of pods, and
/// then pods.
pub(crate) fn owned_collections(namespace: &str) -> [String; 3] {
    let namespace = percent_encode(namespace);
    [
        format!("/apis/batch/v1/namespaces/{namespace}/jobs"),
        format!("/apis/apps/v1/namespaces/{namespace}/replicasets"),
        format!("/api/v1/namespaces/{namespace}/pods"),
    ]
}

/// Whether pods go with an object of this kind.
pub(crate) fn takes_pods_along(resource: &ApiResource) -> bool {
    makes_pods(resource) || resource.kind == "CronJob"
}

/// The owner that is an object's controller, where it has one.
pub(crate) fn controller_of(object: &Value) -> Option<&Value> {
    owners_of(object).find(|owner| owner["controller"] == true)
}

/// Those that own an object, its controller among them.
pub(crate) fn owners_of(object: &Value) -> impl Iterator<Item = &Value> {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten()
}

/// Whether `owner` is the controller of `object`.
pub(super) fn is_controlled(object: &Value, owner: &Value) -> bool {
    controller_of(object).is_some_and(|one| one["uid"] == owner["metadata"]["uid"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_controller_counts() {
        let item = |controller: bool| json!({"metadata": {"ownerReferences": [{"uid": "a", "controller": controller}]}});
        assert!(controller_of(&item(true)).is_some());
        assert!(controller_of(&item(false)).is_none() && controller_of(&json!({})).is_none());
        let owner = |uid: &str| json!({"metadata": {"uid": uid}});
        assert!(is_controlled(&item(true), &owner("a")));
        assert!(!is_controlled(&item(true), &owner("b")));
        assert!(!is_controlled(&item(false), &owner("a")));
    }

    #[test]
    fn workloads_take_their_pods_along() {
        let takes = |version: &str, kind: &str| {
            takes_pods_along(&ApiResource::guess_resource(version, kind))
        };
        assert!(takes("apps/v1", "Deployment") && takes("batch/v1", "CronJob"));
        assert!(takes("batch/v1", "Job") && takes("v1", "ReplicationController"));
        assert!(!takes("v1", "Pod") && !takes("v1", "Node"));
    }
}
