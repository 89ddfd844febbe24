//! Steps that read: an object, a collection, a path.

use api::{Call, encode};
use model::{Asked, Body, Reply, Target};
use serde_json::Value;

use super::{Observation, StepContext};
use crate::Error;
use crate::masked;
use crate::world::World;

/// What the cluster itself puts into every namespace, sooner or later.
const EVERYWHERE: [&str; 1] = ["kube-root-ca.crt"];

pub(super) async fn get(
    cx: &mut StepContext<'_, '_>,
    target: &Target,
) -> Result<Observation, Error> {
    let object = cx.object(target).await?;
    let path = match &target.subresource {
        Some(subresource) => format!("{}/{}", object.path(), encode(subresource)),
        None => object.path(),
    };
    let tried = cx.send(Call::get(path)).await?;
    Ok(match body(&tried) {
        Some(Body::Json(secret)) if secret["kind"] == "Secret" => {
            let data = masked::keys(secret);
            tried.fact("data", data)
        }
        Some(Body::Text(text)) => {
            let output = masked::text(text);
            tried.fact("output", output)
        }
        _ => tried,
    })
}

pub(super) async fn list(
    cx: &mut StepContext<'_, '_>,
    resource: &str,
    everywhere: bool,
    fields: Option<&str>,
    watch: bool,
) -> Result<Observation, Error> {
    let resource = cx
        .world
        .lab
        .discovery
        .called(&cx.world.lab.own, resource)
        .await?;
    let namespace = cx.namespace();
    let mut call = Call::get(resource.collection(Some(namespace.as_str()).filter(|_| !everywhere)));
    if let Some(fields) = fields {
        call = call.query("fieldSelector", &cx.fill(fields));
    }
    if watch {
        call = call.query("watch", "true").query("timeoutSeconds", "1");
    }
    let tried = cx.send(call).await?;
    let Some(body) = body(&tried).filter(|_| tried.taken()) else {
        return Ok(tried);
    };
    let items: Vec<Value> = items(body)
        .into_iter()
        .filter(|item| cx.world.is_of_this_world(item))
        .collect();
    let mut names: Vec<String> = items.iter().map(name).collect();
    names.sort();
    names.dedup();
    let secrets = resource.kind == "Secret" && resource.group.is_empty();
    let mut data: Vec<String> = items
        .iter()
        .filter(|_| secrets)
        .map(|item| format!("{}: {}", name(item), masked::keys(item)))
        .collect();
    data.sort();
    data.dedup();
    let tried = tried.fact("names", names.join(", "));
    Ok(if data.is_empty() {
        tried
    } else {
        tried.fact("data", data.join("; "))
    })
}

pub(super) async fn path(cx: &mut StepContext<'_, '_>, path: &str) -> Result<Observation, Error> {
    let path = cx.fill(path);
    let asked = if path.contains("/proxy/") {
        Asked::Kubelet
    } else {
        Asked::Api
    };
    cx.send(Call {
        asked,
        ..Call::get(path)
    })
    .await
}

impl World<'_> {
    /// Other worlds share the cluster; what a list says of them is not of this one's making.
    fn is_of_this_world(&self, item: &Value) -> bool {
        let name = name(item);
        let ours = match item["metadata"]["namespace"].as_str() {
            Some(namespace) => self.namespaces.has(namespace),
            None => name.contains(self.namespace()),
        };
        ours && !EVERYWHERE.contains(&name.as_str())
    }
}

fn body(tried: &Observation) -> Option<&Body> {
    match tried.exchange.as_ref().map(|exchange| &exchange.reply) {
        Some(Reply::Http {
            body,
            code: 200..=299,
            ..
        }) => Some(body),
        _ => None,
    }
}

/// The objects of a list, or of a watch's events, one JSON document a line.
fn items(body: &Body) -> Vec<Value> {
    match body {
        Body::Json(list) if list["items"].is_array() => {
            list["items"].as_array().cloned().unwrap_or_default()
        }
        Body::Json(event) => vec![event["object"].clone()],
        Body::Text(lines) => {
            let events = lines
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            events.map(|mut event| event["object"].take()).collect()
        }
    }
}

fn name(item: &Value) -> String {
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
        let list = Body::of(br#"{"kind": "PodList", "items": [{"metadata": {"name": "a"}}]}"#);
        let one = Body::of(br#"{"type": "ADDED", "object": {"metadata": {"name": "a"}}}"#);
        let two = Body::of(
            b"{\"object\": {\"metadata\": {\"name\": \"a\"}}}\n{\"object\": {\"metadata\": {\"name\": \"b\"}}}\n",
        );
        let names = |body: &Body| items(body).iter().map(name).collect::<Vec<_>>();
        assert_eq!(names(&list), ["a"]);
        assert_eq!(names(&one), ["a"]);
        assert_eq!(names(&two), ["a", "b"]);
    }
}
