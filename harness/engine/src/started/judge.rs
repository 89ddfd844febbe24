//! What the pods of a workload say of it: all of it reads from objects, nothing asks.

use model::{Answer, Refuser};
use serde_json::Value;

use super::workload::{Rollout, Workload, WorkloadKind};
use crate::pods::{PodState, find_condition, pod_state};

/// How a workload is, and the pods that show it.
pub(super) struct WorkloadLook<'a> {
    pub(super) state: PodState,
    pub(super) pods: Vec<&'a Value>,
    /// Whether a pod is missing that nothing says anything of: an event may.
    pub(super) lacks_pods: bool,
}

/// How it is.
pub(super) fn judge_workload(workload: &Workload) -> WorkloadLook<'_> {
    let (state, pods, lacks_pods) = match workload.rollout() {
        Ok(rollout) => {
            let state = judge_rollout(workload, &rollout);
            (
                state,
                rollout.pods.clone(),
                rollout.pods.len() < rollout.wanted,
            )
        }
        Err(unseen) => (PodState::Pending(unseen.to_string()), Vec::new(), false),
    };
    let state = match state {
        PodState::Pending(words) => {
            abandoned_workload(workload).unwrap_or(PodState::Pending(words))
        }
        told @ (PodState::Running | PodState::Refused { .. }) => told,
    };
    WorkloadLook {
        state,
        pods,
        lacks_pods,
    }
}

fn judge_rollout(workload: &Workload, rollout: &Rollout<'_>) -> PodState {
    if workload.is_done() {
        return PodState::Running;
    }
    let wanted = rollout.wanted;
    let pods = counted_pods(workload.kind, rollout);
    let states: Vec<PodState> = pods.iter().map(|pod| pod_state(pod)).collect();
    let is_running = |state: &&PodState| **state == PodState::Running;
    let running = states.iter().filter(is_running).count();
    if wanted > 0 && running == wanted && states.len() == wanted && rollout.old == 0 {
        return PodState::Running;
    }
    if let Some(refused) = first_refused(&states) {
        return refused;
    }
    if states.len() < wanted {
        let ended: Vec<PodState> = rollout.pods.iter().map(|pod| pod_state(pod)).collect();
        if let Some(refused) = first_refused(&ended).or_else(|| not_created(workload)) {
            return refused;
        }
    }
    let pending = states.into_iter().find_map(|state| match state {
        PodState::Pending(seen) => Some(seen),
        PodState::Running | PodState::Refused { .. } => None,
    });
    let old = match rollout.old {
        0 => String::new(),
        old => format!("; {old} of an older revision are still there"),
    };
    PodState::Pending(format!(
        "{running} of {wanted} run; {}{old}",
        pending.unwrap_or("no other pods".into())
    ))
}

/// The pods that count. Controllers replace a pod that has failed, and a Job makes another one
/// beside it.
fn counted_pods<'a>(kind: WorkloadKind, rollout: &Rollout<'a>) -> Vec<&'a Value> {
    let mut pods = rollout.pods.clone();
    match kind {
        WorkloadKind::Job => {
            let made = |pod: &Value| {
                pod["metadata"]["creationTimestamp"]
                    .as_str()
                    .map(str::to_owned)
            };
            pods.retain(|pod| pod["status"]["phase"] != "Succeeded");
            pods.sort_by_key(|pod| std::cmp::Reverse(made(pod)));
            pods.truncate(rollout.wanted);
        }
        WorkloadKind::Deployment
        | WorkloadKind::ReplicaSet
        | WorkloadKind::StatefulSet
        | WorkloadKind::DaemonSet => pods.retain(|pod| pod["status"]["phase"] != "Failed"),
    }
    pods
}

/// What does not pass counts before what may.
fn first_refused(states: &[PodState]) -> Option<PodState> {
    let refused = |may_pass: bool| {
        states
            .iter()
            .find(|state| matches!(state, PodState::Refused { passes, .. } if *passes == may_pass))
    };
    refused(false).or_else(|| refused(true)).cloned()
}

/// The refusal that the controller notes for as long as it holds: of a ReplicaSet's pods, or of the
/// ReplicaSet itself.
fn not_created(workload: &Workload) -> Option<PodState> {
    let failure = match workload.kind {
        WorkloadKind::Deployment => {
            find_condition(workload.newest_set()?, "ReplicaFailure", "True")
        }
        WorkloadKind::ReplicaSet => find_condition(&workload.object, "ReplicaFailure", "True"),
        WorkloadKind::StatefulSet | WorkloadKind::DaemonSet | WorkloadKind::Job => None,
    };
    passed_on(failure?["message"].as_str()?)
}

/// The controller's own word that it tries no longer.
fn abandoned_workload(workload: &Workload) -> Option<PodState> {
    let (kind, status) = match workload.kind {
        WorkloadKind::Deployment => ("Progressing", "False"),
        WorkloadKind::Job => ("Failed", "True"),
        WorkloadKind::ReplicaSet | WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => {
            return None;
        }
    };
    let condition = find_condition(&workload.object, kind, status)?;
    let message = condition["message"].as_str().unwrap_or_default();
    Some(passed_on(message).unwrap_or_else(|| PodState::Refused {
        by: Refuser::Controller(condition["reason"].as_str().unwrap_or_default().into()),
        said: message.into(),
        passes: workload.kind == WorkloadKind::Deployment,
    }))
}

