//! Kinds whose own status says when they are in force.

use std::time::Duration;

use api::{Caller, condition};
use serde_json::Value;

use super::plan::WriteRecord;
use super::sentinels::PATIENCE;
use crate::Error;
use crate::wait::{Look, Wait, Waiter};

type Test = fn(&Value) -> bool;

/// The test for this kind, if it is one of them.
pub(super) fn test(kind: &str) -> Option<Test> {
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
    condition(object, "Established") == Some("True")
}

pub(super) async fn own(
    own: &Caller,
    waiter: &Waiter,
    touch: &WriteRecord,
    done: Test,
) -> Result<(), Error> {
    let what = format!("{} {} to be in force", touch.resource.kind, touch.name);
    let wait = Wait {
        what: &what,
        within: PATIENCE,
        every: Duration::from_millis(20),
    };
    waiter
        .until(wait, async || match own.fetch(touch.path()).await {
            Ok(object) if done(&object) => Look::Ready(()),
            Ok(object) => Look::NotYet(format!("its status {}", object["status"])),
            Err(said) => Look::from(Error::from(said)),
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::test;
    use serde_json::json;

    #[test]
    fn a_quota_needs_its_whole_status() {
        let done = test("ResourceQuota").expect("a kind with a status");
        assert!(!done(&json!({"spec": {"hard": {"pods": "1"}}})));
        assert!(!done(
            &json!({"spec": {"hard": {"pods": "1"}}, "status": {"hard": {"pods": "2"}}})
        ));
        assert!(done(
            &json!({"spec": {"hard": {"pods": "1"}}, "status": {"hard": {"pods": "1"}}})
        ));
        assert!(test("ConfigMap").is_none());
    }
}
