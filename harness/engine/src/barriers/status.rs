//! Kinds whose own status says when they are in force.

use std::time::Duration;

use api::{ApiCaller, condition_status};
use serde_json::Value;

use super::plan::WriteRecord;
use super::sentinels::IN_FORCE_WITHIN;
use crate::Error;
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

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

/// Waits until the status of what was written says that it is in force: nothing for a kind that has
/// no such status, and after a deletion.
pub(super) fn own_status<'a>(
    own: &'a ApiCaller,
    waiter: &'a WaitReporter,
    record: &'a WriteRecord,
) -> Option<impl Future<Output = Result<(), Error>> + 'a> {
    let done = status_test(&record.resource.kind)?;
    record.object.as_ref()?;
    Some(wait_for_status(own, waiter, record, done))
}

async fn wait_for_status(
    own: &ApiCaller,
    waiter: &WaitReporter,
    record: &WriteRecord,
    done: StatusTest,
) -> Result<(), Error> {
    let what = format!("{} {} to be in force", record.resource.kind, record.name);
    let wait = ConditionWait {
        what: &what,
        within: IN_FORCE_WITHIN,
        every: Duration::from_millis(20),
    };
    waiter
        .wait_until(wait, async || match own.fetch_body(record.path()).await {
            Ok(object) if done(&object) => WaitLook::Ready(()),
            Ok(object) => WaitLook::NotYet(format!("its status {}", object["status"])),
            Err(said) => WaitLook::from(Error::from(said)),
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
