//! Steps on one pod: eviction, binding, ephemeral containers.

use api::{Call, STRATEGIC_MERGE, TokenRequest, encode};
use serde_json::{Value, json};

use super::{Observation, StepContext};
use crate::Error;

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
    let path = cx.pod_path(pod, "ephemeralcontainers");
    let call = Call::patch(path, STRATEGIC_MERGE, patch);
    cx.send(call).await
}

pub(super) async fn token(
    cx: &mut StepContext<'_, '_>,
    account: &str,
    audiences: &[String],
    pod: Option<&str>,
) -> Result<Observation, Error> {
    let (namespace, account) = (cx.namespace(), cx.fill(account));
    let audiences: Vec<String> = audiences.iter().map(|audience| cx.fill(audience)).collect();
    let pod = pod.map(|pod| cx.fill(pod));
    let uid = match &pod {
        Some(pod) => uid_of(cx, &namespace, pod).await,
        None => None,
    };
    let wanted = TokenRequest {
        audiences: &audiences,
        pod: pod.as_deref(),
        uid: uid.as_deref(),
    };
    let tried = cx.send(wanted.call(&namespace, &account)).await?;
    let reply = tried.exchange.as_ref().map(|exchange| &exchange.reply);
    if let (Some(pod), Some(token)) = (pod, reply.and_then(api::token)) {
        cx.world.keep_token(namespace, account, pod, token)?;
    }
    let given: Vec<&str> = reply
        .and_then(api::json)
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

/// The uid of a pod, where it exists.
async fn uid_of(cx: &StepContext<'_, '_>, namespace: &str, pod: &str) -> Option<String> {
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}",
        encode(namespace),
        encode(pod)
    );
    let pod = cx.world.lab.own.fetch(path).await.ok()?;
    pod["metadata"]["uid"].as_str().map(str::to_owned)
}
