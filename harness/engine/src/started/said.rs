//! What controllers and kubelets say in events of pods that do not come: some of their refusals
//! stand nowhere else.

use std::time::Duration;

use model::Refuser;
use serde_json::Value;

use super::judge::passed_on;
use super::workload::Workload;
use crate::Error;
use crate::pods::{HOOK_FAILED, HOOK_WORDS, PodState, pod_state};
use crate::world::LiveWorld;
use api::percent_encode;

/// The reasons of a kubelet, or of the controller that attaches volumes, that keep a pod from its
/// first container, or from being ready (kubernetes 1.36 `pkg/kubelet/events/event.go`).
const KEPT_BACK: [&str; 5] = [
    "FailedMount",
    "FailedAttachVolume",
    "FailedMapVolume",
    "FailedCreatePodSandBox",
    "Unhealthy",
];

/// How a kubelet says that its copy of an object has not come yet (kubernetes 1.36
/// `pkg/kubelet/util/manager/watch_based_manager.go`): it is late itself, or never gets the object.
const LATE_KUBELET: [&str; 3] = [
    "failed to sync configmap cache: timed out waiting for the condition",
    "failed to sync secret cache: timed out waiting for the condition",
    "not registered",
];

/// How long a kubelet may be late on a busy machine before that is an answer.
const LATE_FOR: Duration = Duration::from_secs(20);

/// How long a refusal in these words has to last before it is believed, if others are believed
/// after `usual`.
pub(super) fn believed_after(said: &str, usual: Duration) -> Duration {
    if LATE_KUBELET.iter().any(|words| said.contains(words)) {
        usual.max(LATE_FOR)
    } else {
        usual
    }
}

impl LiveWorld<'_> {
    /// The refusal that a controller passes on in its last event, where nothing else says why pods
    /// are missing.
    pub(super) async fn hear_controller(
        &self,
        seen: PodState,
        namespace: &str,
        workload: &Workload,
    ) -> Result<PodState, Error> {
        let events = self.events_of(namespace, &workload.object).await?;
        let last = last(&events).filter(|event| event["reason"] == "FailedCreate");
        let refused = last.and_then(|event| passed_on(own_words(event)));
        Ok(refused.unwrap_or(seen))
    }

    /// What keeps a pod back by the last event about it, where the pod itself says nothing for a
    /// while.
    pub(super) async fn hear_kubelet(
        &self,
        seen: PodState,
        namespace: &str,
        pods: &[Value],
        is_silent: bool,
    ) -> Result<PodState, Error> {
        if !is_silent || !matches!(seen, PodState::Pending(_)) {
            return Ok(seen);
        }
        for pod in pods
            .iter()
            .filter(|pod| matches!(pod_state(pod), PodState::Pending(_)))
        {
            let events = self.events_of(namespace, pod).await?;
            if let Some(refused) = last(&events).and_then(withheld_pod) {
                return Ok(refused);
            }
        }
        Ok(seen)
    }

    /// Why the kubelet itself ended a container: its pod says how that went, and not why. Where no
    /// event says so yet, the end has to last before it is believed.
    pub(super) async fn hear_end(
        &self,
        seen: PodState,
        namespace: &str,
        pods: &[Value],
    ) -> Result<PodState, Error> {
        let has_ended = match &seen {
            PodState::Running => pods.iter().any(has_ended_container),
            PodState::Refused { by, .. } => matches!(by, Refuser::Container(_)),
            PodState::Pending(_) => false,
        };
        if !has_ended || !pods.iter().any(may_be_ended) {
            return Ok(seen);
        }
        for pod in pods.iter().filter(|pod| may_be_ended(pod)) {
            let events = self.events_of(namespace, pod).await?;
            if let Some(refused) = events.iter().find_map(ended_by_kubelet) {
                return Ok(refused);
            }
        }
        Ok(seen.that_passes())
    }

    /// The events about one object.
    async fn events_of(&self, namespace: &str, object: &Value) -> Result<Vec<Value>, Error> {
        let uid = text(&object["metadata"]["uid"]);
        self.items(format!(
            "/api/v1/namespaces/{}/events?fieldSelector=involvedObject.uid%3D{}",
            percent_encode(namespace),
            percent_encode(uid)
        ))
        .await
    }
}

/// The event that was written last: one that is told again is written again.
fn last(events: &[Value]) -> Option<&Value> {
    let written = |event: &&Value| {
        text(&event["metadata"]["resourceVersion"])
            .parse::<u64>()
            .ok()
    };
    events.iter().max_by_key(written)
}

/// The message without what client-go puts before it once ten events differ by their messages alone
/// (kubernetes 1.36 `client-go/tools/record/events_cache.go`,
/// `EventAggregatorByReasonMessageFunc`).
fn own_words(event: &Value) -> &str {
    let message = text(&event["message"]);
    message
        .strip_prefix("(combined from similar events): ")
        .unwrap_or(message)
}

fn withheld_pod(event: &Value) -> Option<PodState> {
    let reason = text(&event["reason"]);
    KEPT_BACK.contains(&reason).then(|| PodState::Refused {
        by: Refuser::Kubelet(reason.into()),
        said: text(&event["message"]).into(),
        passes: true,
    })
}

