//! Jobs that are gone once they are done (`ttlSecondsAfterFinished`), and their pods with them: how
//! they were at last stands in the API server's watches, from the moment on when the Job was made.

use api::{ApiCall, percent_encode};
use model::{ApiReply, ReplyBody};
use serde_json::Value;

use super::ownership::is_controlled;
use super::workload::{Workload, WorkloadKind};
use crate::Error;
use crate::discovery::ApiResource;
use crate::pods::find_condition;
use crate::world::LiveWorld;

/// Whether this is a Job that is on its way out, or gone: its pods may be gone before it.
pub(super) fn is_passing_job(resource: &ApiResource, object: Option<&Value>) -> bool {
    let is_job = resource.group == "batch" && resource.kind == "Job";
    is_job && object.is_none_or(|job| !job["metadata"]["deletionTimestamp"].is_null())
}

impl LiveWorld<'_> {
    /// A Job of this world as it was at last, with its pods as they were before they were told to
    /// end.
    ///
    /// # Errors
    /// When the world has not made it, or the API server does not tell of it any more.
    pub(super) async fn past_job(
        &self,
        resource: &ApiResource,
        namespace: &str,
        name: &str,
    ) -> Result<Workload, Error> {
        let made = self
            .barrier
            .first_written(&resource.object_path(namespace, name));
        let made = made.ok_or_else(|| Error::unexpected("there is no such Job"))?;
        let since = made["metadata"]["resourceVersion"].as_str();
        let since = since.unwrap_or_default();
        let jobs = resource.collection_path(Some(namespace));
        let jobs = self.states_since(jobs, since).await?;
        let job = last_states(jobs, |one| {
            one["metadata"]["uid"] == made["metadata"]["uid"]
        });
        let job = job
            .into_iter()
            .next()
            .ok_or_else(|| Error::unexpected("no watch tells of it any more"))?;
        let has_ended = ["Complete", "Failed"]
            .iter()
            .any(|kind| find_condition(&job, kind, "True").is_some());
        if !has_ended {
            return Err(Error::scenario("the Job was deleted before it was done"));
        }
        let pods = format!("/api/v1/namespaces/{}/pods", percent_encode(namespace));
        let pods = self.states_since(pods, since).await?;
        let pods = last_states(pods, |pod| {
            is_controlled(pod, &job) && pod["metadata"]["deletionTimestamp"].is_null()
        });
        Ok(Workload::of(WorkloadKind::Job, job, Vec::new(), pods))
    }

    /// Every state of the objects of a collection since then, in their order.
    async fn states_since(&self, path: String, since: &str) -> Result<Vec<Value>, Error> {
        let call = ApiCall::get(path)
            .with_query("watch", "true")
            .with_query("resourceVersion", since)
            .with_query("timeoutSeconds", "1");
        let reply = self.run.own.send_call(call).await.reply;
        match &reply {
            ApiReply::Http {
                code: 200, body, ..
            } => Ok(watched_states(body)),
            _ => Err(Error::unexpected_reply(&reply)),
        }
    }
}

/// The objects of a watch's events; one event alone is a document.
fn watched_states(body: &ReplyBody) -> Vec<Value> {
    let events = match body {
        ReplyBody::Json(event) => vec![event.clone()],
        ReplyBody::Text(lines) => lines
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect(),
    };
    let is_change = |event: &Value| {
        matches!(
            event["type"].as_str(),
            Some("ADDED" | "MODIFIED" | "DELETED")
        )
    };
    events
        .into_iter()
        .filter(is_change)
        .map(|mut event| event["object"].take())
        .collect()
}

/// The last state of each object, of those states that are wanted.
fn last_states(states: Vec<Value>, is_wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut last: Vec<Value> = Vec::new();
    for state in states.into_iter().filter(is_wanted) {
        let uid = &state["metadata"]["uid"];
        match last.iter_mut().find(|one| one["metadata"]["uid"] == *uid) {
            Some(known) => *known = state,
            None => last.push(state),
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_passes_once_it_is_told_to_end() {
        let job = ApiResource::guess_resource("batch/v1", "Job");
        let ending = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        assert!(is_passing_job(&job, None) && is_passing_job(&job, Some(&ending)));
        assert!(!is_passing_job(&job, Some(&json!({"metadata": {}}))));
        let pod = ApiResource::guess_resource("v1", "Pod");
        assert!(!is_passing_job(&pod, None));
    }

    #[test]
    fn the_last_state_of_each_counts() {
        let lines = concat!(
            r#"{"type": "ADDED", "object": {"metadata": {"uid": "a"}, "n": 1}}"#,
            "\n",
            r#"{"type": "ADDED", "object": {"metadata": {"uid": "b"}, "n": 2}}"#,
            "\n",
            r#"{"type": "DELETED", "object": {"metadata": {"uid": "a"}, "n": 3}}"#,
            "\n",
            r#"{"type": "ERROR", "object": {"kind": "Status"}}"#,
        );
        let states = watched_states(&ReplyBody::from_bytes(lines.as_bytes()));
        assert_eq!(states.len(), 3);
        let numbers = |least: u64| {
            let last = last_states(states.clone(), |one| one["n"].as_u64() >= Some(least));
            last.iter().map(|one| one["n"].as_u64()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(0), [Some(3), Some(2)]);
        assert_eq!(numbers(3), [Some(3)]);
        let one = br#"{"type": "ADDED", "object": {"metadata": {"uid": "a"}}}"#;
        assert_eq!(watched_states(&ReplyBody::from_bytes(one)).len(), 1);
    }
}
