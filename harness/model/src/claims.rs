//! What a node or a cluster has only once: who takes it is noticed by others, whatever the
//! namespace.

use serde_json::{Map, Value};

use crate::makes_pods;
use crate::scope::is_ours;

/// Kinds that take such things themselves, or for pods that say nothing, beside those that have pods
/// made.
const CLAIMING_KINDS: [&str; 5] = [
    "Pod",
    "Service",
    "PodTemplate",
    "LimitRange",
    "RuntimeClass",
];

/// Whether an object takes a port, a path or a place of a node, or an address of the cluster.
pub(crate) fn claims_what_is_shared(object: &Value) -> bool {
    object["kind"]
        .as_str()
        .is_some_and(|kind| CLAIMING_KINDS.contains(&kind) || makes_pods(kind))
        && (holds_claim(&object["spec"])
            || holds_claim(&object["overhead"])
            || holds_claim(&object["status"]))
}

/// The same of a patch: of the fields that it sets, in whichever of the three formats. Who mounts a
/// volume that it adds may stand in the object that is patched.
pub(crate) fn patch_claims_what_is_shared(patch: &Value) -> bool {
    holds_claim(patch) || holds_foreign_host_path(patch)
}

fn holds_foreign_host_path(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(holds_foreign_host_path),
        Value::Object(fields) => {
            patched_value(fields).is_some_and(|patched| holds_foreign_host_path(&patched))
                || fields.iter().any(|(field, value)| {
                    (field == "hostPath" && !is_ours(&value["path"]))
                        || holds_foreign_host_path(value)
                })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn holds_claim(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(holds_claim),
        Value::Object(fields) => {
            patched_value(fields).is_some_and(|patched| holds_claim(&patched))
                || fields
                    .iter()
                    .any(|(field, value)| is_claim(field, value) || holds_claim(value))
                || gives_by_its_most(fields)
                || holds_host_path(fields)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// What an operation of a JSON patch sets, within the fields that its path leads through. What is
/// copied or moved there may be anything.
fn patched_value(operation: &Map<String, Value>) -> Option<Value> {
    let path = operation.get("path")?.as_str()?;
    let set = match operation.get("op").and_then(Value::as_str) {
        Some("copy" | "move") => Value::Null,
        Some("remove" | "test") => return None,
        _ => operation.get("value")?.clone(),
    };
    let parts = path
        .strip_prefix('/')?
        .split('/')
        .map(|part| part.replace("~1", "/").replace("~0", "~"));
    let wrap = |inner, part| Value::Object(Map::from_iter([(part, inner)]));
    Some(parts.rev().fold(set, wrap))
}

/// A limit whose most is also what pods get and ask for that say nothing (kubernetes
/// `pkg/apis/core/v1/defaults.go`, `SetDefaults_LimitRangeItem`).
fn gives_by_its_most(limit: &Map<String, Value>) -> bool {
    let most = limit
        .get("max")
        .filter(|_| !limit.contains_key("default") && !limit.contains_key("defaultRequest"));
    most.is_some_and(is_much_of_a_node)
}

fn is_claim(field: &str, value: &Value) -> bool {
    match field {
        "hostPort" | "nodePort" | "healthCheckNodePort" => value.as_u64() != Some(0),
        // Processes, and what is in /dev/shm, of every such pod of the node.
        "hostNetwork" | "hostPID" | "hostIPC" => value == true,
        "externalIPs" => value.as_array().is_none_or(|all| !all.is_empty()),
        "clusterIP" => !matches!(value.as_str(), Some("" | "None")),
        "clusterIPs" => value
            .as_array()
            .is_none_or(|all| all.iter().any(|one| is_claim("clusterIP", one))),
        // Pods of a higher class push others off a node that is full.
        "priorityClassName" => !is_ours(value),
        "resources" => takes_much_of_a_node(value),
        "defaultRequest" | "default" | "podFixed" => is_much_of_a_node(value),
        "replicas" | "parallelism" => value.as_u64().is_none_or(are_many_pods),
        // An address that a Service is said to have is its own on every node.
        "loadBalancer" | "ingress" => value.to_string().contains("\"ip\":"),
        "podAffinity" | "podAntiAffinity" => names_other_namespaces(value),
        _ => false,
    }
}

/// What a node has so much of.
const NODE_RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// This many pods of a workload fit beside those of other worlds, whatever little each asks for.
const FEW_PODS: u64 = 10;

/// Whether this many pods of a workload may keep those of other worlds off a node.
#[must_use]
pub fn are_many_pods(number: u64) -> bool {
    number > FEW_PODS
}

/// Whether a container asks for so much of a node that pods of other worlds may have to wait for
/// it. What it asks for is its limit where it states nothing else.
fn takes_much_of_a_node(resources: &Value) -> bool {
    let asked = |name: &str| {
        let stated = &resources["requests"][name];
        if stated.is_null() {
            &resources["limits"][name]
        } else {
            stated
        }
    };
    NODE_RESOURCES
        .iter()
        .any(|resource| is_much(resource, asked(resource)))
}

/// The same of what pods get that ask for nothing, or that they cost beside it.
fn is_much_of_a_node(resources: &Value) -> bool {
    NODE_RESOURCES
        .iter()
        .any(|resource| is_much(resource, &resources[*resource]))
}

fn is_much(resource: &str, quantity: &Value) -> bool {
    !match resource {
        "cpu" => is_small(quantity, &["m", "u", "n"], 25),
        _ => is_small(quantity, &["Mi", "M", "Ki", "k", ""], 64),
    }
}

/// Whether a quantity is nothing, or at most `most` of one of these units. In doubt it is large.
fn is_small(quantity: &Value, units: &[&str], most: u64) -> bool {
    let text = match quantity {
        Value::Null => return true,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    match digits.parse::<u64>() {
        Ok(0) => true,
        Ok(number) => number <= most && units.contains(&unit),
        Err(_) => false,
    }
}

/// Whether a rule on where pods go looks at pods of other namespaces.
fn names_other_namespaces(rules: &Value) -> bool {
    match rules {
        Value::Array(items) => items.iter().any(names_other_namespaces),
        Value::Object(fields) => fields.iter().any(|(field, value)| match field.as_str() {
            "namespaces" => !crate::scope::all_are_ours(value, is_ours),
            "namespaceSelector" => true,
            _ => names_other_namespaces(value),
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A pod's spec with a folder of the node that is not called after the world, and that some
/// container mounts, or that the kubelet makes. Who only reads there reads what others left.
fn holds_host_path(spec: &Map<String, Value>) -> bool {
    let Some(volumes) = spec.get("volumes").and_then(Value::as_array) else {
        return false;
    };
    let mut shared = volumes.iter().filter(|volume| {
        volume
            .get("hostPath")
            .is_some_and(|host| !is_ours(&host["path"]))
    });
    shared.any(|volume| makes_its_path(volume) || is_mounted(spec, &volume["name"]))
}

fn makes_its_path(volume: &Value) -> bool {
    matches!(
        volume["hostPath"]["type"].as_str(),
        Some("DirectoryOrCreate" | "FileOrCreate")
    )
}

fn is_mounted(spec: &Map<String, Value>, volume: &Value) -> bool {
    ["containers", "initContainers", "ephemeralContainers"]
        .iter()
        .filter_map(|key| spec.get(*key)?.as_array())
        .flatten()
        .filter_map(|container| container["volumeMounts"].as_array())
        .flatten()
        .any(|mount| mount["name"] == *volume)
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
            json!({"hostPID": true}),
            json!({"hostIPC": true}),
            json!({"replicas": 50}),
            json!({"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}),
            json!({"limits": [{"type": "Container", "defaultRequest": {"cpu": "1"}}]}),
            json!({"containers": [{"resources": {"requests": {"cpu": "1500m"}}}]}),
            json!({"containers": [{"resources": {"requests": {"cpu": 1}}}]}),
            json!({"containers": [{"resources": {"limits": {"memory": "1Gi"}}}]}),
            json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"namespaceSelector": {}, "topologyKey": "kubernetes.io/hostname"}]}}}),
            json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"namespaces": ["shop"], "topologyKey": "kubernetes.io/hostname"}]}}}),
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
            json!({"hostPID": false, "hostAliases": [{"ip": "203.0.113.9", "hostnames": ["a"]}]}),
            json!({"replicas": 2, "limits": [{"type": "Container", "defaultRequest": {"cpu": "20m"}}]}),
            json!({"containers": [{"resources": {"requests": {"cpu": "20m"}, "limits": {"cpu": "2"}}}]}),
            json!({"containers": [{"resources": {"requests": {"memory": "16Mi", "cpu": 0}}}]}),
            json!({"containers": [{"resources": {"requests": {"memory": "1"}}}]}),
            json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"namespaces": ["$(namespace)"], "topologyKey": "kubernetes.io/hostname"}]}}}),
        ] {
            assert!(
                !claims_what_is_shared(&json!({"kind": "Service", "spec": spec})),
                "{spec}"
            );
        }
    }

    #[test]
    fn what_pods_get_or_cost_unasked_counts_for_them() {
        let runtime = |cpu: &str| json!({"kind": "RuntimeClass", "handler": "runc", "overhead": {"podFixed": {"cpu": cpu}}});
        assert!(claims_what_is_shared(&runtime("500m")));
        assert!(!claims_what_is_shared(&runtime("10m")));
        let limits = |limit: Value| json!({"kind": "LimitRange", "spec": {"limits": [limit]}});
        for limit in [
            json!({"default": {"memory": "1Gi"}}),
            json!({"max": {"cpu": "2"}}),
            json!({"default": {"ephemeral-storage": "8Gi"}}),
        ] {
            assert!(claims_what_is_shared(&limits(limit.clone())), "{limit}");
        }
        let small = json!({"max": {"cpu": "2"}, "default": {"cpu": "10m"}});
        assert!(!claims_what_is_shared(&limits(small)));
    }

    #[test]
    fn a_folder_of_the_node_is_shared_once_it_is_mounted() {
        let pod = |path: &str, mount: Value| {
            json!({"kind": "Pod", "spec": {
                "containers": [{"name": "a", "volumeMounts": [mount]}],
                "volumes": [{"name": "v", "hostPath": {"path": path}}],
            }})
        };
        let written = json!({"name": "v", "mountPath": "/v"});
        let read = json!({"name": "v", "mountPath": "/v", "readOnly": true});
        assert!(claims_what_is_shared(&pod("/etc", written.clone())));
        assert!(claims_what_is_shared(&pod("/etc", read)));
        assert!(!claims_what_is_shared(&pod(
            "/var/lib/$(namespace)",
            written
        )));
        let unmounted = json!({"name": "other", "mountPath": "/v"});
        assert!(!claims_what_is_shared(&pod("/etc", unmounted)));
        let mut made = pod(
            "/var/lib/shared",
            json!({"name": "v", "mountPath": "/v", "readOnly": true}),
        );
        made["spec"]["volumes"][0]["hostPath"]["type"] = json!("DirectoryOrCreate");
        assert!(claims_what_is_shared(&made));
    }

    #[test]
    fn patches_in_every_format_are_looked_through() {
        assert!(patch_claims_what_is_shared(
            &json!({"spec": {"ports": [{"nodePort": 30001}]}})
        ));
        assert!(patch_claims_what_is_shared(&json!([
            {"op": "add", "path": "/spec/externalIPs", "value": ["203.0.113.9"]}
        ])));
        for (path, value) in [
            ("/spec/containers/0/resources/requests/cpu", json!("2")),
            ("/spec/template/spec/volumes/0/hostPath/path", json!("/etc")),
            (
                "/spec/template/spec/volumes/0/hostPath",
                json!({"path": "/etc"}),
            ),
            (
                "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/0/namespaceSelector",
                json!({}),
            ),
        ] {
            let patch = json!([{"op": "replace", "path": path, "value": value}]);
            assert!(patch_claims_what_is_shared(&patch), "{path}");
        }
        let port = "/spec/ports/0/nodePort";
        let moved = |op: &str| json!([{"op": op, "from": "/spec/ports/0/port", "path": port}]);
        assert!(patch_claims_what_is_shared(&moved("copy")));
        assert!(!patch_claims_what_is_shared(&moved("remove")));
        let volume = |path: &str| {
            json!([{"op": "add", "path": "/spec/template/spec/volumes/-",
                    "value": {"name": "v", "hostPath": {"path": path}}}])
        };
        assert!(patch_claims_what_is_shared(&volume("/var/lib/shared")));
        assert!(!patch_claims_what_is_shared(&volume(
            "/var/lib/$(namespace)"
        )));
        assert!(!patch_claims_what_is_shared(&json!([
            {"op": "add", "path": "/metadata/labels/a", "value": "b"}
        ])));
    }
}
