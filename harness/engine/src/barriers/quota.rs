//! A sentinel for ResourceQuotas: one that allows nothing of a resource of its own.
//!
//! The API server goes by what its watch has brought of the status that a controller writes. So a
//! quota that was made later, and refuses, shows that what was written or deleted before is known.
//!
//! What a deletion frees is known once the controller has counted again: a quota without a scope is
//! compared with a list of what it counts. One with a scope, and sums of what pods ask for, are not.

use std::time::Duration;

use api::{ApiCall, ApiCaller};
use futures::FutureExt;
use futures::future::try_join_all;
use model::{Answer, ApiReply, Refuser, ReplyContext, Verdict};
use serde_json::{Value, json};

use super::plan::{BarrierWork, WriteRecord};
use super::sentinels::{SentinelObjects, in_force_wait, not_yet};
use super::status::own_status;
use crate::Error;
use crate::discovery::{ApiResource, find_object};
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

/// How long the controller may take to count again.
const COUNTED_WITHIN: Duration = Duration::from_secs(30);

/// The wait until the API server goes by every ResourceQuota among `records`, has forgotten those
/// that were deleted, and counts anew where something was deleted. Nothing where no quota is
/// concerned.
pub(super) fn quota_wait<'a>(
    sentinels: &'a SentinelObjects,
    waiter: &'a WaitReporter,
    records: &'a [WriteRecord],
    history: &'a [WriteRecord],
) -> Option<BarrierWork<'a>> {
    let (written, freed) = concerned_quotas(records, history);
    let is_concerned = !(written.is_empty() && freed.is_empty());
    is_concerned.then(|| wait_for_quotas(sentinels, waiter, written, freed).boxed_local())
}

/// The quotas that were written or deleted, and those that count what was deleted, each with that.
pub(super) fn concerned_quotas<'a>(
    records: &'a [WriteRecord],
    history: &'a [WriteRecord],
) -> (Vec<&'a WriteRecord>, Vec<FreedCount<'a>>) {
    let written = records.iter().filter(|one| is_quota(one)).collect();
    let deleted = records.iter().filter(|one| one.object.is_none());
    let freed = deleted.flat_map(|gone| {
        let all = history.iter().chain(records);
        all.filter(|one| one.namespace == gone.namespace && counts_everything(one))
            .map(move |quota| FreedCount { quota, gone })
    });
    (written, freed.collect())
}

/// A quota, and something of its namespace that was deleted.
pub(super) struct FreedCount<'a> {
    quota: &'a WriteRecord,
    gone: &'a WriteRecord,
}

fn is_quota(record: &WriteRecord) -> bool {
    record.resource.kind == "ResourceQuota"
}

async fn wait_for_quotas(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
    written: Vec<&WriteRecord>,
    freed: Vec<FreedCount<'_>>,
) -> Result<(), Error> {
    let own = sentinels.own();
    let statuses = written.iter().map(|quota| own_status(own, waiter, quota));
    let counts = freed
        .iter()
        .map(|FreedCount { quota, gone }| wait_for_count(own, waiter, quota, &gone.resource));
    tokio::try_join!(try_join_all(statuses), try_join_all(counts))?;
    wait_for_sentinel(sentinels, waiter).await
}

/// What a controller has written by now is known once a quota that was made later refuses.
async fn wait_for_sentinel(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
) -> Result<(), Error> {
    let own = sentinels.own();
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
    let wait = in_force_wait("quotas to be in force");
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

/// Whether this is a quota, as it was written, that counts whatever its namespace has.
fn counts_everything(record: &WriteRecord) -> bool {
    let spec = record.object.as_ref().map(|object| &object["spec"]);
    let is_whole = |spec: &Value| spec["scopes"].is_null() && spec["scopeSelector"].is_null();
    is_quota(record) && spec.is_some_and(is_whole)
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
                Ok(list) => {
                    let there = live_count(&list);
                    WaitLook::when(there == used, || format!("it says {used} of {there}"))
                }
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

    fn record(kind: &str, object: Option<Value>) -> WriteRecord {
        WriteRecord {
            resource: ApiResource::guess_resource("v1", kind),
            namespace: "n".into(),
            name: "q".into(),
            object,
        }
    }

    #[test]
    fn what_is_deleted_concerns_every_quota_of_its_namespace() {
        let quota = || record("ResourceQuota", Some(json!({"spec": {}})));
        let elsewhere = WriteRecord {
            namespace: "other".into(),
            ..quota()
        };
        let history = [quota(), elsewhere, quota()];
        let gone = [record("Pod", None)];
        let (written, freed) = concerned_quotas(&gone, &history);
        assert_eq!((written.len(), freed.len()), (0, 2));
        let made = [record("Pod", Some(json!({})))];
        assert_eq!(concerned_quotas(&made, &history).1.len(), 0);
        assert_eq!(concerned_quotas(&[quota()], &[]).0.len(), 1);
    }

    #[test]
    fn a_quota_with_a_scope_is_not_compared() {
        let quota = |spec: Value| record("ResourceQuota", Some(json!({"spec": spec})));
        assert!(counts_everything(&quota(json!({"hard": {"pods": "1"}}))));
        assert!(!counts_everything(&quota(
            json!({"scopes": ["BestEffort"]})
        )));
        assert!(!counts_everything(&record("ResourceQuota", None)));
        assert!(!counts_everything(&record(
            "Pod",
            Some(json!({"spec": {}}))
        )));
    }
}
