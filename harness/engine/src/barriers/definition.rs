//! Definitions of custom resources that were changed. Their status says `Established` all the time,
//! and the API server goes by the old schema until its watch has brought the new one
//! (apiextensions-apiserver, `pkg/apiserver/customresource_handler.go`). So a sentinel definition is
//! made, used, and changed: it shows its own change only after every change before it.

use std::time::Duration;

use api::{ApiCall, MERGE_PATCH, reply_json as json_of, reply_message, was_taken};
use serde_json::{Value, json};

use super::plan::WriteRecord;
use super::sentinels::{IN_FORCE_WITHIN, SentinelObjects};
use crate::Error;
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

const DEFINITIONS_API: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Whether this definition was changed after it was made: its generation counts.
pub(super) fn is_changed_definition(record: &WriteRecord) -> bool {
    let is_later = |object: &Value| {
        object["metadata"]["generation"]
            .as_u64()
            .is_some_and(|generation| generation > 1)
    };
    record.resource.kind == "CustomResourceDefinition"
        && record.object.as_ref().is_some_and(is_later)
}

/// Waits until the API server goes by every definition that was changed before.
pub(super) async fn wait_for_definitions(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
) -> Result<(), Error> {
    let group = format!("{}.gauntlet.dev", sentinels.fresh_name());
    let path = format!("{DEFINITIONS_API}/sentinels.{group}");
    sentinels
        .make_part(DEFINITIONS_API, sentinel_definition(&group, "1"))
        .await?;
    let shown = wait_for_change(sentinels, waiter, &group, &path).await;
    sentinels.remove_parts(vec![path]);
    shown
}

async fn wait_for_change(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
    group: &str,
    path: &str,
) -> Result<(), Error> {
    wait_for_default(sentinels, waiter, group, "1").await?;
    let changed = sentinel_definition(group, "2");
    let patch = json!({"spec": {"versions": changed["spec"]["versions"]}});
    let call = ApiCall::patch(path, MERGE_PATCH, patch);
    let reply = sentinels.own().send_call(call).await.reply;
    if !was_taken(&reply) {
        return Err(Error::refused_reply(
            "a sentinel definition could not be changed",
            &reply,
        ));
    }
    wait_for_default(sentinels, waiter, group, "2").await
}

/// Waits until an object of the sentinel definition gets this default.
async fn wait_for_default(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
    group: &str,
    wanted: &str,
) -> Result<(), Error> {
    let path = format!(
        "/apis/{group}/v1/namespaces/{}/sentinels",
        sentinels.namespace()
    );
    let sentinel = json!({
        "apiVersion": format!("{group}/v1"), "kind": "Sentinel", "metadata": {"name": "sentinel"}, "spec": {},
    });
    let wait = ConditionWait {
        what: "definitions of custom resources to be in force",
        within: IN_FORCE_WITHIN,
        every: Duration::from_millis(20),
    };
    waiter
        .wait_until(wait, async || {
            let call = ApiCall::post(path.as_str(), sentinel.clone()).dry_run(true);
            let reply = sentinels.own().send_call(call).await.reply;
            match json_of(&reply).filter(|_| was_taken(&reply)) {
                Some(object) if object["spec"]["shown"] == wanted => WaitLook::Ready(()),
                Some(object) => WaitLook::NotYet(format!(
                    "a sentinel's default is {}",
                    object["spec"]["shown"]
                )),
                None => WaitLook::NotYet(reply_message(&reply)),
            }
        })
        .await
}

fn sentinel_definition(group: &str, default: &str) -> Value {
    let shown = json!({"type": "string", "default": default});
    let spec = json!({"type": "object", "properties": {"shown": shown}});
    let schema = json!({"type": "object", "properties": {"spec": spec}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("sentinels.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"plural": "sentinels", "singular": "sentinel", "kind": "Sentinel"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
            }],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::ApiResource;

    #[test]
    fn only_a_definition_that_was_there_before_is_changed() {
        let is_changed = |kind: &str, object: Option<Value>| {
            is_changed_definition(&WriteRecord {
                resource: ApiResource::guess_resource("apiextensions.k8s.io/v1", kind),
                namespace: String::new(),
                name: "a".into(),
                object,
            })
        };
        let generation = |number: u64| Some(json!({"metadata": {"generation": number}}));
        assert!(is_changed("CustomResourceDefinition", generation(2)));
        assert!(!is_changed("CustomResourceDefinition", generation(1)));
        assert!(!is_changed("CustomResourceDefinition", None));
        assert!(!is_changed("Widget", generation(2)));
    }
}
