//! A sentinel for PriorityClasses: a pod may name one once the API server's watch has brought it.

use api::{ApiCall, reply_message, was_taken};
use serde_json::json;

use super::sentinels::{SentinelObjects, in_force_wait};
use crate::Error;
use crate::wait::{WaitLook, WaitReporter};

const PRIORITY_CLASSES: &str = "/apis/scheduling.k8s.io/v1/priorityclasses";

/// Waits until the API server knows every PriorityClass that was written before, and has forgotten
/// what was deleted.
pub(super) async fn priority_classes(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
) -> Result<(), Error> {
    let name = sentinels.fresh_name();
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 0,
    });
    sentinels.make_part(PRIORITY_CLASSES, class).await?;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"priorityClassName": name, "containers": [{"name": "c", "image": "none"}]},
    });
    let path = format!("/api/v1/namespaces/{}/pods", sentinels.namespace());
    let wait = in_force_wait("priority classes to be in force");
    let shown = waiter
        .wait_until(wait, async || {
            let reply = sentinels
                .own()
                .send_call(ApiCall::post(path.as_str(), pod.clone()).dry_run(true))
                .await
                .reply;
            if was_taken(&reply) {
                WaitLook::Ready(())
            } else {
                WaitLook::NotYet(reply_message(&reply))
            }
        })
        .await;
    sentinels.remove_parts(vec![format!("{PRIORITY_CLASSES}/{name}")]);
    shown
}
