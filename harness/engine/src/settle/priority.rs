//! A sentinel for PriorityClasses: a pod may name one once the API server's watch has brought it.

use std::time::Duration;

use api::{Call, said, taken};
use serde_json::json;

use super::sentinels::{PATIENCE, Sentinels};
use crate::Error;
use crate::wait::{Look, Wait, Waiter};

const CLASSES: &str = "/apis/scheduling.k8s.io/v1/priorityclasses";

/// Waits until the API server knows every PriorityClass that was written before, and has forgotten what was deleted.
pub(super) async fn priority_classes(sentinels: &Sentinels, waiter: &Waiter) -> Result<(), Error> {
    let name = sentinels.name();
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 0,
    });
    sentinels.make(CLASSES, class).await?;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"priorityClassName": name, "containers": [{"name": "c", "image": "none"}]},
    });
    let path = format!("/api/v1/namespaces/{}/pods", sentinels.namespace());
    let wait = Wait {
        what: "priority classes to be in force",
        within: PATIENCE,
        every: Duration::from_millis(20),
    };
    let shown = waiter
        .until(wait, async || {
            let reply = sentinels
                .own()
                .send(Call::post(path.as_str(), pod.clone()).dry(true))
                .await
                .reply;
            if taken(&reply) {
                Look::Ready(())
            } else {
                Look::NotYet(said(&reply))
            }
        })
        .await;
    sentinels.remove(vec![format!("{CLASSES}/{name}")]);
    shown
}
