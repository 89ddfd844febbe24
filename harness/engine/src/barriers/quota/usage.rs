//! What a quota has to say that is used, computed from what there is (kubernetes 1.36
//! `pkg/quota/v1/evaluator/core`).

use std::collections::BTreeMap;

use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::pod_resources::{pod_limits, pod_requests};
use super::quantity::ExactQuantity;
use super::scopes::matches_scopes;
use crate::Error;
use crate::discovery::ApiResource;

/// What a class of storage is told by in a quota's key.
const CLASS_SUFFIX: &str = ".storageclass.storage.k8s.io/";

/// What pods ask for through a class of devices, whichever way they ask.
const DEVICE_CLASS_PREFIX: &str = "requests.deviceclass.resource.kubernetes.io/";

const PLAIN_RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// What is used, by the quota's keys.
type UsageByKey = BTreeMap<String, ExactQuantity>;

/// Where the status of a quota differs from what these objects of one kind come to; nothing where it
/// says the same. Keys that count other kinds are not compared.
///
/// # Errors
/// When that cannot be computed.
pub(super) fn compare_usage(
    quota: &Value,
    counted: &ApiResource,
    items: &[Value],
) -> Result<Option<String>, Error> {
    let hard = quota["spec"]["hard"].as_object().into_iter().flatten();
    let mut keys = hard
        .map(|(key, _)| key)
        .filter(|key| is_counted(key, counted))
        .peekable();
    if keys.peek().is_none() {
        return Ok(None);
    }
    let mut used = UsageByKey::new();
    for item in items {
        if matches_scopes(&quota["spec"], counted, item)? {
            for (key, amount) in item_usage(counted, item)? {
                let sum = used.entry(key).or_default();
                *sum = sum.add(amount);
            }
        }
    }
    for key in keys {
        if key.starts_with(DEVICE_CLASS_PREFIX) {
            return Err(Error::unsupported(format!(
                "it is not known what a quota counts under {key}"
            )));
        }
        let told = &quota["status"]["used"][key];
        let there = used.get(key).copied().unwrap_or_default();
        if ExactQuantity::read(told) != Some(there) {
            return Ok(Some(format!("it says {told} of {key}, which is not so")));
        }
    }
    Ok(None)
}

/// Whether a key of a quota counts, or sums up, objects of this kind.
fn is_counted(key: &str, counted: &ApiResource) -> bool {
    let plural = counted.plural.as_str();
    if key == count_key(counted) {
        return true;
    }
    let is_storage = key == "requests.storage" || key.contains(CLASS_SUFFIX);
    match (counted.group.as_str(), plural) {
        ("", "persistentvolumeclaims") => is_storage || key == plural,
        ("", "services") => key == plural || key.starts_with("services."),
        ("", "pods") => {
            let is_summed = is_plain_resource(key)
                || key
                    .strip_prefix("limits.")
                    .is_some_and(|name| PLAIN_RESOURCES.contains(&name))
                || key
                    .strip_prefix("requests.")
                    .is_some_and(|name| is_plain_resource(name) || is_extended_resource(name))
                || key.starts_with(DEVICE_CLASS_PREFIX);
            key == plural || is_summed && !is_storage
        }
        ("", _) => key == plural,
        _ => false,
    }
}

/// Whether a quota takes this name alone for what is requested.
fn is_plain_resource(name: &str) -> bool {
    PLAIN_RESOURCES.contains(&name) || name.starts_with("hugepages-")
}

/// Whether this is a resource of somebody's own: a quota sums what is requested of it, and never
/// its limits (kubernetes 1.36 `pkg/quota/v1/evaluator/core/pods.go`, `podResourcePrefixes`).
fn is_extended_resource(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/")
}

fn count_key(counted: &ApiResource) -> String {
    if counted.group.is_empty() {
        format!("count/{}", counted.plural)
    } else {
        format!("count/{}.{}", counted.plural, counted.group)
    }
}

/// What one object is charged with.
fn item_usage(counted: &ApiResource, item: &Value) -> Result<UsageByKey, Error> {
    let one = ExactQuantity::from_count(1);
    let mut usage = UsageByKey::from([(count_key(counted), one)]);
    match (counted.group.as_str(), counted.plural.as_str()) {
        ("", "pods") => charge_pod(&mut usage, item)?,
        ("", "persistentvolumeclaims") => charge_claim(&mut usage, item)?,
        ("", "services") => charge_service(&mut usage, item),
        ("", plural) => _ = usage.insert(plural.to_owned(), one),
        _ => {}
    }
    Ok(usage)
}

