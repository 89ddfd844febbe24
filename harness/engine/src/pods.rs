//! Whether a pod runs, may still come to run, or never will: read from the object alone.

use std::collections::BTreeSet;

use model::{Refuser, Unfit, read_unfit};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What a pod's status says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PodState {
    /// Every container runs, or all of them have done their work.
    Running,
    /// Neither yet; in words.
    Pending(String),
    /// Somebody does not let it.
    Refused {
        by: Refuser,
        /// The words that came with it.
        said: String,
        /// Whether that can pass without anybody's doing: a node may get room, a Secret may come.
        /// It counts once it has lasted.
        passes: bool,
    },
}

impl PodState {
    /// The same, where the kubelet tries again at once: it may go well the next time.
    pub(crate) fn that_passes(self) -> Self {
        match self {
            Self::Refused { by, said, .. } => Self::Refused {
                by,
                said,
                passes: true,
            },
            Self::Running | Self::Pending(_) => self,
        }
    }
}

/// The waiting reasons that do not pass by themselves.
const STUCK_REASONS: [&str; 9] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "ImageInspectError",
    "InvalidImageName",
    HOOK_FAILED,
    "CrashLoopBackOff",
];

/// What a container waits for whose `postStart` hook failed. The kubelet ends it, and says so for a
/// moment only: then it has ended, however that went.
pub(crate) const HOOK_FAILED: &str = "PostStartHookError";

/// The kubelet's words for it in an event.
pub(crate) const HOOK_WORDS: &str = "PostStartHook failed";

/// Those of them that pass when what the container needs is there.
const PASSING_REASONS: [&str; 1] = ["CreateContainerConfigError"];

/// Reads the state of a pod.
pub(crate) fn pod_state(pod: &Value) -> PodState {
    let status = &pod["status"];
    let phase = text_field(&status["phase"]);
    if is_ending(pod) {
        return PodState::Pending("it is being deleted".into());
    }
    if let Some(refused) = container_statuses(pod)
        .find_map(|status| container_refusal(pod, status))
        .or_else(|| unscheduled(pod))
    {
        return refused;
    }
    match phase {
        "Failed" => pod_failed(status),
        "Succeeded" => PodState::Running,
        "Running" if all_run(pod) => PodState::Running,
        _ => PodState::Pending(state_words(pod, phase)),
    }
}

fn pod_failed(status: &Value) -> PodState {
    let reason = text_field(&status["reason"]);
    let by = if reason.is_empty() {
        Refuser::Container("Error".into())
    } else {
        Refuser::Kubelet(reason.into())
    };
    PodState::Refused {
        by,
        said: text_field(&status["message"]).into(),
        passes: false,
    }
}

/// Whether it has been told to end.
pub(crate) fn is_ending(pod: &Value) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}

/// The scheduler's refusal, where every reason of it is known.
fn unscheduled(pod: &Value) -> Option<PodState> {
    let condition = find_condition(pod, "PodScheduled", "False")?;
    let message = text_field(&condition["message"]);
    let reasons = match text_field(&condition["reason"]) {
        "SchedulingGated" => BTreeSet::from([Unfit::Gate]),
        "Unschedulable" => read_unfit(message)?,
        _ => return None,
    };
    Some(PodState::Refused {
        by: Refuser::Scheduler(reasons),
        said: message.into(),
        passes: true,
    })
}

/// The condition of this type, if it has this status.
pub(crate) fn find_condition<'a>(object: &'a Value, kind: &str, status: &str) -> Option<&'a Value> {
    let all = object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    all.into_iter()
        .find(|one| one["type"] == kind && one["status"] == status)
}

fn container_statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["initContainerStatuses", "containerStatuses"].into_iter();
    lists.flat_map(|list| pod["status"][list].as_array().into_iter().flatten())
}

