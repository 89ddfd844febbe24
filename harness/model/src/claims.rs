//! What a node or a cluster has only once: who takes it is noticed by others, whatever the
//! namespace.

use serde_json::{Map, Value};

use crate::makes_pods;
use crate::scope::is_ours;

/// Kinds that take such things themselves, or for pods that say nothing, or have more pods made,
/// beside those that have pods made.
const CLAIMING_KINDS: [&str; 6] = [
    "Pod",
    "Service",
    "PodTemplate",
    "LimitRange",
    "RuntimeClass",
    "HorizontalPodAutoscaler",
];

/// What may be asked for without pods of other worlds having to wait. Memory, and what is like it, is
/// in Mi, and cpu in thousandths.
#[derive(Clone, Copy)]
struct ClaimLimits {
    pods: u64,
    cpu: u64,
    memory: u64,
}

/// Of an object that says how many pods there are, and what each asks for.
const WHOLE_LIMITS: ClaimLimits = ClaimLimits {
    pods: 10,
    cpu: 25,
    memory: 64,
};

/// Of what says only one of the two, for pods that state the most of the other: a patch, an
/// autoscaler, what pods get that ask for nothing.
const PART_LIMITS: ClaimLimits = ClaimLimits {
    pods: MOST_TOGETHER.cpu / WHOLE_LIMITS.cpu,
    cpu: MOST_TOGETHER.cpu / WHOLE_LIMITS.pods,
    memory: MOST_TOGETHER.memory / WHOLE_LIMITS.pods,
};

/// Of all pods of an object together.
const MOST_TOGETHER: ClaimLimits = ClaimLimits {
    pods: WHOLE_LIMITS.pods,
    cpu: 100,
    memory: 256,
};

/// Whether an object takes a port, a path or a place of a node, or an address of the cluster.
pub(crate) fn claims_what_is_shared(object: &Value) -> bool {
    object["kind"]
        .as_str()
        .is_some_and(|kind| CLAIMING_KINDS.contains(&kind) || makes_pods(kind))
        && (["spec", "overhead", "status"]
            .iter()
            .any(|part| holds_claim(&object[*part], &WHOLE_LIMITS))
            || takes_much_together(object))
}

/// The same of a patch: of the fields that it sets, in whichever of the three formats. Who mounts a
/// volume that it adds may stand in the object that is patched.
pub(crate) fn patch_claims_what_is_shared(patch: &Value) -> bool {
    holds_claim(patch, &PART_LIMITS) || holds_foreign_host_path(patch)
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

fn holds_claim(value: &Value, limits: &ClaimLimits) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| holds_claim(item, limits)),
        Value::Object(fields) => {
            patched_value(fields).is_some_and(|patched| holds_claim(&patched, limits))
                || fields.iter().any(|(field, value)| {
                    is_claim(field, value, limits) || holds_claim(value, limits)
                })
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

fn is_claim(field: &str, value: &Value, limits: &ClaimLimits) -> bool {
    match field {
        "hostPort" | "nodePort" | "healthCheckNodePort" => value.as_u64() != Some(0),
        // Processes, and what is in /dev/shm, of every such pod of the node.
        "hostNetwork" | "hostPID" | "hostIPC" => value == true,
        "externalIPs" => value.as_array().is_none_or(|all| !all.is_empty()),
        "clusterIP" => !matches!(value.as_str(), Some("" | "None")),
        "clusterIPs" => value
            .as_array()
            .is_none_or(|all| all.iter().any(|one| is_claim("clusterIP", one, limits))),
        // Pods of a higher class push others off a node that is full.
        "priorityClassName" => !is_ours(value),
        "resources" => takes_much_of_a_node(value, limits),
        "defaultRequest" | "default" | "podFixed" => is_much_of_a_node(value),
        "replicas" | "parallelism" => value.as_u64().is_none_or(|pods| pods > limits.pods),
        "minReplicas" | "maxReplicas" => value.as_u64().is_none_or(are_many_pods),
        // An address that a Service is said to have is its own on every node.
        "loadBalancer" | "ingress" => value.to_string().contains("\"ip\":"),
        "podAffinity" | "podAntiAffinity" => names_other_namespaces(value),
        _ => false,
    }
}

/// What a node has so much of.
const NODE_RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// Whether this many pods of a workload, whatever each asks for, may keep those of other worlds off a
/// node.
#[must_use]
pub fn are_many_pods(number: u64) -> bool {
    number > PART_LIMITS.pods
}

/// What a container asks for: its limit, where it states nothing else.
fn asked_amount<'a>(resources: &'a Value, name: &str) -> &'a Value {
    let stated = &resources["requests"][name];
    if stated.is_null() {
        &resources["limits"][name]
    } else {
        stated
    }
}

/// Whether a container asks for so much of a node that pods of other worlds may have to wait for
/// it.
fn takes_much_of_a_node(resources: &Value, limits: &ClaimLimits) -> bool {
    let mut names = NODE_RESOURCES.iter();
    names.any(|name| is_much(name, asked_amount(resources, name), limits))
}

/// The same of what pods get that ask for nothing, or that they cost beside it: of each of them.
fn is_much_of_a_node(resources: &Value) -> bool {
    let mut names = NODE_RESOURCES.iter();
    names.any(|name| is_much(name, &resources[*name], &PART_LIMITS))
}

