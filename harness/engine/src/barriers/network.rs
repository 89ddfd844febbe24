//! NetworkPolicies in a box that enforces them: its enforcers say what their tables were made with.

use std::time::Duration;

use addons::SENTINEL_LABEL;
use api::{ApiCall, reply_json as json_of, was_taken};
use cluster::{EnforcerReport, HostAccess};
use error_chain::error_chain;
use futures::FutureExt;
use serde_json::{Value, json};

use super::plan::{BarrierWork, WriteRecord};
use super::sentinels::{IN_FORCE_WITHIN, SentinelObjects};
use crate::Error;
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

/// The kinds that a table is made of.
const ENFORCED_KINDS: [&str; 3] = ["NetworkPolicy", "Namespace", "Pod"];

const NETWORKING_API: &str = "/apis/networking.k8s.io/v1";

/// Whether tables are made of this object.
pub(super) fn is_enforced(record: &WriteRecord) -> bool {
    ENFORCED_KINDS.contains(&record.resource.kind.as_str())
}

/// The waits for what was written. Another cluster's network does not say what it enforces: there
/// is none.
pub(super) fn network_waits<'a>(
    sentinels: &'a SentinelObjects,
    host_access: HostAccess<'a>,
    waiter: &'a WaitReporter,
    records: &'a [WriteRecord],
) -> Result<Vec<BarrierWork<'a>>, Error> {
    let mut concerned = records
        .iter()
        .filter(|record| is_enforced(record))
        .peekable();
    if concerned.peek().is_none() || host_access.network_policy()?.is_none() {
        return Ok(Vec::new());
    }
    let (written, deleted): (Vec<&WriteRecord>, Vec<&WriteRecord>) =
        concerned.partition(|record| record.object.is_some());
    let objects: Vec<&Value> = written
        .iter()
        .filter_map(|record| record.object.as_ref())
        .collect();
    let mut works = vec![are_enforced(host_access, waiter, objects).boxed_local()];
    if deleted
        .iter()
        .any(|record| record.resource.kind == "NetworkPolicy")
    {
        works.push(wait_until_forgotten(sentinels, host_access, waiter).boxed_local());
    }
    Ok(works)
}

/// Waits until every node's table was made with these versions of these objects, or later ones.
/// Other kinds are ignored.
pub(crate) async fn are_enforced(
    host_access: HostAccess<'_>,
    waiter: &WaitReporter,
    objects: Vec<&Value>,
) -> Result<(), Error> {
    let wanted = wanted_versions(&objects);
    let wait = ConditionWait {
        what: "network policies to be enforced",
        within: IN_FORCE_WITHIN,
        every: Duration::from_millis(2),
    };
    waiter
        .wait_until(wait, async || match host_access.network_policy() {
            Ok(Some(nodes)) => {
                late_node(&nodes, &wanted).map_or(WaitLook::Ready(()), WaitLook::NotYet)
            }
            Ok(None) => WaitLook::NotYet("no node enforces them".into()),
            Err(why) => WaitLook::NotYet(error_chain(&why)),
        })
        .await
}

/// The newest version of each kind among these objects.
fn wanted_versions(objects: &[&Value]) -> Vec<(&'static str, u64)> {
    let newest = |kind: &str| {
        let those = objects.iter().filter(|object| object["kind"] == kind);
        those.filter_map(|object| resource_version(object)).max()
    };
    ENFORCED_KINDS
        .into_iter()
        .filter_map(|kind| Some((kind, newest(kind)?)))
        .collect()
}

/// What a node has not seen yet, where there is one.
fn late_node(nodes: &[EnforcerReport], wanted: &[(&str, u64)]) -> Option<String> {
    nodes.iter().find_map(|EnforcerReport { node, seen, .. }| {
        let (kind, version) = wanted
            .iter()
            .find(|(kind, version)| seen.of_kind(kind) < Some(*version))?;
        Some(format!(
            "{node} has seen {kind} up to version {}, and not {version}",
            seen.of_kind(kind).unwrap_or_default()
        ))
    })
}

fn resource_version(object: &Value) -> Option<u64> {
    object["metadata"]["resourceVersion"].as_str()?.parse().ok()
}

/// A deletion leaves nothing that has a version: what is written after it has.
async fn wait_until_forgotten(
    sentinels: &SentinelObjects,
    host_access: HostAccess<'_>,
    waiter: &WaitReporter,
) -> Result<(), Error> {
    sentinels.make_namespace().await?;
    let name = sentinels.fresh_name();
    let path = format!(
        "{NETWORKING_API}/namespaces/{}/networkpolicies",
        sentinels.namespace()
    );
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name},
        "spec": {"podSelector": {"matchLabels": {SENTINEL_LABEL: name}}, "policyTypes": ["Ingress"]},
    });
    let reply = sentinels
        .own()
        .send_call(ApiCall::post(path.as_str(), policy))
        .await
        .reply;
    let Some(made) = json_of(&reply).filter(|_| was_taken(&reply)) else {
        return Err(Error::refused_reply(
            format!("a sentinel could not be made at {path}"),
            &reply,
        ));
    };
    let waited = are_enforced(host_access, waiter, vec![made]).await;
    sentinels.remove_parts(vec![format!("{path}/{name}")]);
    waited
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, version: &str) -> Value {
        json!({"kind": kind, "metadata": {"resourceVersion": version}})
    }

    #[test]
    fn the_newest_of_each_kind_is_waited_for_on_every_node() {
        let objects = [
            object("Pod", "9"),
            object("Pod", "12"),
            object("Service", "40"),
            object("NetworkPolicy", "10"),
        ];
        let wanted = wanted_versions(&objects.iter().collect::<Vec<_>>());
        assert_eq!(wanted, [("NetworkPolicy", 10), ("Pod", 12)]);
        let node = |name: &str, pods: u64, network_policies: u64| {
            let mut node = EnforcerReport {
                node: name.into(),
                ..EnforcerReport::default()
            };
            (node.seen.pods, node.seen.network_policies) = (pods, network_policies);
            node
        };
        assert_eq!(
            late_node(&[node("a", 12, 10), node("b", 13, 99)], &wanted),
            None
        );
        let why = "b has seen Pod up to version 11, and not 12";
        assert_eq!(
            late_node(&[node("a", 12, 10), node("b", 11, 10)], &wanted).as_deref(),
            Some(why)
        );
        assert!(late_node(&[node("a", 12, 9)], &wanted).is_some());
        assert_eq!(late_node(&[node("a", 0, 0)], &[]), None);
    }
}