/// Whether every container runs and is ready, or has ended well where it may; and every sidecar too,
/// for as long as a container runs beside it.
fn all_run(pod: &Value) -> bool {
    let wanted = pod["spec"]["containers"].as_array().map_or(0, Vec::len);
    let statuses = pod["status"]["containerStatuses"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let is_up = |status: &Value| {
        is_ready(status)
            || status["state"]["terminated"]["exitCode"] == 0 && may_end(pod, &status["name"])
    };
    statuses.len() == wanted
        && statuses.iter().all(is_up)
        && (!statuses.iter().any(is_ready) || sidecars(pod).all(is_ready))
        && passes_gates(pod)
}

fn is_ready(status: &Value) -> bool {
    !status["state"]["running"].is_null() && status["ready"] == true
}

/// Whether a container is not started again once it has ended well; one that is does not run in
/// between. Its own policy comes before that of its pod.
fn may_end(pod: &Value, name: &Value) -> bool {
    matches!(restart_policy(pod, name), Some("Never" | "OnFailure"))
}

fn restart_policy<'a>(pod: &'a Value, name: &Value) -> Option<&'a str> {
    let lists = ["initContainers", "containers"].into_iter();
    let mut containers = lists.flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
    let own = containers.find(|one| one["name"] == *name);
    let own = own.and_then(|container| container["restartPolicy"].as_str());
    own.or_else(|| pod["spec"]["restartPolicy"].as_str())
}

/// The statuses of the init containers that are started again whenever they end.
fn sidecars(pod: &Value) -> impl Iterator<Item = &Value> {
    let is_sidecar = |name: &Value| {
        let mut all = pod["spec"]["initContainers"]
            .as_array()
            .into_iter()
            .flatten();
        all.any(|one| one["name"] == *name && one["restartPolicy"] == "Always")
    };
    let statuses = pod["status"]["initContainerStatuses"].as_array();
    let statuses = statuses.into_iter().flatten();
    statuses.filter(move |status| is_sidecar(&status["name"]))
}

/// Whether every readiness gate is open.
fn passes_gates(pod: &Value) -> bool {
    let gates = pod["spec"]["readinessGates"].as_array();
    gates
        .into_iter()
        .flatten()
        .all(|gate| find_condition(pod, text_field(&gate["conditionType"]), "True").is_some())
}

/// What tells one life of a pod from another: which pod it is, and how often each container began
/// again.
pub(crate) fn pod_life(pod: &Value) -> (String, u64) {
    let restarts = container_statuses(pod).filter_map(|status| status["restartCount"].as_u64());
    (text_field(&pod["metadata"]["uid"]).into(), restarts.sum())
}

/// The containers that run by its status: their names and ids.
pub(crate) fn running_containers(pod: &Value) -> impl Iterator<Item = (&str, &str)> {
    container_statuses(pod)
        .filter(|status| status["state"]["running"].is_object())
        .filter_map(|status| {
            let (_, id) = status["containerID"].as_str()?.split_once("://")?;
            Some((status["name"].as_str().unwrap_or_default(), id))
        })
}

/// Since when the youngest of its containers has run, to the second before; nothing where none
/// does.
pub(crate) fn youngest_start(pod: &Value) -> Option<OffsetDateTime> {
    let started =
        container_statuses(pod).map(|status| text_field(&status["state"]["running"]["startedAt"]));
    let started = started.filter(|at| !at.is_empty());
    started
        .filter_map(|at| OffsetDateTime::parse(at, &Rfc3339).ok())
        .max()
}

/// A container that cannot start. The same fault shows under other names as the kubelet tries
/// again; each is told under the name of its first try.
fn container_refusal(pod: &Value, status: &Value) -> Option<PodState> {
    let (waiting, last) = (
        &status["state"]["waiting"],
        &status["lastState"]["terminated"],
    );
    let stuck = text_field(&waiting["reason"]);
    let ended = &status["state"]["terminated"];
    if ended["exitCode"].as_i64().is_some_and(|code| code != 0) {
        let is_final = restart_policy(pod, &status["name"]) == Some("Never");
        let told = container_state(text_field(&ended["reason"]), ended, status);
        return Some(if is_final { told } else { told.that_passes() });
    }
    if !STUCK_REASONS.contains(&stuck) {
        return None;
    }
    let again = matches!(stuck, "CrashLoopBackOff") && !last.is_null();
    Some(if again {
        container_state(text_field(&last["reason"]), last, status)
    } else {
        container_state(stuck, waiting, status)
    })
}

fn container_state(reason: &str, said: &Value, status: &Value) -> PodState {
    let reason = match reason {
        "StartError" | "ContainerCannotRun" => "RunContainerError",
        "" => "Error",
        other => other,
    };
    let mut words = text_field(&said["message"]).to_owned();
    if reason == HOOK_FAILED {
        // What its command said may differ each time, and stands in no event.
        words = HOOK_WORDS.to_owned();
    }
    if words.is_empty() {
        words = match said["exitCode"].as_i64() {
            Some(code) => format!(
                "container {} ended with {code}",
                text_field(&status["name"])
            ),
            None => format!("container {}", text_field(&status["name"])),
        };
    }
    PodState::Refused {
        by: Refuser::Container(reason.into()),
        said: words,
        passes: PASSING_REASONS.contains(&reason),
    }
}

