//! What a world has written, and how much of it is known to be in force.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::Value;

use crate::Error;
use crate::barriers::WriteRecord;

/// The barrier between what is written and what is tried next.
#[derive(Default)]
pub(crate) struct WriteBarrier {
    in_force: Vec<WriteRecord>,
    pending: Vec<WriteRecord>,
    /// The namespaces in which a workload was changed: it may have fewer pods by itself.
    rescaled: BTreeSet<String>,
    /// Why nothing more can be tried: something never came into force.
    stuck: Option<Error>,
}

impl WriteBarrier {
    /// Notes an object that has to come into force, or a deletion.
    pub(crate) fn add_object(&mut self, record: WriteRecord) {
        self.pending.push(record);
    }

    /// Notes that a workload of this namespace was changed.
    pub(crate) fn note_rescaled(&mut self, namespace: &str) {
        self.rescaled.insert(namespace.to_owned());
    }

    /// The namespaces in which a workload was changed.
    pub(crate) fn rescaled(&self) -> &BTreeSet<String> {
        &self.rescaled
    }

    /// What was written since; the one that takes it reports the result with
    /// [`WriteBarrier::mark_passed`].
    pub(crate) fn take_pending(&mut self) -> Vec<WriteRecord> {
        std::mem::take(&mut self.pending)
    }

    /// What was written before and was waited for.
    pub(crate) fn in_force(&self) -> &[WriteRecord] {
        &self.in_force
    }

    /// These have been waited for.
    pub(crate) fn mark_passed(&mut self, records: Vec<WriteRecord>) {
        self.in_force.extend(records);
    }

    /// Has what is in force and picked by `concerns` waited for once more, each object as it was
    /// last written.
    pub(crate) fn wait_again(&mut self, concerns: impl Fn(&WriteRecord) -> bool) {
        let mut last: IndexMap<String, &WriteRecord> = IndexMap::new();
        for record in self.in_force.iter().filter(|record| concerns(record)) {
            last.insert(record.path(), record);
        }
        let again: Vec<WriteRecord> = last.into_values().cloned().collect();
        self.pending.extend(again);
    }

    /// From now on nothing can be tried.
    pub(crate) fn block_steps(&mut self, why: Error) {
        self.stuck = Some(why);
    }

    /// Why nothing can be tried any more.
    pub(crate) fn blocked_reason(&self) -> Option<&Error> {
        self.stuck.as_ref()
    }

    /// Whether an object of this kind was written.
    pub(crate) fn wrote_kind(&self, kind: &str) -> bool {
        self.all_written()
            .any(|record| record.resource.kind == kind)
    }

    /// The object at this path, as the world first wrote the one that it wrote last there.
    pub(crate) fn first_written(&self, path: &str) -> Option<&Value> {
        let states = || {
            self.all_written()
                .filter(|record| record.path() == path)
                .filter_map(|record| record.object.as_ref())
        };
        let uid = &states().last()?["metadata"]["uid"];
        states().find(|object| object["metadata"]["uid"] == *uid)
    }

    /// The deletions of the objects at these paths, as far as they were written.
    pub(crate) fn deletions(&self, paths: &[String]) -> Vec<WriteRecord> {
        let written = |path: &String| self.all_written().find(|record| record.path() == *path);
        paths
            .iter()
            .filter_map(written)
            .map(|record| WriteRecord {
                object: None,
                ..record.clone()
            })
            .collect()
    }

    /// What was written, in order.
    pub(crate) fn all_written(&self) -> impl Iterator<Item = &WriteRecord> {
        self.in_force.iter().chain(&self.pending)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::discovery::ApiResource;

    fn record(kind: &str, name: &str) -> WriteRecord {
        let (resource, object) = (
            ApiResource::guess_resource("v1", kind),
            Some(json!({"kind": kind})),
        );
        WriteRecord {
            resource,
            namespace: "ns".into(),
            name: name.into(),
            object,
        }
    }

    #[test]
    fn what_is_waited_for_once_is_in_force() {
        let mut barrier = WriteBarrier::default();
        barrier.add_object(record("Secret", "a"));
        let pending = barrier.take_pending();
        assert_eq!((pending.len(), barrier.in_force().len()), (1, 0));
        barrier.mark_passed(pending);
        barrier.add_object(record("Pod", "b"));
        assert_eq!(
            (barrier.take_pending().len(), barrier.in_force().len()),
            (1, 1)
        );
    }

    #[test]
    fn what_is_waited_for_again_is_as_it_was_last_written() {
        let mut barrier = WriteBarrier::default();
        let deleted = WriteRecord {
            object: None,
            ..record("Job", "a")
        };
        let written = WriteRecord {
            object: Some(json!({})),
            ..record("Job", "a")
        };
        barrier.mark_passed(vec![written, record("Pod", "b"), deleted]);
        barrier.wait_again(|record| record.resource.kind == "Job");
        let pending = barrier.take_pending();
        assert_eq!(pending.len(), 1);
        assert!(pending[0].object.is_none() && barrier.in_force().len() == 3);
    }

    #[test]
    fn both_parts_count_as_written() {
        let mut barrier = WriteBarrier::default();
        barrier.mark_passed(vec![record("Secret", "a")]);
        barrier.add_object(record("Pod", "b"));
        assert!(
            barrier.wrote_kind("Secret") && barrier.wrote_kind("Pod") && !barrier.wrote_kind("Job")
        );
        let paths = ["a", "c"].map(|name| format!("/api/v1/namespaces/ns/secrets/{name}"));
        let deletions = barrier.deletions(&paths);
        assert_eq!(deletions.len(), 1);
        assert!(deletions[0].object.is_none() && deletions[0].name == "a");
    }

    #[test]
    fn an_object_is_found_as_it_was_first_written() {
        let mut barrier = WriteBarrier::default();
        for (uid, version) in [("old", 1), ("new", 2), ("new", 3)] {
            let object = json!({"metadata": {"uid": uid, "resourceVersion": version}});
            barrier.add_object(WriteRecord {
                object: Some(object),
                ..record("Job", "a")
            });
        }
        let version = |path: &str| {
            let object = barrier.first_written(path)?;
            object["metadata"]["resourceVersion"].as_u64()
        };
        assert_eq!(version("/api/v1/namespaces/ns/jobs/a"), Some(2));
        assert_eq!(version("/api/v1/namespaces/ns/jobs/b"), None);
    }

    #[test]
    fn one_that_never_comes_into_force_blocks_the_rest() {
        let mut barrier = WriteBarrier::default();
        assert!(barrier.blocked_reason().is_none());
        barrier.block_steps(Error::no_reply("gone"));
        assert_eq!(
            barrier.blocked_reason().map(Error::in_one_line).as_deref(),
            Some("gone")
        );
    }
}
