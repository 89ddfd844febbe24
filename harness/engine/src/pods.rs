//! Whether a pod runs, may still come to run, or never will: read from the object alone.

use std::collections::BTreeSet;

use model::{By, Unfit, read_unfit};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What a pod's status says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Every container runs, or all of them have done their work.
    Running,
    /// Neither yet; in words.
    Pending(String),
    /// Somebody does not let it.
    Refused {
        by: By,
        /// The words that came with it.
        said: String,
        /// Whether that can pass without anybody's doing: a node may get room, a Secret may come. It counts once it has
        /// lasted.
        passes: bool,
    },
}

/// The waiting reasons that do not pass by themselves.
const STUCK: [&str; 8] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "ImageInspectError",
    "InvalidImageName",
    "CrashLoopBackOff",
];

/// Those of them that pass when what the container needs is there.
const PASSING: [&str; 1] = ["CreateContainerConfigError"];

/// Reads the state of a pod.
pub(crate) fn state(pod: &Value) -> State {
    let status = &pod["status"];
    let phase = text(&status["phase"]);
    if is_ending(pod) {
        return State::Pending("it is being deleted".into());
    }
    if let Some(refused) = containers(pod)
        .find_map(refusal)
        .or_else(|| unscheduled(pod))
    {
        return refused;
    }
    match phase {
        "Failed" => failed(status),
        "Succeeded" => State::Running,
        "Running" if all_run(pod) => State::Running,
        _ => State::Pending(words(pod, phase)),
    }
}

fn failed(status: &Value) -> State {
    let reason = text(&status["reason"]);
    let by = if reason.is_empty() {
        By::Container("Error".into())
    } else {
        By::Kubelet(reason.into())
    };
    State::Refused {
        by,
        said: text(&status["message"]).into(),
        passes: false,
    }
}

/// Whether it has been told to end.
pub(crate) fn is_ending(pod: &Value) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}

/// The scheduler's refusal, where every reason of it is known.
fn unscheduled(pod: &Value) -> Option<State> {
    let condition = condition(pod, "PodScheduled", "False")?;
    let message = text(&condition["message"]);
    let reasons = match text(&condition["reason"]) {
        "SchedulingGated" => BTreeSet::from([Unfit::Gate]),
        "Unschedulable" => read_unfit(message)?,
        _ => return None,
    };
    Some(State::Refused {
        by: By::Scheduler(reasons),
        said: message.into(),
        passes: true,
    })
}

/// The condition of this type, if it has this status.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str, status: &str) -> Option<&'a Value> {
    let all = object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    all.into_iter()
        .find(|one| one["type"] == kind && one["status"] == status)
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["initContainerStatuses", "containerStatuses"].into_iter();
    lists.flat_map(|list| pod["status"][list].as_array().into_iter().flatten())
}