/// Whether all pods of an object together ask for so much.
fn takes_much_together(object: &Value) -> bool {
    let pods = most_pods(object);
    let is_much = |name: &&str| {
        let of_one = small_sum(object, name);
        of_one.is_none_or(|amount| amount.saturating_mul(pods) > MOST_TOGETHER.amount(name))
    };
    NODE_RESOURCES.iter().any(is_much)
}

/// How many pods an object says there are; one where it says nothing.
fn most_pods(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.iter().map(most_pods).max().unwrap_or(1),
        Value::Object(fields) => {
            let own = ["replicas", "parallelism"].iter();
            let own = own.filter_map(|field| fields.get(*field)?.as_u64());
            own.chain(fields.values().map(most_pods)).max().unwrap_or(1)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

/// What all containers in a value ask for, as [`small_amount`] has it.
fn small_sum(value: &Value, name: &str) -> Option<u64> {
    match value {
        Value::Array(items) => add_all(items.iter().map(|item| small_sum(item, name))),
        Value::Object(fields) => {
            let of_field = |(field, value): (&String, &Value)| match field.as_str() {
                "resources" => small_amount(name, asked_amount(value, name)),
                _ => small_sum(value, name),
            };
            add_all(fields.iter().map(of_field))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(0),
    }
}

/// The sum, if all are known. It ends at the most that there is.
fn add_all(mut amounts: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    amounts.try_fold(0_u64, |sum, amount| Some(sum.saturating_add(amount?)))
}

impl ClaimLimits {
    fn amount(&self, resource: &str) -> u64 {
        match resource {
            "cpu" => self.cpu,
            _ => self.memory,
        }
    }
}

fn is_much(resource: &str, quantity: &Value, limits: &ClaimLimits) -> bool {
    small_amount(resource, quantity).is_none_or(|amount| amount > limits.amount(resource))
}

/// A quantity in thousandths of a cpu, or in Mi, rounded up or more. Nothing where it is not in one of
/// the small units: in doubt it is large.
fn small_amount(resource: &str, quantity: &Value) -> Option<u64> {
    let units: &[&str] = match resource {
        "cpu" => &["m", "u", "n"],
        _ => &["Mi", "M", "Ki", "k", ""],
    };
    let text = match quantity {
        Value::Null => return Some(0),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number = digits.parse::<u64>().ok()?;
    (number == 0 || units.contains(&&text[digits.len()..])).then_some(number)
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
            json!({"replicas": 2, "limits": [{"type": "Container", "defaultRequest": {"cpu": "10m"}}]}),
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
    fn pods_that_ask_for_little_are_together_much() {
        let deployment = |replicas: u64, cpu: &str, memory: &str| {
            let container = json!({"resources": {"requests": {"cpu": cpu, "memory": memory}}});
            json!({"kind": "Deployment", "spec": {
                "replicas": replicas, "template": {"spec": {"containers": [container]}},
            }})
        };
        for (replicas, cpu, memory, is_much) in [
            (10, "10m", "25Mi", false),
            (10, "11m", "16Mi", true),
            (10, "5m", "26Mi", true),
            (4, "25m", "64Mi", false),
            (5, "25m", "16Mi", true),
            (1, "26m", "16Mi", true),
        ] {
            let object = deployment(replicas, cpu, memory);
            assert_eq!(claims_what_is_shared(&object), is_much, "{object}");
        }
        let one = json!({"resources": {"limits": {"cpu": "25m"}}});
        let crowd = |kind: &str, number: usize| json!({"kind": kind, "spec": {"containers": vec![one.clone(); number]}});
        assert!(!claims_what_is_shared(&crowd("Pod", 4)));
        assert!(claims_what_is_shared(&crowd("Pod", 5)));
        let job = |parallelism: u64| {
            json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {
                "parallelism": parallelism, "template": {"spec": {"containers": [one]}},
            }}}})
        };
        assert!(!claims_what_is_shared(&job(4)));
        assert!(claims_what_is_shared(&job(5)));
    }

    /// What the other factor is, another object says, or the one that is patched.
    #[test]
    fn who_says_only_how_many_or_only_how_much_may_say_less() {
        let autoscaler = |spec: Value| json!({"kind": "HorizontalPodAutoscaler", "spec": spec});
        assert!(!claims_what_is_shared(&autoscaler(
            json!({"minReplicas": 2, "maxReplicas": 4})
        )));
        for spec in [
            json!({"minReplicas": 5, "maxReplicas": 5}),
            json!({"maxReplicas": 5}),
        ] {
            assert!(claims_what_is_shared(&autoscaler(spec.clone())), "{spec}");
        }
        assert!(!are_many_pods(4) && are_many_pods(5));
        for (patch, is_much) in [
            (json!({"spec": {"replicas": 4}}), false),
            (json!({"spec": {"replicas": 5}}), true),
            (json!({"resources": {"requests": {"cpu": "10m"}}}), false),
            (json!({"resources": {"requests": {"cpu": "11m"}}}), true),
        ] {
            assert_eq!(patch_claims_what_is_shared(&patch), is_much, "{patch}");
        }
        let limits =
            json!({"kind": "LimitRange", "spec": {"limits": [{"default": {"cpu": "11m"}}]}});
        assert!(claims_what_is_shared(&limits));
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