/// Whether the kubelet has a reason to end a container of it: a hook, or a probe, that fails.
fn may_be_ended(pod: &Value) -> bool {
    let lists = ["containers", "initContainers"].into_iter();
    let containers = lists.filter_map(|list| pod["spec"][list].as_array());
    containers.flatten().any(|container| {
        container["lifecycle"]["postStart"].is_object()
            || container["livenessProbe"].is_object()
            || container["startupProbe"].is_object()
    })
}

fn has_ended_container(pod: &Value) -> bool {
    let statuses = pod["status"]["containerStatuses"].as_array();
    statuses
        .into_iter()
        .flatten()
        .any(|status| status["state"]["terminated"].is_object())
}

/// What an event says of a container that the kubelet ended for its hook or a probe (kubernetes 1.36
/// `pkg/kubelet/kuberuntime`, `startContainer` and `computePodActions`).
fn ended_by_kubelet(event: &Value) -> Option<PodState> {
    let message = text(&event["message"]);
    let (by, said, passes) = match text(&event["reason"]) {
        "FailedPostStartHook" => (
            Refuser::Container(HOOK_FAILED.into()),
            HOOK_WORDS.to_owned(),
            false,
        ),
        "Killing"
            if message.contains(" failed startup probe")
                || message.contains(" failed liveness probe") =>
        {
            (
                Refuser::Kubelet("Unhealthy".into()),
                message.to_owned(),
                true,
            )
        }
        _ => return None,
    };
    Some(PodState::Refused { by, said, passes })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_last_event_counts_alone() {
        let event = |version: &str, reason: &str| json!({"metadata": {"resourceVersion": version}, "reason": reason, "message": "m"});
        let refused = |events: &[Value]| last(events).and_then(withheld_pod);
        let events = [event("9", "Scheduled"), event("10", "FailedMount")];
        assert_eq!(
            refused(&events),
            Some(PodState::Refused {
                by: Refuser::Kubelet("FailedMount".into()),
                said: "m".into(),
                passes: true,
            })
        );
        let events = [event("10", "FailedMount"), event("11", "Pulling")];
        assert_eq!(refused(&events), None);
        assert_eq!(refused(&[]), None);
    }

    #[test]
    fn an_event_says_why_a_container_was_ended() {
        let by = |reason: &str, message: &str| {
            let event = json!({"reason": reason, "message": message});
            match ended_by_kubelet(&event) {
                Some(PodState::Refused { by, .. }) => by.to_string(),
                other => format!("{other:?}"),
            }
        };
        assert_eq!(
            by("FailedPostStartHook", "PostStartHook failed"),
            "container PostStartHookError"
        );
        let unhealthy = "Container app failed startup probe, will be restarted";
        assert_eq!(by("Killing", unhealthy), "kubelet Unhealthy");
        assert_eq!(by("Killing", "Stopping container app"), "None");
        assert_eq!(by("BackOff", "Back-off restarting"), "None");
    }

    #[test]
    fn only_hooks_and_probes_end_a_container() {
        let pod = |more: Value| {
            let mut container = json!({"name": "c"});
            container
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            json!({"spec": {"containers": [container]}})
        };
        assert!(may_be_ended(&pod(json!({"lifecycle": {"postStart": {}}}))));
        assert!(may_be_ended(&pod(json!({"startupProbe": {}}))));
        assert!(may_be_ended(&pod(json!({"livenessProbe": {}}))));
        assert!(!may_be_ended(&pod(
            json!({"readinessProbe": {}, "lifecycle": {"preStop": {}}})
        )));
        let ended =
            json!({"status": {"containerStatuses": [{"state": {"terminated": {"exitCode": 0}}}]}});
        assert!(has_ended_container(&ended) && !has_ended_container(&json!({})));
    }

    #[test]
    fn a_kubelet_may_be_late_for_a_while() {
        let usual = Duration::from_secs(1);
        let believed = |said: &str| {
            let said = format!("MountVolume.SetUp failed for volume \"a\" : {said}");
            believed_after(&said, usual)
        };
        let late = "failed to sync configmap cache: timed out waiting for the condition";
        assert_eq!(believed(late), LATE_FOR);
        assert_eq!(
            believed("object \"a\"/\"kube-root-ca.crt\" not registered"),
            LATE_FOR
        );
        assert_eq!(believed("configmap \"a\" not found"), usual);
    }

    /// A controller that is refused pod after pod soon has its events combined: the refusal is the
    /// same.
    #[test]
    fn a_refusal_is_read_in_combined_events_too() {
        let refused = |message: &str| {
            let event = json!({"reason": "FailedCreate", "message": message});
            match passed_on(own_words(&event)) {
                Some(PodState::Refused { by, .. }) => by.to_string(),
                other => format!("{other:?}"),
            }
        };
        let first = "Error creating: pods \"agent-h8bl5\" is forbidden: maximum memory usage per Container is 64Mi, but limit is 96Mi";
        assert_eq!(refused(first), "plugin LimitRanger");
        let combined = format!("(combined from similar events): {first}");
        assert_eq!(refused(&combined), "plugin LimitRanger");
    }
}
