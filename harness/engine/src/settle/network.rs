//! NetworkPolicies in a box that enforces them: its enforcers say what their tables were made with.

use std::time::Duration;

use cluster::Toolbox;
use futures::FutureExt;
use serde_json::{Value, json};

use super::canaries::{Canaries, PATIENCE};
use super::plan::{Touch, Work};
use crate::request::{Call, json as json_of, said, taken};
use crate::wait::{Look, Wait, Waiter};

/// The kinds that a table is made of.
const ENFORCED: [&str; 3] = ["NetworkPolicy", "Namespace", "Pod"];

const API: &str = "/apis/networking.k8s.io/v1";

/// The waits for what was written. Another cluster's network does not say what it enforces: there is none.
pub(super) fn touched<'a>(
    canaries: &'a Canaries,
    toolbox: Toolbox<'a>,
    waiter: &'a Waiter,
    touches: &'a [Touch],
) -> Result<Vec<Work<'a>>, String> {
    let is_one = |touch: &&Touch| ENFORCED.contains(&touch.resource.kind.as_str());
    let mut concerned = touches.iter().filter(is_one).peekable();
    if concerned.peek().is_none() || toolbox.network_policy().map_err(|why| cluster::chain(&why))?.is_empty() {
        return Ok(Vec::new());
    }
    let (written, deleted): (Vec<&Touch>, Vec<&Touch>) = concerned.partition(|touch| touch.object.is_some());
    let objects: Vec<&Value> = written.iter().filter_map(|touch| touch.object.as_ref()).collect();
    let mut works = vec![are_enforced(toolbox, waiter, objects).boxed_local()];
    if deleted.iter().any(|touch| touch.resource.kind == "NetworkPolicy") {
        works.push(forgotten(canaries, toolbox, waiter).boxed_local());
    }
    Ok(works)
}

/// Waits until every node's table was made with these versions of these objects, or later ones. Objects of other kinds
/// are none of its matter.
pub(crate) async fn are_enforced(toolbox: Toolbox<'_>, waiter: &Waiter, objects: Vec<&Value>) -> Result<(), String> {
    let newest =
        |kind: &str| objects.iter().filter(|object| object["kind"] == kind).filter_map(|object| version(object)).max();
    let wanted: Vec<(&str, u64)> = ENFORCED.iter().filter_map(|kind| Some((*kind, newest(kind)?))).collect();
    let wait = Wait { what: "network policies to be enforced", within: PATIENCE, every: Duration::from_millis(2) };
    waiter
        .until(wait, async || {
            let nodes = match toolbox.network_policy() {
                Ok(nodes) => nodes,
                Err(why) => return Look::Not(cluster::chain(&why)),
            };
            let late = nodes.iter().find_map(|node| {
                let (kind, version) = wanted.iter().find(|(kind, version)| node.seen.of(kind) < Some(*version))?;
                Some(format!("{} has not seen version {version} of {kind}, but {:?}", node.node, node.seen.of(kind)))
            });
            late.map_or(Look::Found(()), Look::Not)
        })
        .await
}

fn version(object: &Value) -> Option<u64> {
    object["metadata"]["resourceVersion"].as_str()?.parse().ok()
}

/// A deletion leaves nothing that has a version: what is written after it has.
async fn forgotten(canaries: &Canaries, toolbox: Toolbox<'_>, waiter: &Waiter) -> Result<(), String> {
    canaries.home().await?;
    let name = canaries.name();
    let path = format!("{API}/namespaces/{}/networkpolicies", canaries.namespace());
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name},
        "spec": {"podSelector": {"matchLabels": {super::canaries::LABEL: name}}, "policyTypes": ["Ingress"]},
    });
    let reply = canaries.own().send(Call::post(path.as_str(), policy)).await.reply;
    let Some(made) = json_of(&reply).filter(|_| taken(&reply)) else {
        return Err(format!("a canary could not be made at {path}: {}", said(&reply)));
    };
    let waited = are_enforced(toolbox, waiter, vec![made]).await;
    canaries.remove(vec![format!("{path}/{name}")]);
    waited
}
