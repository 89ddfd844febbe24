//! What is freed without a deletion that a step asked for: a workload that has to run fewer pods
//! gives some up, and a pod that has ended is charged with nothing more. Each comes in its own
//! time, and a quota counts later still; so the next request waits for that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::{ApiCaller, percent_encode};
use model::{ActionWrites, POD_MAKERS};
use serde_json::Value;

use super::{ENDED_WITHIN, is_quota, wait_for_count, wait_for_sentinel};
use crate::Error;
use crate::barriers::WriteRecord;
use crate::discovery::ApiResource;
use crate::started::{controller_of, takes_pods_along};
use crate::wait::{ConditionWait, WaitLook, WaitReporter};
use crate::world::{LiveWorld, StepRequest};

/// Where an object says how many pods it wants, and its status how many there are; none for a kind
/// whose controller is seen by its generation alone, or by what it makes.
fn number_fields(kind: &str) -> Option<(&'static str, &'static str)> {
    match kind {
        "StatefulSet" | "ReplicaSet" | "ReplicationController" => Some(("replicas", "replicas")),
        "Job" => Some(("parallelism", "active")),
        _ => None,
    }
}

/// Whether the status says which generation of the object its controller has seen (kubernetes 1.36
/// `pkg/controller`: a status with the newest generation is written after the pods are deleted, and
/// that of a Deployment after its ReplicaSets are changed).
fn tells_generation(kind: &str) -> bool {
    !matches!(kind, "Job" | "CronJob")
}

impl LiveWorld<'_> {
    /// Waits, before a step that changes something, until the world's quotas count what has ended by
    /// itself.
    ///
    /// # Errors
    /// When that does not come in time.
    pub(crate) async fn wait_until_counted(&self, step: &StepRequest<'_>) -> Result<(), Error> {
        let changes = match step.action.facts().writes {
            ActionWrites::Manifest(_) | ActionWrites::Object(_) | ActionWrites::Namespace => true,
            ActionWrites::Nothing
            | ActionWrites::Images
            | ActionWrites::Cluster { .. }
            | ActionWrites::SharedFigures => false,
        };
        let records: Vec<&WriteRecord> = self.barrier.all_written().collect();
        let quotas = standing_quotas(&records);
        if !changes || quotas.is_empty() {
            return Ok(());
        }
        let waiter = self.waiter.granting(self.granted);
        let (sentinels, mut is_freed) = (&self.run.sentinels, false);
        let places: BTreeSet<&str> = quotas.iter().map(|one| one.namespace.as_str()).collect();
        for place in places {
            // Without nodes, no controller of workloads runs in a box.
            let has_nodes = !self.run.cluster.facts().nodes.is_empty();
            let rescaled = has_nodes && self.barrier.rescaled().contains(place);
            if frees_something(sentinels.own(), &waiter, place, rescaled, &records).await? {
                is_freed = true;
                for quota in quotas.iter().filter(|quota| quota.namespace == place) {
                    let pods = ApiResource::guess_resource("v1", "Pod");
                    wait_for_count(sentinels.own(), &waiter, quota, &pods).await?;
                }
            }
        }
        if is_freed {
            sentinels.make_namespace().await?;
            wait_for_sentinel(sentinels, &waiter).await?;
        }
        Ok(())
    }
}

/// The quotas that were written and not deleted since.
fn standing_quotas<'a>(records: &[&'a WriteRecord]) -> Vec<&'a WriteRecord> {
    let mut last: BTreeMap<String, &'a WriteRecord> = BTreeMap::new();
    for record in records.iter().copied().filter(|record| is_quota(record)) {
        last.insert(record.path(), record);
    }
    last.into_values()
        .filter(|record| record.object.is_some())
        .collect()
}

/// Whether something of a namespace may be freed by now that a quota still counts; waits for the
/// end of pods that are too many.
async fn frees_something(
    own: &ApiCaller,
    waiter: &WaitReporter,
    namespace: &str,
    is_rescaled: bool,
    records: &[&WriteRecord],
) -> Result<bool, Error> {
    if is_rescaled {
        wait_for_fewer_pods(own, waiter, namespace).await?;
        return Ok(true);
    }
    let mut records = records.iter().filter(|one| one.namespace == namespace);
    if !records.any(|record| makes_what_ends(record)) {
        return Ok(false);
    }
    let pods = fetch_items(own, pods_path(namespace)).await?;
    Ok(pods.iter().any(has_ended))
}

/// Whether an object is a pod that may end, or makes such pods. One with a gate never begins.
fn makes_what_ends(record: &WriteRecord) -> bool {
    let Some(object) = &record.object else {
        return false;
    };
    let gates = object["spec"]["schedulingGates"].as_array();
    let is_gated = gates.is_some_and(|gates| !gates.is_empty());
    takes_pods_along(&record.resource) || record.resource.kind == "Pod" && !is_gated
}

fn has_ended(pod: &Value) -> bool {
    matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    )
}

/// Waits until every workload of a namespace has no more pods than it wants, and those that it gave
/// up are gone.
async fn wait_for_fewer_pods(
    own: &ApiCaller,
    waiter: &WaitReporter,
    namespace: &str,
) -> Result<(), Error> {
    let wait = ConditionWait {
        what: "pods that are too many to be gone, which a quota counts",
        within: ENDED_WITHIN,
        every: Duration::from_millis(50),
    };
    waiter
        .wait_until(wait, async || match find_surplus(own, namespace).await {
            Ok(None) => WaitLook::Ready(()),
            Ok(Some(seen)) => WaitLook::NotYet(seen),
            Err(why) => WaitLook::from(why),
        })
        .await
}