/// Reads the server's refusal in what a controller says of it: `Error creating: …`,
/// `create Pod … failed error: …`, `Failed to create new replica set "…": …`.
pub(super) fn passed_on(message: &str) -> Option<PodState> {
    let words = message.strip_prefix("Error creating: ").unwrap_or(message);
    let words = words
        .split_once(" failed error: ")
        .map_or(words, |(_, words)| words);
    let words = words
        .strip_prefix("Failed to create new replica set \"")
        .and_then(|rest| rest.split_once("\": "))
        .map_or(words, |(_, words)| words);
    let answer = model::read_message(403, words).or_else(|| model::read_message(500, words))?;
    match answer {
        Answer::Denied { by } => Some(PodState::Refused {
            by,
            said: message.to_owned(),
            passes: true,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(owner: &str, made: &str, status: Value) -> Value {
        json!({"metadata": {"creationTimestamp": made, "ownerReferences": [{"controller": true, "uid": owner}]},
            "spec": {"containers": [{"name": "a"}]}, "status": status})
    }

    fn running() -> Value {
        json!({"phase": "Running", "containerStatuses": [{"ready": true, "state": {"running": {}}}]})
    }

    fn failed() -> Value {
        json!({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 1, "reason": "Error"}}}]})
    }

    fn told(workload: &Workload) -> String {
        match judge_workload(workload).state {
            PodState::Running => "running".into(),
            PodState::Refused { by, .. } => by.to_string(),
            PodState::Pending(words) => words,
        }
    }

    /// A ReplicaSet of one pod.
    fn set(conditions: Value, pods: Vec<Value>) -> Workload {
        let object = json!({"metadata": {"uid": "s"}, "spec": {"replicas": 1}, "status": {"conditions": conditions}});
        Workload::of(WorkloadKind::ReplicaSet, object, Vec::new(), pods)
    }

    #[test]
    fn a_deployment_runs_once_its_old_pods_are_gone() {
        let template = |image: &str| json!({"spec": {"image": image}});
        let made = |uid: &str, image: &str| {
            json!({"metadata": {"uid": uid, "ownerReferences": [{"controller": true, "uid": "d"}]},
                "spec": {"template": template(image)}})
        };
        let with = |pods: Vec<Value>| {
            let object = json!({"metadata": {"uid": "d"}, "spec": {"replicas": 1, "template": template("two")}});
            let sets = vec![made("one", "one"), made("two", "two")];
            told(&Workload::of(WorkloadKind::Deployment, object, sets, pods))
        };
        let (old, new) = (pod("one", "1", running()), pod("two", "2", running()));
        assert_eq!(with(vec![new.clone()]), "running");
        assert_eq!(
            with(vec![old.clone(), new]),
            "1 of 1 run; no other pods; 1 of an older revision are still there"
        );
        assert_eq!(
            with(vec![old]),
            "0 of 1 run; no other pods; 1 of an older revision are still there"
        );
    }

    #[test]
    fn a_pod_that_failed_counts_until_another_one_replaces_it() {
        let (old, new) = (pod("s", "1", failed()), pod("s", "2", running()));
        assert_eq!(told(&set(json!([]), vec![old.clone()])), "container Error");
        assert_eq!(told(&set(json!([]), vec![old, new])), "running");
    }

    #[test]
    fn what_a_set_notes_of_its_pods_is_an_answer() {
        let message = "pods \"s-\" is forbidden: maximum memory usage per Container is 64Mi, but limit is 96Mi";
        let failure = json!([{"type": "ReplicaFailure", "status": "True", "message": message}]);
        assert_eq!(told(&set(failure, Vec::new())), "plugin LimitRanger");
        let other = json!([{"type": "ReplicaFailure", "status": "True", "message": "the moon"}]);
        assert_eq!(told(&set(other, Vec::new())), "0 of 1 run; no other pods");
        assert!(judge_workload(&set(json!([]), Vec::new())).lacks_pods);
    }

    #[test]
    fn a_job_is_done_or_is_as_its_youngest_pod_is_or_gave_up() {
        let job = |conditions: Value, pods: Vec<Value>| {
            let object = json!({"spec": {"parallelism": 1, "completions": 1}, "status": {"conditions": conditions}});
            told(&Workload::of(WorkloadKind::Job, object, Vec::new(), pods))
        };
        let condition = |kind: &str| json!([{"type": kind, "status": "True", "reason": "DeadlineExceeded", "message": "m"}]);
        assert_eq!(job(condition("Complete"), Vec::new()), "running");
        let (first, second) = (pod("j", "1", failed()), pod("j", "2", running()));
        assert_eq!(job(json!([]), vec![first.clone()]), "container Error");
        assert_eq!(job(json!([]), vec![first, second]), "running");
        assert_eq!(
            job(condition("Failed"), Vec::new()),
            "controller DeadlineExceeded"
        );
    }

    #[test]
    fn controllers_pass_refusals_on() {
        let by = |message: &str| match passed_on(message) {
            Some(PodState::Refused { by, .. }) => by.to_string(),
            other => format!("{other:?}"),
        };
        let text = "Error creating: pods \"a-\" is forbidden: violates PodSecurity \"baseline:latest\": privileged";
        assert_eq!(by(text), "pod-security");
        let text = "create Pod a-0 in StatefulSet a failed error: admission webhook \"w.x.y\" denied the request: no";
        assert_eq!(by(text), "webhook w.x.y");
        let text = "Error creating: Internal error occurred: failed calling webhook \"w.x.y\": failed to call webhook";
        assert_eq!(by(text), "webhook w.x.y failing closed");
        let text = "Failed to create new replica set \"a-1\": replicasets.apps \"a-1\" is forbidden: exceeded quota: q, requested: x";
        assert_eq!(by(text), "quota q");
        assert_eq!(passed_on("Error creating: the server is busy"), None);
    }
}
