//! Namespaces that are deleted: what is in one ends with it, at a time of its own.

use std::time::Duration;

use api::ApiCaller;
use serde_json::Value;

use super::plan::WriteRecord;
use super::sentinels::NAMESPACE_GOES_WITHIN;
use crate::Error;
use crate::discovery::find_object;
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

/// Waits until every namespace is gone that was deleted among `records`.
///
/// # Errors
/// When one stays.
pub(crate) async fn wait_for_namespace_ends(
    own: &ApiCaller,
    waiter: &WaitReporter,
    records: &[WriteRecord],
) -> Result<(), Error> {
    for record in records.iter().filter(|record| is_deleted_namespace(record)) {
        let what = format!("the namespace {} to be gone", record.name);
        let wait = ConditionWait {
            what: &what,
            within: NAMESPACE_GOES_WITHIN,
            every: Duration::from_millis(50),
        };
        let gone = waiter.wait_until(wait, async || {
            match find_object(own, &record.resource, "", &record.name).await {
                Ok(None) => WaitLook::Ready(()),
                Ok(Some(namespace)) => WaitLook::NotYet(end_message(&namespace)),
                Err(said) => WaitLook::from(said),
            }
        });
        gone.await?;
    }
    Ok(())
}

pub(crate) fn is_deleted_namespace(record: &WriteRecord) -> bool {
    record.resource.kind == "Namespace" && record.object.is_none()
}

/// The deletions of what ended with the namespaces that were deleted among `records`: each object
/// that was written there before, once.
pub(crate) fn ended_with_namespaces<'a>(
    records: &[WriteRecord],
    written: impl DoubleEndedIterator<Item = &'a WriteRecord>,
) -> Vec<WriteRecord> {
    let is_within = |one: &WriteRecord| {
        let mut gone = records.iter().filter(|record| is_deleted_namespace(record));
        one.resource.namespaced && gone.any(|namespace| namespace.name == one.namespace)
    };
    let mut seen = Vec::new();
    let mut ended = Vec::new();
    for record in written.rev().filter(|record| is_within(record)) {
        let path = record.path();
        if seen.contains(&path) {
            continue;
        }
        seen.push(path);
        if record.object.is_some() {
            ended.push(WriteRecord {
                object: None,
                ..record.clone()
            });
        }
    }
    ended
}

/// What it says that it waits for.
fn end_message(namespace: &Value) -> String {
    let conditions = namespace["status"]["conditions"].as_array();
    let told: Vec<&str> = conditions
        .into_iter()
        .flatten()
        .filter(|one| one["status"] == "True")
        .filter_map(|one| one["message"].as_str())
        .collect();
    if told.is_empty() {
        "it is ending".into()
    } else {
        told.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::discovery::ApiResource;

    fn record(kind: &str, namespace: &str, name: &str, object: Option<Value>) -> WriteRecord {
        WriteRecord {
            resource: ApiResource::guess_resource("v1", kind),
            namespace: namespace.into(),
            name: name.into(),
            object,
        }
    }

    #[test]
    fn what_was_written_there_ends_with_its_namespace() {
        let some = || Some(json!({}));
        let written = [
            record("Secret", "gone", "a", some()),
            record("Secret", "gone", "a", some()),
            record("Secret", "gone", "deleted", some()),
            record("Secret", "gone", "deleted", None),
            record("Secret", "other", "a", some()),
        ];
        let ended = |records: &[WriteRecord]| {
            let ended = ended_with_namespaces(records, written.iter());
            ended
                .iter()
                .map(|one| (one.name.clone(), one.object.is_none()))
                .collect::<Vec<_>>()
        };
        let deleted = [record("Namespace", "own", "gone", None)];
        assert_eq!(ended(&deleted), [("a".to_owned(), true)]);
        assert!(ended(&[record("Namespace", "own", "gone", some())]).is_empty());
        assert!(ended(&[record("Secret", "own", "gone", None)]).is_empty());
    }

    #[test]
    fn a_namespace_says_what_it_waits_for() {
        let namespace = json!({"status": {"conditions": [
            {"type": "NamespaceContentRemaining", "status": "True", "message": "pods. has 1 resource instances"},
            {"type": "NamespaceDeletionContentFailure", "status": "False", "message": "none"},
        ]}});
        assert_eq!(end_message(&namespace), "pods. has 1 resource instances");
        assert_eq!(end_message(&json!({})), "it is ending");
    }
}