async fn find_surplus(own: &ApiCaller, namespace: &str) -> Result<Option<String>, Error> {
    for maker in POD_MAKERS {
        let path = maker.collection_path(&percent_encode(namespace));
        let items = fetch_items(own, path).await?;
        if let Some(seen) = items.iter().find_map(|item| surplus_of(maker.kind, item)) {
            return Ok(Some(seen));
        }
    }
    let pods = fetch_items(own, pods_path(namespace)).await?;
    Ok(pods.iter().find_map(ending_pod))
}

/// What a workload still has to give up.
fn surplus_of(kind: &str, object: &Value) -> Option<String> {
    let name = &object["metadata"]["name"];
    let (spec, status) = (&object["spec"], &object["status"]);
    if tells_generation(kind) && status["observedGeneration"] != object["metadata"]["generation"] {
        return Some(format!("nothing has looked at {name} since it was changed"));
    }
    let (wanted, there) = number_fields(kind)?;
    let wanted = if spec["suspend"] == true {
        0
    } else {
        spec[wanted].as_u64().unwrap_or(1)
    };
    let there = status[there].as_u64().unwrap_or_default();
    (there > wanted).then(|| format!("{name} has {there} pods, and {wanted} are wanted"))
}

/// A pod that a controller gave up, and that is on its way out.
fn ending_pod(pod: &Value) -> Option<String> {
    let metadata = &pod["metadata"];
    let is_held = metadata["finalizers"]
        .as_array()
        .is_some_and(|all| !all.is_empty());
    let is_ending = !metadata["deletionTimestamp"].is_null() && controller_of(pod).is_some();
    (is_ending && !is_held).then(|| format!("the pod {} is ending", metadata["name"]))
}

fn pods_path(namespace: &str) -> String {
    format!("/api/v1/namespaces/{}/pods", percent_encode(namespace))
}

async fn fetch_items(own: &ApiCaller, path: String) -> Result<Vec<Value>, Error> {
    let list = own.fetch_body(path).await?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(version: &str, kind: &str, object: Option<Value>) -> WriteRecord {
        WriteRecord {
            resource: ApiResource::guess_resource(version, kind),
            namespace: "n".into(),
            name: "a".into(),
            object,
        }
    }

    #[test]
    fn a_workload_has_a_surplus_until_its_controller_has_acted() {
        let object = |generation: u32, observed: u32, there: u32| {
            json!({"metadata": {"name": "a", "generation": generation}, "spec": {"replicas": 1},
                   "status": {"observedGeneration": observed, "replicas": there}})
        };
        for name in ["ReplicaSet", "StatefulSet", "ReplicationController"] {
            let surplus = |object| surplus_of(name, &object).is_some();
            assert!(
                surplus(object(2, 1, 1)) && surplus(object(2, 2, 3)),
                "{name}"
            );
            assert!(
                !surplus(object(2, 2, 1)) && !surplus(object(2, 2, 0)),
                "{name}"
            );
        }
        // While it puts new pods into the place of old ones, a Deployment has more than it wants.
        let deployments = "Deployment";
        assert!(surplus_of(deployments, &object(2, 1, 1)).is_some());
        assert!(surplus_of(deployments, &object(2, 2, 2)).is_none());
    }

    #[test]
    fn a_job_that_is_suspended_wants_no_pod() {
        let job = |spec: Value| {
            let job = json!({"metadata": {"name": "a"}, "spec": spec, "status": {"active": 1}});
            surplus_of("Job", &job).is_some()
        };
        assert!(job(json!({"parallelism": 1, "suspend": true})));
        assert!(!job(json!({"parallelism": 1})) && !job(json!({})));
        assert!(job(json!({"parallelism": 0})));
    }

    #[test]
    fn a_pod_that_its_controller_gave_up_is_waited_for() {
        let pod = |more: Value| {
            let mut metadata = json!({"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z",
                "ownerReferences": [{"controller": true}]});
            for (key, value) in more.as_object().unwrap() {
                metadata[key] = value.clone();
            }
            ending_pod(&json!({"metadata": metadata})).is_some()
        };
        assert!(pod(json!({})));
        assert!(!pod(json!({"deletionTimestamp": null})));
        assert!(!pod(json!({"ownerReferences": []})), "a step left it");
        assert!(!pod(json!({"finalizers": ["a/b"]})), "it may never go");
    }

    #[test]
    fn what_may_end_is_looked_for_and_what_cannot_is_not() {
        let gated = json!({"spec": {"schedulingGates": [{"name": "a"}]}});
        assert!(!makes_what_ends(&record("v1", "Pod", Some(gated))));
        assert!(makes_what_ends(&record("v1", "Pod", Some(json!({})))));
        assert!(makes_what_ends(&record("batch/v1", "Job", Some(json!({})))));
        assert!(!makes_what_ends(&record("batch/v1", "Job", None)));
        assert!(!makes_what_ends(&record("v1", "Secret", Some(json!({})))));
        for phase in ["Succeeded", "Failed"] {
            assert!(has_ended(&json!({"status": {"phase": phase}})));
        }
        assert!(!has_ended(&json!({"status": {"phase": "Running"}})));
    }

    #[test]
    fn a_quota_that_was_deleted_counts_nothing() {
        let (made, gone) = (
            record("v1", "ResourceQuota", Some(json!({}))),
            record("v1", "ResourceQuota", None),
        );
        assert_eq!(standing_quotas(&[&made]).len(), 1);
        assert_eq!(standing_quotas(&[&made, &gone]).len(), 0);
        assert_eq!(standing_quotas(&[&made, &gone, &made]).len(), 1);
    }
}
