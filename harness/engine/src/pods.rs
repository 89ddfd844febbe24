//! Whether a pod runs, may still come to run, or never will: read from the object alone.

use model::By;
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
    /// It never will.
    Refused {
        by: By,
        /// The words that came with it.
        said: String,
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

/// Reads the state of a pod.
pub(crate) fn state(pod: &Value) -> State {
    let status = &pod["status"];
    let phase = text(&status["phase"]);
    if let Some(refused) = containers(pod).find_map(refusal) {
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
    }
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
        !status["state"]["running"].is_null() || status["state"]["terminated"]["exitCode"] == 0
    };
    statuses.len() == wanted && statuses.iter().all(up)
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
        let running = pod("Running", json!({"name": "c", "state": {"running": {}}}));
        assert_eq!(state(&running), State::Running);
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
