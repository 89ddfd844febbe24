//! A sentinel for ResourceQuotas: one that allows nothing of a resource of its own.
//!
//! The API server goes by what its watch has brought of the status that a controller writes. So a
//! quota that was made later, and refuses, shows that what was written or deleted before is known.
//!
//! What a deletion frees is known once the controller has counted again: a quota without a scope is
//! compared with a list of what it counts. One with a scope, and sums of what pods ask for, are not.

use std::time::Duration;

use api::{ApiCall, ApiCaller};
use futures::future::try_join_all;
use model::{Answer, ApiReply, Refuser, ReplyContext, Verdict};
use serde_json::{Value, json};

use super::plan::WriteRecord;
use super::sentinels::{IN_FORCE_WITHIN, SentinelObjects, not_yet};
use super::status::own_status;
use crate::Error;
use crate::discovery::{ApiResource, find_object};
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

/// How long the controller may take to count again.
const COUNTED_WITHIN: Duration = Duration::from_secs(30);

/// Waits until the API server goes by every ResourceQuota among `records`, and has forgotten those
/// that were deleted.
pub(super) async fn wait_for_quotas(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
    records: &[WriteRecord],
) -> Result<(), Error> {
    let quotas = records
        .iter()
        .filter(|record| record.resource.kind == "ResourceQuota");
    let own = sentinels.own();
    try_join_all(quotas.filter_map(|record| own_status(own, waiter, record))).await?;
    let name = sentinels.fresh_name();
    // A resource of its own: sentinels of several worlds are in one namespace.
    let resource = format!("gauntlet.dev/{name}");
    let collection = format!(
        "/api/v1/namespaces/{}/resourcequotas",
        sentinels.namespace()
    );
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name},
        "spec": {"hard": {format!("requests.{resource}"): "0"}},
    });
    sentinels.make_part(&collection, quota).await?;
    let pods = format!("/api/v1/namespaces/{}/pods", sentinels.namespace());
    let pod = asking_pod(&name, &resource);
    let wait = ConditionWait {
        what: "quotas to be in force",
        within: IN_FORCE_WITHIN,
        every: Duration::from_millis(20),
    };
    let shown = waiter
        .wait_until(wait, async || {
            let call = ApiCall::post(pods.as_str(), pod.clone()).dry_run(true);
            let reply = own.send_call(call).await.reply;
            if is_refused_by_quota(&reply, &name) {
                WaitLook::Ready(())
            } else {
                WaitLook::NotYet(not_yet(&reply))
            }
        })
        .await;
    sentinels.remove_parts(vec![format!("{collection}/{name}")]);
    shown
}

/// Whether something was deleted while the world has a quota.
pub(super) fn may_free_counts(records: &[WriteRecord], history: &[WriteRecord]) -> bool {
    let mut quotas = history
        .iter()
        .filter(|record| record.resource.kind == "ResourceQuota");
    records.iter().any(|record| record.object.is_none()) && quotas.next().is_some()
}

/// Waits until the quotas of a namespace in which something was deleted count what is there.
pub(super) async fn wait_for_counts(
    own: &ApiCaller,
    waiter: &WaitReporter,
    records: &[WriteRecord],
    history: &[WriteRecord],
) -> Result<(), Error> {
    let deleted: Vec<&WriteRecord> = records
        .iter()
        .filter(|record| record.object.is_none())
        .collect();
    let all = history.iter().chain(records);
    let quotas = all.filter(|record| record.object.as_ref().is_some_and(counts_everything));
    let waits = quotas.flat_map(|quota| {
        let freed = deleted
            .iter()
            .filter(|record| record.namespace == quota.namespace);
        freed.map(|record| wait_for_count(own, waiter, quota, &record.resource))
    });
    try_join_all(waits).await.map(drop)
}

fn counts_everything(object: &Value) -> bool {
    let spec = &object["spec"];
    object["kind"] == "ResourceQuota" && spec["scopes"].is_null() && spec["scopeSelector"].is_null()
}

