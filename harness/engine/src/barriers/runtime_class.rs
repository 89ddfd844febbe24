//! RuntimeClasses that are changed or deleted. The API server's admission goes by its own copy, and
//! asks for a class only where it has none, as for ServiceAccounts. So a dry run of a pod that names
//! the class itself is looked at, in the sentinels' namespace.

use std::time::Duration;

use api::{ApiCall, reply_json, was_taken};
use serde_json::{Value, json};

use super::plan::WriteRecord;
use super::sentinels::{IN_FORCE_WITHIN, SentinelObjects, not_yet};
use crate::Error;
use crate::discovery::find_object;
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

/// Waits until a pod that names this class is treated as the class says by now.
pub(super) async fn wait_for_class(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
    record: &WriteRecord,
) -> Result<(), Error> {
    let what = format!("the RuntimeClass {} to be known as it is", record.name);
    let wait = ConditionWait {
        what: &what,
        within: IN_FORCE_WITHIN,
        every: Duration::from_millis(20),
    };
    let (own, pods) = (
        sentinels.own(),
        format!("/api/v1/namespaces/{}/pods", sentinels.namespace()),
    );
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": sentinels.fresh_name()},
        "spec": {"runtimeClassName": record.name, "containers": [{"name": "c", "image": "none"}]},
    });
    waiter
        .wait_until(wait, async || {
            let stored = find_object(own, &record.resource, &record.namespace, &record.name).await;
            let class = match stored {
                Ok(class) => class,
                Err(said) => return WaitLook::from(said),
            };
            let call = ApiCall::post(pods.as_str(), pod.clone()).dry_run(true);
            let reply = own.send_call(call).await.reply;
            let given = reply_json(&reply).filter(|_| was_taken(&reply));
            match (class, given) {
                (None, None) => WaitLook::Ready(()),
                (Some(class), Some(pod)) if is_given(&class, pod) => WaitLook::Ready(()),
                (_, Some(_)) => WaitLook::NotYet("a pod gets what it said before".into()),
                (Some(_), None) => WaitLook::NotYet(not_yet(&reply)),
            }
        })
        .await
}

/// Whether a pod got what its class says that it costs, and where it goes.
fn is_given(class: &Value, pod: &Value) -> bool {
    let wanted = class["scheduling"]["nodeSelector"].as_object();
    let mut places = wanted.into_iter().flatten();
    class["overhead"]["podFixed"] == pod["spec"]["overhead"]
        && places.all(|(label, value)| pod["spec"]["nodeSelector"][label] == *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_shows_what_its_class_says() {
        let pod = |overhead: Value| json!({"spec": {"overhead": overhead, "nodeSelector": {"gpu": "yes"}}});
        let cost = json!({"cpu": "10m"});
        let class =
            json!({"overhead": {"podFixed": cost}, "scheduling": {"nodeSelector": {"gpu": "yes"}}});
        assert!(is_given(&class, &pod(cost.clone())));
        assert!(!is_given(&class, &pod(json!({"cpu": "20m"}))));
        assert!(!is_given(&json!({"handler": "runc"}), &pod(cost)));
        let elsewhere = json!({"scheduling": {"nodeSelector": {"gpu": "no"}}});
        assert!(!is_given(&elsewhere, &pod(Value::Null)));
    }
}
