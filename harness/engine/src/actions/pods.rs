//! Steps on one pod: eviction, binding, ephemeral containers.

use serde_json::{Value, json};

use super::{Observation, StepContext};
use crate::Error;
use crate::request::{Call, encode};

pub(super) async fn evict(cx: &mut StepContext<'_, '_>, pod: &str) -> Result<Observation, Error> {
    let eviction =
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": cx.fill(pod)}});
    let call = Call::post(cx.pod_path(pod, "eviction"), eviction);
    cx.send(call).await
}

pub(super) async fn bind(
    cx: &mut StepContext<'_, '_>,
    pod: &str,
    node: &str,
) -> Result<Observation, Error> {
    let target = json!({"apiVersion": "v1", "kind": "Node", "name": cx.fill(node)});
    let metadata = json!({"name": cx.fill(pod)});
    let binding =
        json!({"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target});
    let call = Call::post(cx.pod_path(pod, "binding"), binding);
    cx.send(call).await
}

pub(super) async fn ephemeral_container(
    cx: &mut StepContext<'_, '_>,
    pod: &str,
    with: &str,
) -> Result<Observation, Error> {
    let patch = json!({"spec": {"ephemeralContainers": [cx.manifest(with)?]}});
    let media = "application/strategic-merge-patch+json";
    let call = Call::patch(cx.pod_path(pod, "ephemeralcontainers"), media, patch);
    cx.send(call).await
}

pub(super) async fn token(
    cx: &mut StepContext<'_, '_>,
    account: &str,
    audiences: &[String],
    pod: Option<&str>,
) -> Result<Observation, Error> {
    let (namespace, account) = (cx.namespace(), cx.fill(account));
    let path = format!(
        "/api/v1/namespaces/{}/serviceaccounts/{}/token",
        encode(&namespace),
        encode(&account)
    );
    let audiences: Vec<String> = audiences.iter().map(|audience| cx.fill(audience)).collect();
    let mut spec = if audiences.is_empty() {
        json!({})
    } else {
        json!({"audiences": audiences})
    };
    let pod = pod.map(|pod| cx.fill(pod));
    if let Some(pod) = &pod {
        spec["boundObjectRef"] = json!({"apiVersion": "v1", "kind": "Pod", "name": pod});
    }
    let body =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
    let tried = cx.send(Call::post(path, body)).await?;
    let given = tried
        .exchange
        .as_ref()
        .and_then(|exchange| crate::request::json(&exchange.reply));
    if let (Some(pod), Some(token)) = (pod, given.and_then(|body| body["status"]["token"].as_str()))
    {
        cx.world.keep_token(namespace, account, pod, token)?;
    }
    let spec = tried
        .exchange
        .as_ref()
        .and_then(|exchange| crate::request::json(&exchange.reply));
    let given: Vec<&str> = spec
        .and_then(|body| body["spec"]["audiences"].as_array())
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let given = given.join(", ");
    Ok(if given.is_empty() {
        tried
    } else {
        tried.fact("audiences", given)
    })
}