/// One that has ended, or whose time to end is up, is counted as an object, and charged with
/// nothing.
fn charge_pod(usage: &mut UsageByKey, pod: &Value) -> Result<(), Error> {
    let phase = pod["status"]["phase"].as_str();
    if matches!(phase, Some("Succeeded" | "Failed")) || is_overdue(pod, OffsetDateTime::now_utc()) {
        return Ok(());
    }
    usage.insert("pods".into(), ExactQuantity::from_count(1));
    for (name, amount) in pod_requests(pod)? {
        let is_plain = is_plain_resource(&name);
        usage.insert(format!("requests.{name}"), amount);
        if is_plain {
            usage.insert(name, amount);
        }
    }
    for (name, amount) in pod_limits(pod)? {
        usage.insert(format!("limits.{name}"), amount);
    }
    Ok(())
}

/// Whether a pod should have ended by now, as its quota sees it: its grace period after the time at
/// which it is to be gone (`QuotaV1Pod`).
fn is_overdue(pod: &Value, now: OffsetDateTime) -> bool {
    let metadata = &pod["metadata"];
    let end = metadata["deletionTimestamp"].as_str();
    let end = end.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    let grace = metadata["deletionGracePeriodSeconds"].as_i64();
    end.zip(grace)
        .is_some_and(|(end, grace)| now > end + Duration::seconds(grace))
}

fn charge_claim(usage: &mut UsageByKey, claim: &Value) -> Result<(), Error> {
    let one = ExactQuantity::from_count(1);
    let annotated = &claim["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"];
    let class = annotated
        .as_str()
        .or_else(|| claim["spec"]["storageClassName"].as_str())
        .unwrap_or_default();
    let stated = [
        &claim["spec"]["resources"]["requests"]["storage"],
        &claim["status"]["allocatedResources"]["storage"],
    ];
    let mut most = None;
    for amount in stated.into_iter().filter(|amount| !amount.is_null()) {
        most = most.max(Some(read_amount("storage", amount)?.round_up()));
    }
    let mut charge = |key: &str, amount: ExactQuantity| {
        usage.insert(key.to_owned(), amount);
        if !class.is_empty() {
            usage.insert(format!("{class}{CLASS_SUFFIX}{key}"), amount);
        }
    };
    charge("persistentvolumeclaims", one);
    if let Some(amount) = most {
        charge("requests.storage", amount);
    }
    Ok(())
}

fn charge_service(usage: &mut UsageByKey, service: &Value) {
    let spec = &service["spec"];
    let ports = spec["ports"].as_array().map(Vec::as_slice);
    let ports = ports.unwrap_or_default();
    let stated = ports
        .iter()
        .filter(|port| port["nodePort"].as_u64().is_some_and(|port| port != 0));
    let (node_ports, balancers) = match spec["type"].as_str() {
        Some("NodePort") => (ports.len(), 0),
        Some("LoadBalancer") if spec["allocateLoadBalancerNodePorts"] == false => {
            (stated.count(), 1)
        }
        Some("LoadBalancer") => (ports.len(), 1),
        _ => (0, 0),
    };
    for (key, count) in [
        ("services", 1),
        ("services.nodeports", node_ports),
        ("services.loadbalancers", balancers),
    ] {
        usage.insert(key.into(), ExactQuantity::from_count(count));
    }
}

