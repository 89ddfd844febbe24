//! What a node or a cluster has only once: who takes it is noticed by others, whatever the
//! namespace.

use serde_json::Value;

use crate::scope::is_ours;

/// Kinds that take such things themselves, or by the pods that they make.
const CLAIMING_KINDS: [&str; 10] = [
    "Pod",
    "Service",
    "ReplicationController",
    "DaemonSet",
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "CronJob",
    "Job",
    "PodTemplate",
];

/// Whether an object takes a port, a path or a place of a node, or an address of the cluster.
pub(crate) fn claims_what_is_shared(object: &Value) -> bool {
    object["kind"]
        .as_str()
        .is_some_and(|kind| CLAIMING_KINDS.contains(&kind))
        && holds_claim(&object["spec"])
}

/// The same of a patch: of the fields that it sets, in whichever of the three formats.
pub(crate) fn patch_claims_what_is_shared(patch: &Value) -> bool {
    holds_claim(patch)
}

fn holds_claim(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(holds_claim),
        Value::Object(fields) => {
            // An operation of a JSON patch sets the last part of its path.
            let set = fields
                .get("path")
                .and_then(Value::as_str)
                .and_then(|path| path.rsplit_once('/'))
                .zip(fields.get("value"));
            set.is_some_and(|((_, field), value)| is_claim(field, value))
                || fields
                    .iter()
                    .any(|(field, value)| is_claim(field, value) || holds_claim(value))
                || holds_writable_host_path(fields)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn is_claim(field: &str, value: &Value) -> bool {
    match field {
        "hostPort" | "nodePort" | "healthCheckNodePort" => value.as_u64() != Some(0),
        "hostNetwork" => value == true,
        "externalIPs" => value.as_array().is_none_or(|all| !all.is_empty()),
        "clusterIP" => !matches!(value.as_str(), Some("" | "None")),
        "clusterIPs" => value
            .as_array()
            .is_none_or(|all| all.iter().any(|one| is_claim("clusterIP", one))),
        // Pods of a higher class push others off a node that is full.
        "priorityClassName" => !is_ours(value),
        _ => false,
    }
}

/// A pod's spec with a folder of the node that is not called after the world, and that some
/// container may write to.
fn holds_writable_host_path(spec: &serde_json::Map<String, Value>) -> bool {
    let Some(volumes) = spec.get("volumes").and_then(Value::as_array) else {
        return false;
    };
    let shared = volumes.iter().filter(|volume| {
        volume
            .get("hostPath")
            .is_some_and(|host| !is_ours(&host["path"]))
    });
    shared
        .map(|volume| &volume["name"])
        .any(|name| is_written(spec, name))
}

fn is_written(spec: &serde_json::Map<String, Value>, volume: &Value) -> bool {
    ["containers", "initContainers", "ephemeralContainers"]
        .iter()
        .filter_map(|key| spec.get(*key)?.as_array())
        .flatten()
        .filter_map(|container| container["volumeMounts"].as_array())
        .flatten()
        .any(|mount| mount["name"] == *volume && mount["readOnly"] != true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ports_and_addresses_of_a_node_are_shared() {
        for spec in [
            json!({"ports": [{"port": 80, "nodePort": 30080}]}),
            json!({"externalIPs": ["203.0.113.9"]}),
            json!({"clusterIP": "10.96.0.77"}),
            json!({"hostNetwork": true}),
            json!({"template": {"spec": {"containers": [{"ports": [{"hostPort": 80}]}]}}}),
            json!({"priorityClassName": "system-node-critical"}),
        ] {
            for kind in ["Service", "Pod", "Deployment"] {
                assert!(
                    claims_what_is_shared(&json!({"kind": kind, "spec": spec})),
                    "{kind} {spec}"
                );
            }
            let policy = json!({"kind": "ClusterPolicy", "spec": {"pattern": {"spec": spec}}});
            assert!(!claims_what_is_shared(&policy), "{spec}");
        }
    }

    #[test]
    fn what_a_world_has_for_itself_is_not() {
        for spec in [
            json!({"ports": [{"port": 80}], "clusterIP": "None"}),
            json!({"clusterIPs": [""], "externalIPs": []}),
            json!({"hostNetwork": false, "priorityClassName": "$(namespace)-high"}),
        ] {
            assert!(
                !claims_what_is_shared(&json!({"kind": "Service", "spec": spec})),
                "{spec}"
            );
        }
    }

    #[test]
    fn a_folder_of_the_node_is_shared_once_it_is_written() {
        let pod = |path: &str, mount: Value| {
            json!({"kind": "Pod", "spec": {
                "containers": [{"name": "a", "volumeMounts": [mount]}],
                "volumes": [{"name": "v", "hostPath": {"path": path}}],
            }})
        };
        let written = json!({"name": "v", "mountPath": "/v"});
        let read = json!({"name": "v", "mountPath": "/v", "readOnly": true});
        assert!(claims_what_is_shared(&pod("/etc", written.clone())));
        assert!(!claims_what_is_shared(&pod("/etc", read)));
        assert!(!claims_what_is_shared(&pod(
            "/var/lib/$(namespace)",
            written
        )));
        let unmounted = json!({"name": "other", "mountPath": "/v"});
        assert!(!claims_what_is_shared(&pod("/etc", unmounted)));
    }

    #[test]
    fn patches_in_every_format_are_looked_through() {
        assert!(patch_claims_what_is_shared(
            &json!({"spec": {"ports": [{"nodePort": 30001}]}})
        ));
        assert!(patch_claims_what_is_shared(&json!([
            {"op": "add", "path": "/spec/externalIPs", "value": ["203.0.113.9"]}
        ])));
        assert!(!patch_claims_what_is_shared(&json!([
            {"op": "add", "path": "/metadata/labels/a", "value": "b"}
        ])));
    }
}