async fn wait_for_count(
    own: &ApiCaller,
    waiter: &WaitReporter,
    quota: &WriteRecord,
    counted: &ApiResource,
) -> Result<(), Error> {
    let what = format!("the quota {} to count {}", quota.name, counted.plural);
    let wait = ConditionWait {
        what: &what,
        within: COUNTED_WITHIN,
        every: Duration::from_millis(50),
    };
    let collection = counted.collection_path(Some(&quota.namespace));
    waiter
        .wait_until(wait, async || {
            let stored = find_object(own, &quota.resource, &quota.namespace, &quota.name).await;
            let used = match stored {
                Ok(Some(stored)) => used_count(&stored, counted),
                Ok(None) => None,
                Err(said) => return WaitLook::from(said),
            };
            let Some(used) = used else {
                return WaitLook::Ready(());
            };
            match own.fetch_body(collection.as_str()).await {
                Ok(list) if live_count(&list) == used => WaitLook::Ready(()),
                Ok(list) => WaitLook::NotYet(format!("it says {used} of {}", live_count(&list))),
                Err(said) => WaitLook::from(Error::from(said)),
            }
        })
        .await
}

/// How many objects of this resource a quota says that there are, where it counts them.
fn used_count(quota: &Value, counted: &ApiResource) -> Option<u64> {
    let key = if counted.group.is_empty() {
        format!("count/{}", counted.plural)
    } else {
        format!("count/{}.{}", counted.plural, counted.group)
    };
    let used = &quota["status"]["used"];
    let told = [&used[&key], &used[&counted.plural]];
    told.iter().find_map(|said| said.as_str()?.parse().ok())
}

/// How many objects a list has; a pod that has ended is not counted.
fn live_count(list: &Value) -> u64 {
    let items = list["items"].as_array().into_iter().flatten();
    let has_ended = |item: &&Value| {
        matches!(
            item["status"]["phase"].as_str(),
            Some("Succeeded" | "Failed")
        )
    };
    items.filter(|item| !has_ended(item)).count() as u64
}

fn is_refused_by_quota(reply: &ApiReply, name: &str) -> bool {
    matches!(
        model::read_reply(ReplyContext::Change, reply),
        Verdict::Answered(Answer::Denied { by: Refuser::Quota(quota) }) if quota == name
    )
}

fn asking_pod(name: &str, resource: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{
            "name": "c", "image": "none",
            "resources": {"requests": {resource: "1"}, "limits": {resource: "1"}},
        }]},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_has_not_ended() {
        let list = json!({"items": [
            {"status": {"phase": "Running"}}, {"status": {"phase": "Failed"}}, {"metadata": {}},
        ]});
        assert_eq!(live_count(&list), 2);
    }

    #[test]
    fn reads_both_names_of_a_count() {
        let quota = |key: &str| json!({"status": {"used": {key: "3"}}});
        let pods = ApiResource::guess_resource("v1", "Pod");
        let deployments = ApiResource::guess_resource("apps/v1", "Deployment");
        assert_eq!(used_count(&quota("pods"), &pods), Some(3));
        assert_eq!(used_count(&quota("count/pods"), &pods), Some(3));
        assert_eq!(used_count(&quota("limits.cpu"), &pods), None);
        let apps = quota("count/deployments.apps");
        assert_eq!(used_count(&apps, &deployments), Some(3));
        assert_eq!(used_count(&apps, &pods), None);
    }

    #[test]
    fn a_quota_with_a_scope_is_not_compared() {
        let quota = |spec: Value| json!({"kind": "ResourceQuota", "spec": spec});
        assert!(counts_everything(&quota(json!({"hard": {"pods": "1"}}))));
        assert!(!counts_everything(&quota(
            json!({"scopes": ["BestEffort"]})
        )));
        assert!(!counts_everything(&json!({"kind": "Pod", "spec": {}})));
    }
}
