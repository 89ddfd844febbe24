//! Kinds whose own status says when they are in force.

use api::{ApiCaller, condition_status};
use serde_json::Value;

use super::plan::WriteRecord;
use super::sentinels::in_force_wait;
use crate::Error;
use crate::discovery::find_object;
use crate::wait::{WaitLook, WaitReporter};

type StatusTest = fn(&Value) -> bool;

/// The test for this kind, if it is one of them.
pub(super) fn status_test(kind: &str) -> Option<StatusTest> {
    Some(match kind {
        "ResourceQuota" => |object| {
            !object["spec"]["hard"].is_null() && object["status"]["hard"] == object["spec"]["hard"]
        },
        "PodDisruptionBudget" => {
            |object| object["status"]["observedGeneration"] == object["metadata"]["generation"]
        }
        "CustomResourceDefinition" => is_established,
        _ => return None,
    })
}

fn is_established(object: &Value) -> bool {
    condition_status(object, "Established") == Some("True")
}

/// Waits until the status of what was written says that it is in force, and until what was deleted
/// is gone: of a definition that is still there, objects can neither be made nor looked for. Nothing
/// for a kind that has no such status.
pub(super) async fn own_status(
    own: &ApiCaller,
    waiter: &WaitReporter,
    record: &WriteRecord,
) -> Result<(), Error> {
    let Some(is_in_force) = status_test(&record.resource.kind) else {
        return Ok(());
    };
    let is_wanted = record.object.is_some();
    let aim = if is_wanted { "in force" } else { "gone" };
    let what = format!("{} {} to be {aim}", record.resource.kind, record.name);
    waiter
        .wait_until(in_force_wait(&what), async || {
            match find_object(own, &record.resource, &record.namespace, &record.name).await {
                Ok(Some(object)) if is_wanted && is_in_force(&object) => WaitLook::Ready(()),
                Ok(None) if !is_wanted => WaitLook::Ready(()),
                Ok(Some(object)) => WaitLook::NotYet(format!(
                    "its status {}, its finalizers {}",
                    object["status"], object["metadata"]["finalizers"]
                )),
                Ok(None) => WaitLook::NotYet("it is not there".into()),
                Err(said) => WaitLook::from(said),
            }
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::status_test;
    use serde_json::json;

    #[test]
    fn a_quota_needs_its_whole_status() {
        let done = status_test("ResourceQuota").expect("a kind with a status");
        assert!(!done(&json!({"spec": {"hard": {"pods": "1"}}})));
        assert!(!done(
            &json!({"spec": {"hard": {"pods": "1"}}, "status": {"hard": {"pods": "2"}}})
        ));
        assert!(done(
            &json!({"spec": {"hard": {"pods": "1"}}, "status": {"hard": {"pods": "1"}}})
        ));
        assert!(status_test("ConfigMap").is_none());
    }
}
