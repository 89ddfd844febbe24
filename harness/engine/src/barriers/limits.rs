//! A sentinel for LimitRanges: what the API server sets where a pod states nothing.
//!
//! Where the API server's watch has brought no LimitRange of a namespace yet, it asks for them, and
//! keeps the answer for half a minute (kubernetes, `plugin/pkg/admission/limitranger`). So it is a
//! *changed* default that shows how far the watch has come: the first value may be the answer to
//! such a question, the second is not, since that was kept.

use api::{ApiCall, MERGE_PATCH, reply_json as json_of, reply_message, was_taken};
use serde_json::{Value, json};

use super::sentinels::{SentinelObjects, in_force_wait};
use crate::Error;
use crate::wait::{WaitLook, WaitReporter};

/// Waits until the API server goes by every LimitRange that was written before.
pub(super) async fn limit_ranges(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
) -> Result<(), Error> {
    let name = sentinels.fresh_name();
    // A separate resource: sentinels of several worlds are in one namespace, and each sets only
    // this.
    let resource = format!("gauntlet.dev/{name}");
    let collection = format!("/api/v1/namespaces/{}/limitranges", sentinels.namespace());
    let path = format!("{collection}/{name}");
    sentinels
        .make_part(&collection, limit_range(&name, &resource, "1"))
        .await?;
    is_set(sentinels, waiter, &name, &resource, "1").await?;
    let changed = sentinels
        .own()
        .send_call(ApiCall::patch(
            path.as_str(),
            MERGE_PATCH,
            limit_range(&name, &resource, "2"),
        ))
        .await
        .reply;
    if !was_taken(&changed) {
        return Err(Error::refused_reply(
            "a sentinel LimitRange could not be changed",
            &changed,
        ));
    }
    let shown = is_set(sentinels, waiter, &name, &resource, "2").await;
    sentinels.remove_parts(vec![path]);
    shown
}

fn limit_range(name: &str, resource: &str, default: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": name},
        "spec": {"limits": [{"type": "Container", "default": {resource: default}}]},
    })
}

/// Waits until a pod that states nothing gets this default.
async fn is_set(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
    name: &str,
    resource: &str,
    wanted: &str,
) -> Result<(), Error> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "none"}]},
    });
    let path = format!("/api/v1/namespaces/{}/pods", sentinels.namespace());
    let wait = in_force_wait("limit ranges to be in force");
    waiter
        .wait_until(wait, async || {
            let reply = sentinels
                .own()
                .send_call(ApiCall::post(path.as_str(), pod.clone()).dry_run(true))
                .await
                .reply;
            match json_of(&reply).filter(|_| was_taken(&reply)) {
                Some(pod) => match &pod["spec"]["containers"][0]["resources"]["limits"][resource] {
                    set if set == wanted => WaitLook::Ready(()),
                    set => WaitLook::NotYet(format!("the default of a sentinel is {set}")),
                },
                None => WaitLook::NotYet(reply_message(&reply)),
            }
        })
        .await
}
