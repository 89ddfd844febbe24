//! Pods, policies and waits that figures of networks have in common.

use std::error::Error;
use std::time::Duration;

use api::{ApiCall, ApiCaller, MERGE_PATCH};
use cluster::{Cluster, HostAccess};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use wait::{ConditionWait, WaitLook};

pub(crate) const PODS_PATH: &str = "/api/v1/namespaces/default/pods";
pub(crate) const POLICIES_PATH: &str =
    "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";

/// How many objects are made at a time.
const AT_ONCE: usize = 8;

pub(crate) fn pod(name: &str, labels: Value, args: &[&str]) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": {
        "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false,
        "containers": [{"name": "c", "image": native::PROBE_IMAGE, "args": args}]}})
}

pub(crate) fn named_object(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec})
}

/// Somebody who asks as administrator.
pub(crate) fn caller(cluster: &Cluster) -> ApiCaller {
    ApiCaller::new(cluster.admin_client().clone(), "gauntlet-figures")
}

pub(crate) async fn address(cluster: &Cluster, pod: &str) -> Result<String, Box<dyn Error>> {
    let pod = caller(cluster)
        .fetch_body(format!("{PODS_PATH}/{pod}"))
        .await?;
    Ok(pod["status"]["podIP"]
        .as_str()
        .ok_or("a pod has no address")?
        .to_owned())
}

/// Makes an object; returns its version.
pub(crate) async fn create_object(
    cluster: &Cluster,
    path: &str,
    object: &Value,
) -> Result<u64, Box<dyn Error>> {
    let call = ApiCall::post(path, object.clone());
    let made = caller(cluster).obtain(&call).await?;
    Ok(made["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default()
        .parse()?)
}

/// Makes many; returns the newest version.
pub(crate) async fn create_all(
    cluster: &Cluster,
    path: &str,
    objects: &[Value],
) -> Result<u64, Box<dyn Error>> {
    let creates = objects
        .iter()
        .map(|object| create_object(cluster, path, object));
    let versions: Vec<u64> = stream::iter(creates)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(versions.into_iter().max().unwrap_or_default())
}

/// Merges into an object.
pub(crate) async fn patch_object(
    cluster: &Cluster,
    path: &str,
    with: &Value,
) -> Result<(), Box<dyn Error>> {
    let call = ApiCall::patch(path, MERGE_PATCH, with.clone());
    caller(cluster).obtain(&call).await?;
    Ok(())
}

pub(crate) async fn delete_object(cluster: &Cluster, path: &str) -> Result<(), Box<dyn Error>> {
    caller(cluster).obtain(&ApiCall::delete(path)).await?;
    Ok(())
}

/// Waits until this many pods with this label run.
pub(crate) async fn wait_running(
    cluster: &Cluster,
    label: &str,
    count: usize,
) -> Result<(), Box<dyn Error>> {
    let path = format!("{PODS_PATH}?labelSelector={label}");
    let wait = patient("pods to run", Duration::from_millis(200));
    wait.try_until_async(async || {
        let pods = caller(cluster).fetch_body(path.as_str()).await?;
        let pods = pods["items"].as_array().cloned().unwrap_or_default();
        let run = pods
            .iter()
            .filter(|pod| pod["status"]["phase"] == "Running")
            .count();
        Ok(if run >= count {
            WaitLook::Ready(())
        } else {
            WaitLook::NotYet(format!("{run} of {count}"))
        })
    })
    .await
}

/// Waits until the node has a table that was made with this version of the policies.
pub(crate) async fn wait_enforced(
    host_access: HostAccess<'_>,
    version: u64,
) -> Result<(), Box<dyn Error>> {
    let wait = patient("policies to be in force", Duration::from_millis(1));
    wait.try_until_async(async || {
        let nodes = host_access
            .network_policy()?
            .ok_or("the cluster enforces no policies")?;
        let is_late = nodes
            .iter()
            .any(|node| node.seen.network_policies < version);
        Ok(if is_late {
            WaitLook::NotYet(format!("{nodes:?}"))
        } else {
            WaitLook::Ready(())
        })
    })
    .await
}

/// A wait that a machine with thousands of objects gets through.
pub(crate) fn patient(what: &str, every: Duration) -> ConditionWait<'_> {
    ConditionWait {
        what,
        within: Duration::from_secs(600),
        every,
    }
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
