//! Steps on one pod: eviction, binding, ephemeral containers.

use std::collections::BTreeMap;

use api::{ApiCall, STRATEGIC_MERGE_PATCH, TokenRequest, percent_encode, reply_message, was_taken};
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::{Observation, StepContext, TargetObject};
use crate::Error;

pub(super) async fn evict_pod(
    cx: &mut StepContext<'_, '_>,
    pod: &str,
) -> Result<Observation, Error> {
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": cx.fill_text(pod)}});
    let call = ApiCall::post(cx.pod_path(pod, "eviction"), eviction);
    let tried = cx.send_request(call).await?;
    if tried.was_taken() && !cx.step.dry_run && !cx.step.leaves_ending {
        let evicted = TargetObject {
            resource: cx.resource("pods").await?,
            namespace: cx.namespace(),
            name: cx.fill_text(pod),
        };
        cx.world.barrier.add_object(evicted.deletion_record());
    }
    Ok(tried)
}

pub(super) async fn bind_pod(
    cx: &mut StepContext<'_, '_>,
    pod: &str,
    node: &str,
    labels: &IndexMap<String, String>,
) -> Result<Observation, Error> {
    let target = json!({"apiVersion": "v1", "kind": "Node", "name": cx.fill_text(node)});
    let set = labels.iter();
    let set: BTreeMap<String, String> = set
        .map(|(key, value)| (cx.fill_text(key), cx.fill_text(value)))
        .collect();
    let mut metadata = json!({"name": cx.fill_text(pod)});
    if !set.is_empty() {
        metadata["labels"] = json!(set);
    }
    let binding =
        json!({"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target});
    let call = ApiCall::post(cx.pod_path(pod, "binding"), binding);
    let tried = cx.send_request(call).await?;
    if !labels.is_empty() && tried.was_taken() && !cx.step.dry_run {
        note_labels(cx, pod).await?;
    }
    Ok(tried)
}

/// Notes the pod as it is now: the reply to a binding does not hold it, and what selects pods by
/// their labels has to have seen them.
async fn note_labels(cx: &mut StepContext<'_, '_>, pod: &str) -> Result<(), Error> {
    let (resource, namespace) = (cx.resource("pods").await?, cx.namespace());
    let path = resource.object_path(&namespace, &cx.fill_text(pod));
    let now = cx.world.run.own.send_call(ApiCall::get(path)).await;
    if !was_taken(&now.reply) {
        let fault = format!(
            "the bound pod cannot be read: {}",
            reply_message(&now.reply)
        );
        return Err(Error::unexpected(fault));
    }
    cx.world.note_write(&resource, &namespace, &now.reply);
    Ok(())
}

pub(super) async fn ephemeral_container(
    cx: &mut StepContext<'_, '_>,
    pod: &str,
    with: &str,
) -> Result<Observation, Error> {
    let patch = json!({"spec": {"ephemeralContainers": [cx.single_manifest(with)?]}});
    let path = cx.pod_path(pod, "ephemeralcontainers");
    let call = ApiCall::patch(path, STRATEGIC_MERGE_PATCH, patch);
    cx.send_object(call).await
}

pub(super) async fn request_token(
    cx: &mut StepContext<'_, '_>,
    account: &str,
    audiences: &[String],
    pod: Option<&str>,
) -> Result<Observation, Error> {
    let (namespace, account) = (cx.namespace(), cx.fill_text(account));
    let audiences: Vec<String> = audiences
        .iter()
        .map(|audience| cx.fill_text(audience))
        .collect();
    let pod = pod.map(|pod| cx.fill_text(pod));
    let uid = match &pod {
        Some(pod) => uid_of(cx, &namespace, pod).await,
        None => None,
    };
    let wanted = TokenRequest {
        audiences: &audiences,
        pod: pod.as_deref(),
        uid: uid.as_deref(),
    };
    let tried = cx.send_request(wanted.call(&namespace, &account)).await?;
    let reply = tried.exchange.as_ref().map(|exchange| &exchange.reply);
    if let (Some(pod), Some(token)) = (pod, reply.and_then(api::reply_token)) {
        cx.world.keep_token(namespace, account, pod, token)?;
    }
    let given: Vec<&str> = reply
        .and_then(api::reply_json)
        .and_then(|body| body["spec"]["audiences"].as_array())
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let given = given.join(", ");
    Ok(if given.is_empty() {
        tried
    } else {
        tried.with_fact("audiences", given)
    })
}

/// The uid of a pod, where it exists.
async fn uid_of(cx: &StepContext<'_, '_>, namespace: &str, pod: &str) -> Option<String> {
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}",
        percent_encode(namespace),
        percent_encode(pod)
    );
    let pod = cx.world.run.own.fetch_body(path).await.ok()?;
    pod["metadata"]["uid"].as_str().map(str::to_owned)
}