fn all_run(pod: &Value) -> bool {
    let wanted = pod["spec"]["containers"].as_array().map_or(0, Vec::len);
    let statuses = pod["status"]["containerStatuses"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let up = |status: &Value| {
        let runs = !status["state"]["running"].is_null() && status["ready"] == true;
        runs || status["state"]["terminated"]["exitCode"] == 0
    };
    statuses.len() == wanted && statuses.iter().all(up) && passes_gates(pod)
}

/// Whether every readiness gate is open.
fn passes_gates(pod: &Value) -> bool {
    let gates = pod["spec"]["readinessGates"].as_array();
    gates
        .into_iter()
        .flatten()
        .all(|gate| condition(pod, text(&gate["conditionType"]), "True").is_some())
}

/// What tells one life of a pod from another: which pod it is, and how often each container began anew.
pub(crate) fn life(pod: &Value) -> (String, u64) {
    let restarts = containers(pod).filter_map(|status| status["restartCount"].as_u64());
    (text(&pod["metadata"]["uid"]).into(), restarts.sum())
}

/// Since when the youngest of its containers has run, to the second before; nothing where none does.
pub(crate) fn youngest_start(pod: &Value) -> Option<OffsetDateTime> {
    let started = containers(pod).map(|status| text(&status["state"]["running"]["startedAt"]));
    let started = started.filter(|at| !at.is_empty());
    started
        .filter_map(|at| OffsetDateTime::parse(at, &Rfc3339).ok())
        .max()
}

/// A container that cannot start. The same fault shows under other names as the kubelet tries again; each is told under
/// the name of its first try.
fn refusal(status: &Value) -> Option<State> {
    let (waiting, last) = (
        &status["state"]["waiting"],
        &status["lastState"]["terminated"],
    );
    let stuck = text(&waiting["reason"]);
    let ended = &status["state"]["terminated"];
    if ended["exitCode"].as_i64().is_some_and(|code| code != 0) {
        return Some(container(text(&ended["reason"]), ended, status));
    }
    if !STUCK.contains(&stuck) {
        return None;
    }
    let again = matches!(stuck, "CrashLoopBackOff") && !last.is_null();
    Some(if again {
        container(text(&last["reason"]), last, status)
    } else {
        container(stuck, waiting, status)
    })
}

fn container(reason: &str, said: &Value, status: &Value) -> State {
    let reason = match reason {
        "StartError" | "ContainerCannotRun" => "RunContainerError",
        "" => "Error",
        other => other,
    };
    let mut words = text(&said["message"]).to_owned();
    if words.is_empty() {
        words = match said["exitCode"].as_i64() {
            Some(code) => format!("container {} ended with {code}", text(&status["name"])),
            None => format!("container {}", text(&status["name"])),
        };
    }
    State::Refused {
        by: By::Container(reason.into()),
        said: words,
        passes: PASSING.contains(&reason),
    }
}

fn words(pod: &Value, phase: &str) -> String {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let unmet = conditions.filter(|one| one["status"] == "False" && one["reason"].is_string());
    let unmet: Vec<String> = unmet
        .map(|one| {
            format!(
                "{} {} {}",
                text(&one["type"]),
                text(&one["reason"]),
                text(&one["message"])
            )
        })
        .collect();
    let waiting =
        containers(pod).filter_map(|status| status["state"]["waiting"]["reason"].as_str());
    let parts: Vec<&str> = std::iter::once(phase)
        .chain(unmet.iter().map(|one| one.trim_end()))
        .chain(waiting)
        .collect();
    parts.join("; ")
}

fn text(value: &Value) -> &str {
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
        match state(pod) {
            State::Refused { by, .. } => by.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn runs_only_with_every_container() {
        let running = pod(
            "Running",
            json!({"name": "c", "ready": true, "state": {"running": {}}}),
        );
        assert_eq!(state(&running), State::Running);
        let mut unready = running.clone();
        unready["status"]["containerStatuses"][0]["ready"] = json!(false);
        assert!(matches!(state(&unready), State::Pending(_)));
        let mut gated = running.clone();
        gated["spec"]["readinessGates"] = json!([{"conditionType": "example.com/open"}]);
        assert!(matches!(state(&gated), State::Pending(_)));
        gated["status"]["conditions"] = json!([{"type": "example.com/open", "status": "True"}]);
        assert_eq!(state(&gated), State::Running);
        let mut ending = running.clone();
        ending["metadata"] = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(state(&ending), State::Pending("it is being deleted".into()));
        let mut two = running;
        two["spec"]["containers"] = json!([{"name": "c"}, {"name": "d"}]);
        assert!(matches!(state(&two), State::Pending(_)));
        assert!(matches!(
            state(&json!({"status": {"phase": "Running"}, "spec": {"containers": [{}]}})),
            State::Pending(_)
        ));
        assert_eq!(
            state(&json!({"status": {"phase": "Succeeded"}})),
            State::Running
        );
    }

    #[test]
    fn names_what_is_stuck() {
        let config = json!({"name": "c", "state": {"waiting": {"reason": "CreateContainerConfigError", "message": "m"}}});
        let said = "m".to_owned();
        let refused = State::Refused {
            by: By::Container("CreateContainerConfigError".into()),
            said,
            passes: true,
        };
        assert_eq!(state(&pod("Pending", config)), refused);
        let creating = pod(
            "Pending",
            json!({"state": {"waiting": {"reason": "ContainerCreating"}}}),
        );
        assert_eq!(
            state(&creating),
            State::Pending("Pending; ContainerCreating".into())
        );
        let pulling = pod(
            "Pending",
            json!({"state": {"waiting": {"reason": "ErrImagePull"}}}),
        );
        assert!(matches!(state(&pulling), State::Pending(_)));
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
            state(&unscheduled(
                "Unschedulable",
                "0/1 nodes are available: 1 moon."
            )),
            State::Pending(_)
        ));
        assert!(matches!(
            state(&unscheduled("SchedulerError", taint)),
            State::Pending(_)
        ));
    }

    #[test]
    fn a_life_ends_with_each_restart() {
        let lived = |restarts: u64| {
            let mut pod = pod("Running", json!({"restartCount": restarts}));
            pod["metadata"] = json!({"uid": "u"});
            life(&pod)
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
}
