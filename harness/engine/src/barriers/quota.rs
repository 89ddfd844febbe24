//! A sentinel for ResourceQuotas: one that allows nothing of a resource of its own.
//!
//! The API server goes by what its watch has brought of the status that a controller writes. So a
//! quota that was made later, and refuses, shows that what was written or deleted before is known.
//!
//! What a deletion frees is known once the object is gone, and the controller has counted again: its
//! status is compared with what there is then, sums and scopes included.

mod freed;
mod orphans;
mod pod_resources;
mod quantity;
mod scopes;
mod usage;

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
use crate::started::takes_pods_along;
use crate::wait::{ConditionWait, WaitLook, WaitReporter};
use orphans::wait_for_orphans;
use usage::compare_usage;

/// How long the controller may take to count again.
const COUNTED_WITHIN: Duration = Duration::from_secs(30);

/// How long what was deleted may take to be gone: a pod has half a minute to end.
const ENDED_WITHIN: Duration = Duration::from_secs(60);

/// The wait until the API server goes by every ResourceQuota among `records`, has forgotten those
/// that were deleted, and counts again where something was deleted. Nothing where no quota is
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
        all.filter(|one| is_quota(one) && one.object.is_some())
            .filter(|one| one.namespace == gone.namespace)
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
    let counts = freed.iter().map(async |FreedCount { quota, gone }| {
        wait_until_ended(own, waiter, gone).await?;
        if takes_pods_along(&gone.resource) {
            wait_for_orphans(own, waiter, &gone.namespace).await?;
            let pods = ApiResource::guess_resource("v1", "Pod");
            wait_for_count(own, waiter, quota, &pods).await?;
        }
        wait_for_count(own, waiter, quota, &gone.resource).await
    });
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

/// A pod counts until it has ended. What has its name by now may be another one, which a controller
/// made.
async fn wait_until_ended(
    own: &ApiCaller,
    waiter: &WaitReporter,
    gone: &WriteRecord,
) -> Result<(), Error> {
    let what = format!(
        "the {} {} to be gone, which a quota counts",
        gone.resource.kind, gone.name
    );
    let wait = ConditionWait {
        what: &what,
        within: ENDED_WITHIN,
        every: Duration::from_millis(50),
    };
    waiter
        .wait_until(wait, async || {
            match find_object(own, &gone.resource, &gone.namespace, &gone.name).await {
                Ok(Some(object)) if !object["metadata"]["deletionTimestamp"].is_null() => {
                    WaitLook::NotYet(format!(
                        "it is ending, its finalizers {}",
                        object["metadata"]["finalizers"]
                    ))
                }
                Ok(_) => WaitLook::Ready(()),
                Err(said) => WaitLook::from(said),
            }
        })
        .await
}

/// Waits until the quota says what there is of a kind.
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
    let compared = waiter.wait_until(wait, async || {
        let stored = find_object(own, &quota.resource, &quota.namespace, &quota.name).await;
        let stored = match stored {
            Ok(Some(stored)) => stored,
            Ok(None) => return WaitLook::Ready(Ok(())),
            Err(said) => return WaitLook::from(said),
        };
        let list = match own.fetch_body(collection.as_str()).await {
            Ok(list) => list,
            Err(said) => return WaitLook::from(Error::from(said)),
        };
        let items = list["items"].as_array().map(Vec::as_slice);
        match compare_usage(&stored, counted, items.unwrap_or_default()) {
            Ok(None) => WaitLook::Ready(Ok(())),
            Ok(Some(differs)) => WaitLook::NotYet(differs),
            // No wait changes what cannot be computed.
            Err(why) => WaitLook::Ready(Err(why)),
        }
    });
    compared.await?
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
    fn a_quota_with_a_scope_is_compared_and_one_that_was_deleted_is_not() {
        let quota = |object: Option<Value>| record("ResourceQuota", object);
        let scoped = quota(Some(json!({"spec": {"scopes": ["BestEffort"]}})));
        let gone = [record("Pod", None)];
        assert_eq!(concerned_quotas(&gone, &[scoped]).1.len(), 1);
        assert_eq!(concerned_quotas(&gone, &[quota(None)]).1.len(), 0);
    }
}
