//! Where objects are, by convention: for kinds that need not be looked up, and for those that the
//! server does not know, so that it can say so itself.

use model::plural_name;
use serde_json::Value;

/// Where objects of this kind are.
#[must_use]
pub fn collection_path(object: &Value) -> String {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let root = if version.contains('/') {
        format!("/apis/{version}")
    } else {
        format!("/api/{version}")
    };
    let plural = plural_name(object["kind"].as_str().unwrap_or_default());
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
        None => format!("{root}/{plural}"),
    }
}

/// Where this object is.
#[must_use]
pub fn object_path(object: &Value) -> String {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    format!("{}/{name}", collection_path(object))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_path_of_an_object_follows_from_its_kind() {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}});
        assert_eq!(object_path(&map), "/api/v1/namespaces/n/configmaps/a");
        let policy = json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "a"}});
        assert_eq!(
            object_path(&policy),
            "/apis/kyverno.io/v1/clusterpolicies/a"
        );
    }
}