fn state_words(pod: &Value, phase: &str) -> String {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let unmet = conditions.filter(|one| one["status"] == "False" && one["reason"].is_string());
    let unmet: Vec<String> = unmet
        .map(|one| {
            format!(
                "{} {} {}",
                text_field(&one["type"]),
                text_field(&one["reason"]),
                text_field(&one["message"])
            )
        })
        .collect();
    let waiting =
        container_statuses(pod).filter_map(|status| status["state"]["waiting"]["reason"].as_str());
    let parts: Vec<&str> = std::iter::once(phase)
        .chain(unmet.iter().map(|one| one.trim_end()))
        .chain(waiting)
        .collect();
    parts.join("; ")
}

fn text_field(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(phase: &str, container: Value) -> Value {
        json!({"spec": {"containers": [{"name": "c"}]}, "status": {"phase": phase, "containerStatuses": [container]}})
    }

    fn by(pod: &Value) -> String {
        match pod_state(pod) {
            PodState::Refused { by, .. } => by.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn runs_only_with_every_container() {
        let running = pod(
            "Running",
            json!({"name": "c", "ready": true, "state": {"running": {}}}),
        );
        assert_eq!(pod_state(&running), PodState::Running);
        let mut unready = running.clone();
        unready["status"]["containerStatuses"][0]["ready"] = json!(false);
        assert!(matches!(pod_state(&unready), PodState::Pending(_)));
        let mut gated = running.clone();
        gated["spec"]["readinessGates"] = json!([{"conditionType": "example.com/open"}]);
        assert!(matches!(pod_state(&gated), PodState::Pending(_)));
        gated["status"]["conditions"] = json!([{"type": "example.com/open", "status": "True"}]);
        assert_eq!(pod_state(&gated), PodState::Running);
        let mut ending = running.clone();
        ending["metadata"] = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(
            pod_state(&ending),
            PodState::Pending("it is being deleted".into())
        );
        let mut two = running;
        two["spec"]["containers"] = json!([{"name": "c"}, {"name": "d"}]);
        assert!(matches!(pod_state(&two), PodState::Pending(_)));
        assert!(matches!(
            pod_state(&json!({"status": {"phase": "Running"}, "spec": {"containers": [{}]}})),
            PodState::Pending(_)
        ));
        assert_eq!(
            pod_state(&json!({"status": {"phase": "Succeeded"}})),
            PodState::Running
        );
    }

    #[test]
    fn names_what_is_stuck() {
        let config = json!({"name": "c", "state": {"waiting": {"reason": "CreateContainerConfigError", "message": "m"}}});
        let said = "m".to_owned();
        let refused = PodState::Refused {
            by: Refuser::Container("CreateContainerConfigError".into()),
            said,
            passes: true,
        };
        assert_eq!(pod_state(&pod("Pending", config)), refused);
        let creating = pod(
            "Pending",
            json!({"state": {"waiting": {"reason": "ContainerCreating"}}}),
        );
        assert_eq!(
            pod_state(&creating),
            PodState::Pending("Pending; ContainerCreating".into())
        );
        let pulling = pod(
            "Pending",
            json!({"state": {"waiting": {"reason": "ErrImagePull"}}}),
        );
        assert!(matches!(pod_state(&pulling), PodState::Pending(_)));
    }

    #[test]
    fn a_hook_that_failed_is_told_while_it_is_said() {
        let hook = pod(
            "Pending",
            json!({"name": "c", "state": {"waiting": {"reason": "PostStartHookError", "message": "exit 7"}}}),
        );
        let refused = PodState::Refused {
            by: Refuser::Container("PostStartHookError".into()),
            said: "PostStartHook failed".into(),
            passes: false,
        };
        assert_eq!(pod_state(&hook), refused);
    }

    #[test]
    fn one_fault_has_one_name() {
        let first = pod(
            "Running",
            json!({"name": "c", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}),
        );
        let later = pod(
            "Running",
            json!({"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                                          "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}),
        );
        assert_eq!(
            (by(&first), by(&later)),
            ("container Error".into(), "container Error".into())
        );
        let start = pod(
            "Running",
            json!({"state": {"terminated": {"exitCode": 128, "reason": "StartError"}}}),
        );
        assert_eq!(by(&start), "container RunContainerError");
    }

    #[test]
    fn what_is_started_again_may_go_well_the_next_time() {
        let ended = |policy: &str| {
            json!({
                "spec": {"restartPolicy": policy, "containers": [{"name": "c"}]},
                "status": {"phase": "Running", "containerStatuses": [
                    {"name": "c", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}},
                ]},
            })
        };
        let may_pass = |policy: &str| {
            matches!(
                pod_state(&ended(policy)),
                PodState::Refused { passes: true, .. }
            )
        };
        assert!(may_pass("Always") && may_pass("OnFailure") && !may_pass("Never"));
    }

    #[test]
    fn the_scheduler_is_named_with_its_reasons_and_not_for_others() {
        let unscheduled = |reason: &str, message: &str| {
            let condition = json!({"type": "PodScheduled", "status": "False", "reason": reason, "message": message});
            json!({"spec": {"containers": [{}]}, "status": {"phase": "Pending", "conditions": [condition]}})
        };
        let taint = "0/1 nodes are available: 1 node(s) had untolerated taint(s). preemption: none";
        assert_eq!(by(&unscheduled("Unschedulable", taint)), "scheduler taint");
        let gates = "Scheduling is blocked due to non-empty scheduling gates";
        assert_eq!(by(&unscheduled("SchedulingGated", gates)), "scheduler gate");
        assert!(matches!(
            pod_state(&unscheduled(
                "Unschedulable",
                "0/1 nodes are available: 1 moon."
            )),
            PodState::Pending(_)
        ));
        assert!(matches!(
            pod_state(&unscheduled("SchedulerError", taint)),
            PodState::Pending(_)
        ));
    }

    #[test]
    fn a_life_ends_with_each_restart() {
        let lived = |restarts: u64| {
            let mut pod = pod("Running", json!({"restartCount": restarts}));
            pod["metadata"] = json!({"uid": "u"});
            pod_life(&pod)
        };
        assert_eq!(lived(1), lived(1));
        assert_ne!(lived(1), lived(2));
    }

    #[test]
    fn the_kubelets_refusal_is_its_own() {
        let refused =
            json!({"status": {"phase": "Failed", "reason": "SysctlForbidden", "message": "m"}});
        assert_eq!(by(&refused), "kubelet SysctlForbidden");
        assert_eq!(
            by(&json!({"status": {"phase": "Failed"}})),
            "container Error"
        );
    }

    /// Only those of which a process is to be found: not one that waits or has ended.
    #[test]
    fn running_containers_are_told_by_name_and_id() {
        let status = |name: &str, state: &str, id: &str| json!({"name": name, "state": {state: {}}, "containerID": id});
        let pod = json!({"status": {
            "initContainerStatuses": [status("first", "terminated", "containerd://a")],
            "containerStatuses": [
                status("main", "running", "containerd://b"),
                status("late", "waiting", ""),
                status("odd", "running", "no id"),
            ],
        }});
        assert_eq!(
            running_containers(&pod).collect::<Vec<_>>(),
            [("main", "b")]
        );
    }

    #[test]
    fn what_has_ended_runs_only_where_it_is_not_started_again() {
        let pod = |policy: &str, sidecar_ready: bool| {
            json!({
                "spec": {"restartPolicy": policy, "containers": [{"name": "c"}, {"name": "d"}],
                         "initContainers": [{"name": "s", "restartPolicy": "Always"}]},
                "status": {
                    "containerStatuses": [
                        {"name": "c", "ready": true, "state": {"running": {}}},
                        {"name": "d", "ready": false, "state": {"terminated": {"exitCode": 0}}},
                    ],
                    "initContainerStatuses": [
                        {"name": "s", "ready": sidecar_ready, "state": {"running": {}}},
                    ],
                },
            })
        };
        assert!(all_run(&pod("OnFailure", true)));
        assert!(!all_run(&pod("OnFailure", false)), "a sidecar");
        assert!(!all_run(&pod("Always", true)), "it is started again");
        let mut one_shot = pod("Always", true);
        one_shot["spec"]["containers"][1]["restartPolicy"] = "Never".into();
        assert!(all_run(&one_shot), "its own policy");
    }
}
