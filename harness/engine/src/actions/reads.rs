//! Steps that read: an object, a collection, a path.

use api::{ApiCall, percent_encode};
use model::{ApiReply, ObjectTarget, ReplyBody, ReplyContext};
use serde_json::Value;

use super::{Observation, StepContext};
use crate::Error;
use crate::world::LiveWorld;

/// What the cluster itself puts into every namespace, sooner or later.
const CONFIG_MAPS_EVERYWHERE: [&str; 1] = ["kube-root-ca.crt"];

pub(super) async fn get_object(
    cx: &mut StepContext<'_, '_>,
    target: &ObjectTarget,
) -> Result<Observation, Error> {
    let object = cx.target_object(target).await?;
    let path = match &target.subresource {
        Some(subresource) => format!("{}/{}", object.path(), percent_encode(subresource)),
        None => object.path(),
    };
    let mut call = ApiCall::get(path);
    if let Some(container) = cx.step.container {
        call = call.with_query("container", container);
    }
    let tried = cx.send_request(call).await?;
    Ok(match read_body(&tried) {
        Some(ReplyBody::Json(secret)) if secret["kind"] == "Secret" => {
            let data = redact::secret_keys(secret);
            tried.with_fact("data", data)
        }
        Some(ReplyBody::Text(text)) => {
            let output = redact::redact_pod_text(text);
            tried.with_fact("output", output)
        }
        _ => tried,
    })
}

pub(super) async fn list_objects(
    cx: &mut StepContext<'_, '_>,
    resource: &str,
    everywhere: bool,
    selectors: [(&str, Option<&str>); 2],
    watch: bool,
) -> Result<Observation, Error> {
    let resource = cx.resource(resource).await?;
    let namespace = cx.namespace();
    let mut call =
        ApiCall::get(resource.collection_path(Some(namespace.as_str()).filter(|_| !everywhere)));
    for (key, selector) in selectors {
        if let Some(selector) = selector {
            call = call.with_query(key, &cx.fill_text(selector));
        }
    }
    if watch {
        call = call
            .with_query("watch", "true")
            .with_query("timeoutSeconds", "1");
    }
    let tried = cx.send_request(call).await?;
    let Some(body) = read_body(&tried).filter(|_| tried.was_taken()) else {
        return Ok(tried);
    };
    let items: Vec<Value> = list_items(body)
        .into_iter()
        .filter(|item| cx.world.is_of_this_world(item))
        .collect();
    let mut names: Vec<String> = items.iter().map(object_name).collect();
    names.sort();
    names.dedup();
    let secrets = resource.kind == "Secret" && resource.group.is_empty();
    let mut data: Vec<String> = items
        .iter()
        .filter(|_| secrets)
        .map(|item| format!("{}: {}", object_name(item), redact::secret_keys(item)))
        .collect();
    data.sort();
    data.dedup();
    let tried = tried.with_fact("names", names.join(", "));
    Ok(if data.is_empty() {
        tried
    } else {
        tried.with_fact("data", data.join("; "))
    })
}

pub(super) async fn list_path(
    cx: &mut StepContext<'_, '_>,
    path: &str,
) -> Result<Observation, Error> {
    let path = cx.fill_text(path);
    let asked = if path.contains("/proxy/") {
        ReplyContext::Kubelet
    } else {
        ReplyContext::Read
    };
    cx.send_request(ApiCall {
        asked,
        ..ApiCall::get(path)
    })
    .await
}

impl LiveWorld<'_> {
    /// Other worlds share the cluster; what a list says of them is not of this one's making.
    fn is_of_this_world(&self, item: &Value) -> bool {
        let name = object_name(item);
        let ours = match item["metadata"]["namespace"].as_str() {
            Some(namespace) => self.namespaces.has(namespace),
            None => name.contains(self.namespace()),
        };
        ours && !CONFIG_MAPS_EVERYWHERE.contains(&name.as_str())
    }
}

fn read_body(tried: &Observation) -> Option<&ReplyBody> {
    match tried.exchange.as_ref().map(|exchange| &exchange.reply) {
        Some(ApiReply::Http {
            body,
            code: 200..=299,
            ..
        }) => Some(body),
        _ => None,
    }
}

/// The objects of a list, or of a watch's events, one JSON document a line.
fn list_items(body: &ReplyBody) -> Vec<Value> {
    match body {
        ReplyBody::Json(list) if list["items"].is_array() => {
            list["items"].as_array().cloned().unwrap_or_default()
        }
        ReplyBody::Json(event) => vec![event["object"].clone()],
        ReplyBody::Text(lines) => {
            let events = lines
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            events.map(|mut event| event["object"].take()).collect()
        }
    }
}

fn object_name(item: &Value) -> String {
    item["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_and_watches() {
        let list = ReplyBody::from_bytes(
            br#"{"kind": "PodList", "items": [{"metadata": {"name": "a"}}]}"#,
        );
        let one =
            ReplyBody::from_bytes(br#"{"type": "ADDED", "object": {"metadata": {"name": "a"}}}"#);
        let two = ReplyBody::from_bytes(
            b"{\"object\": {\"metadata\": {\"name\": \"a\"}}}\n{\"object\": {\"metadata\": {\"name\": \"b\"}}}\n",
        );
        let names = |body: &ReplyBody| list_items(body).iter().map(object_name).collect::<Vec<_>>();
        assert_eq!(names(&list), ["a"]);
        assert_eq!(names(&one), ["a"]);
        assert_eq!(names(&two), ["a", "b"]);
    }
}
