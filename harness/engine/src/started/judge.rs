//! What the pods of a workload say of it: all of it reads from objects, nothing asks.

use model::{Answer, By};
use serde_json::Value;

use super::workload::{Rollout, Workload, WorkloadKind};
use crate::pods::{State, condition, state};

/// How a workload is, and the pods that show it.
pub(super) struct Look<'a> {
    pub(super) state: State,
    pub(super) pods: Vec<&'a Value>,
    /// Whether a pod is missing that nothing says anything of: an event may.
    pub(super) lacks_pods: bool,
}

/// How it is.
pub(super) fn judge(workload: &Workload) -> Look<'_> {
    let (state, pods, lacks_pods) = match workload.rollout() {
        Ok(rollout) => {
            let state = judge_rollout(workload, &rollout);
            (
                state,
                rollout.pods.clone(),
                rollout.pods.len() < rollout.wanted,
            )
        }
        Err(words) => (State::Pending(words), Vec::new(), false),
    };
    let state = match state {
        State::Pending(words) => given_up(workload).unwrap_or(State::Pending(words)),
        told @ (State::Running | State::Refused { .. }) => told,
    };
    Look {
        state,
        pods,
        lacks_pods,
    }
}

fn judge_rollout(workload: &Workload, rollout: &Rollout<'_>) -> State {
    if workload.is_done() {
        return State::Running;
    }
    let wanted = rollout.wanted;
    let pods = counted(workload.kind, rollout);
    let states: Vec<State> = pods.iter().map(|pod| state(pod)).collect();
    let is_running = |state: &&State| **state == State::Running;
    let running = states.iter().filter(is_running).count();
    if wanted > 0 && running == wanted && states.len() == wanted && rollout.old == 0 {
        return State::Running;
    }
    if let Some(refused) = first_refused(&states) {
        return refused;
    }
    if states.len() < wanted {
        let ended: Vec<State> = rollout.pods.iter().map(|pod| state(pod)).collect();
        if let Some(refused) = first_refused(&ended).or_else(|| not_created(workload)) {
            return refused;
        }
    }
    let pending = states.into_iter().find_map(|state| match state {
        State::Pending(seen) => Some(seen),
        State::Running | State::Refused { .. } => None,
    });
    let old = match rollout.old {
        0 => String::new(),
        old => format!("; {old} of an older revision are still there"),
    };
    State::Pending(format!(
        "{running} of {wanted} run; {}{old}",
        pending.unwrap_or("no other pods".into())
    ))
}

/// The pods that count. Controllers replace a pod that has failed, and a Job makes another one beside it.
fn counted<'a>(kind: WorkloadKind, rollout: &Rollout<'a>) -> Vec<&'a Value> {
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
fn first_refused(states: &[State]) -> Option<State> {
    let refused = |may_pass: bool| {
        states
            .iter()
            .find(|state| matches!(state, State::Refused { passes, .. } if *passes == may_pass))
    };
    refused(false).or_else(|| refused(true)).cloned()
}

/// The refusal that the controller notes for as long as it holds: of a ReplicaSet's pods, or of the ReplicaSet itself.
fn not_created(workload: &Workload) -> Option<State> {
    let failure = match workload.kind {
        WorkloadKind::Deployment => condition(workload.newest_set()?, "ReplicaFailure", "True"),
        WorkloadKind::ReplicaSet => condition(&workload.object, "ReplicaFailure", "True"),
        WorkloadKind::StatefulSet | WorkloadKind::DaemonSet | WorkloadKind::Job => None,
    };
    passed_on(failure?["message"].as_str()?)
}

/// The controller's own word that it tries no longer.
fn given_up(workload: &Workload) -> Option<State> {
    let (kind, status) = match workload.kind {
        WorkloadKind::Deployment => ("Progressing", "False"),
        WorkloadKind::Job => ("Failed", "True"),
        WorkloadKind::ReplicaSet | WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => {
            return None;
        }
    };
    let condition = condition(&workload.object, kind, status)?;
    let message = condition["message"].as_str().unwrap_or_default();
    Some(passed_on(message).unwrap_or_else(|| State::Refused {
        by: By::Controller(condition["reason"].as_str().unwrap_or_default().into()),
        said: message.into(),
        passes: workload.kind == WorkloadKind::Deployment,
    }))
}

/// Reads the server's refusal in what a controller says of it: `Error creating: …`, `create Pod … failed error: …`,
/// `Failed to create new replica set "…": …`.
pub(super) fn passed_on(message: &str) -> Option<State> {
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
        Answer::Denied { by } => Some(State::Refused {
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

    #[test]
    fn controllers_pass_refusals_on() {
        let by = |message: &str| match passed_on(message) {
            Some(State::Refused { by, .. }) => by.to_string(),
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