/// A quantity of an object.
pub(super) fn read_amount(name: &str, amount: &Value) -> Result<ExactQuantity, Error> {
    ExactQuantity::read(amount).ok_or_else(|| {
        Error::unsupported(format!(
            "{amount} of {name} cannot be summed up for a quota"
        ))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(spec: Value, used: Value, kind: (&str, &str), items: &[Value]) -> Option<String> {
        let quota = json!({"spec": spec, "status": {"used": used}});
        let counted = ApiResource::guess_resource(kind.0, kind.1);
        compare_usage(&quota, &counted, items).unwrap()
    }

    const PODS: (&str, &str) = ("v1", "Pod");

    /// kubernetes 1.36 has no such key in the status of either quota.
    #[test]
    fn keys_that_nothing_counts_are_not_compared() {
        let limits = json!({"hard": {"limits.example.test/gpu": "1"}});
        let asks = pod(json!({"example.test/gpu": "1"}), "Running");
        assert_eq!(
            told(limits, json!({}), PODS, std::slice::from_ref(&asks)),
            None
        );
        let requests = json!({"hard": {"requests.example.test/gpu": "1"}});
        let used = json!({"requests.example.test/gpu": "1"});
        assert_eq!(
            told(requests.clone(), used, PODS, std::slice::from_ref(&asks)),
            None
        );
        assert!(told(requests, json!({}), PODS, &[asks]).is_some());
        let claims = json!({
            "hard": {"requests.storage": "1Gi"},
            "scopeSelector": {"matchExpressions": [{"scopeName": "VolumeAttributesClass", "operator": "Exists"}]},
        });
        let map = json!({"metadata": {"name": "a"}});
        assert_eq!(told(claims, json!({}), ("v1", "ConfigMap"), &[map]), None);
    }

    #[test]
    fn a_pod_whose_time_is_up_is_charged_with_nothing() {
        let mut stuck = pod(json!({"cpu": "1"}), "Running");
        let spec = json!({"hard": {"pods": "5", "count/pods": "5"}});
        stuck["metadata"] =
            json!({"deletionTimestamp": "2026-11-30T00:00:00Z", "deletionGracePeriodSeconds": 30});
        let used = json!({"pods": "0", "count/pods": "1"});
        assert_eq!(told(spec, used, PODS, std::slice::from_ref(&stuck)), None);
        let at = |text: &str| OffsetDateTime::parse(text, &Rfc3339).unwrap();
        assert!(is_overdue(&stuck, at("2026-11-30T00:00:31Z")));
        assert!(!is_overdue(&stuck, at("2026-11-30T00:00:30Z")));
    }

    fn pod(requests: Value, phase: &str) -> Value {
        json!({
            "spec": {"containers": [{"name": "a", "resources": {"requests": requests}}]},
            "status": {"phase": phase, "qosClass": "Burstable"},
        })
    }

    #[test]
    fn what_pods_ask_for_is_summed_up() {
        let spec = json!({"hard": {"requests.cpu": "1", "pods": "5", "count/pods": "9"}});
        let there = [
            pod(json!({"cpu": "10m"}), "Running"),
            pod(json!({"cpu": "0.02"}), "Pending"),
            pod(json!({"cpu": "500m"}), "Failed"),
        ];
        let used = json!({"requests.cpu": "30m", "pods": "2", "count/pods": "3"});
        assert_eq!(told(spec.clone(), used, PODS, &there), None);
        let late = json!({"requests.cpu": "40m", "pods": "2", "count/pods": "3"});
        assert_eq!(
            told(spec.clone(), late, PODS, &there).as_deref(),
            Some("it says \"40m\" of requests.cpu, which is not so")
        );
        assert!(
            told(spec, json!({}), PODS, &[]).is_some(),
            "not counted yet"
        );
    }

    #[test]
    fn only_what_is_in_its_scope_counts() {
        let spec = json!({"hard": {"pods": "1"}, "scopes": ["BestEffort"]});
        let mut best = pod(json!({}), "Pending");
        best["status"]["qosClass"] = json!("BestEffort");
        let there = [best, pod(json!({"cpu": "1"}), "Pending")];
        assert_eq!(told(spec.clone(), json!({"pods": "1"}), PODS, &there), None);
        assert!(told(spec, json!({"pods": "2"}), PODS, &there).is_some());
    }

    #[test]
    fn keys_of_other_kinds_are_left_alone() {
        let hard = json!({"hard": {
            "requests.storage": "1Gi", "services.nodeports": "2", "count/deployments.apps": "1",
            "requests.example.com/gpu": "1", "configmaps": "1",
        }});
        let used = json!({"requests.example.com/gpu": "0"});
        assert_eq!(told(hard.clone(), used.clone(), PODS, &[]), None);
        let deployments = ("apps/v1", "Deployment");
        assert!(told(hard.clone(), used.clone(), deployments, &[]).is_some());
        let counted = json!({"count/deployments.apps": "1"});
        assert_eq!(told(hard.clone(), counted, deployments, &[json!({})]), None);
        let maps = json!({"configmaps": "2"});
        assert_eq!(
            told(hard, maps, ("v1", "ConfigMap"), &[json!({}), json!({})]),
            None
        );
    }

    #[test]
    fn claims_and_services_are_charged_with_what_they_take() {
        let hard = json!({"hard": {
            "requests.storage": "9Gi", "fast.storageclass.storage.k8s.io/requests.storage": "9Gi",
            "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "9",
        }});
        let claim = |class: &str| json!({"spec": {"storageClassName": class, "resources": {"requests": {"storage": "1Gi"}}}});
        let used = json!({
            "requests.storage": "2Gi", "fast.storageclass.storage.k8s.io/requests.storage": "1Gi",
            "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
        });
        let claims = [claim("fast"), claim("")];
        assert_eq!(
            told(hard, used, ("v1", "PersistentVolumeClaim"), &claims),
            None
        );
        let hard = json!({"hard": {"services.nodeports": "9", "services.loadbalancers": "9"}});
        let service =
            |kind: &str| json!({"spec": {"type": kind, "ports": [{"port": 1}, {"port": 2}]}});
        let services = [
            service("ClusterIP"),
            service("NodePort"),
            service("LoadBalancer"),
        ];
        let used = json!({"services.nodeports": "4", "services.loadbalancers": "1"});
        assert_eq!(told(hard, used, ("v1", "Service"), &services), None);
    }
}
