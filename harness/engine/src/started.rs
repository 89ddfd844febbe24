//! Waiting until a pod, or the pods of a workload, really run, or say why they never will.

use std::time::{Duration, Instant};

use api::encode;
use model::{Answer, By, Detail, Target, Verdict};
use serde_json::Value;
use time::OffsetDateTime;

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::discovery::{Resource, fetch};
use crate::pods::{State, state, youngest_start};
use crate::wait::{Look, Wait};
use crate::world::World;

/// A busy machine starts dozens of pods at a time, and says for each of them that it is not up yet.
const PATIENCE: Duration = Duration::from_secs(90);
const EVERY: Duration = Duration::from_millis(40);

/// How long it has to run before that is believed: a container that ends at once was up for a moment too, and the kubelet
/// looks at its containers once a second.
const RUNS_FOR: Duration = Duration::from_millis(1500);

/// The same by the time that the kubelet writes, which leaves out fractions of a second.
const RUNS_FOR_BY_STATUS: time::Duration = time::Duration::milliseconds(2500);

enum End {
    Running,
    Refused(By, String),
}

/// The pods of `target`: started, or refused.
///
/// # Errors
/// When neither can be told in time.
pub(crate) async fn started(
    cx: &StepContext<'_, '_>,
    target: &Target,
) -> Result<Observation, Error> {
    let resource = cx
        .world
        .lab
        .discovery
        .called(&cx.world.lab.own, &target.kind)
        .await?;
    let (namespace, name) = (cx.namespace(), cx.fill(&target.name));
    let what = format!("{target} to run");
    let mut since = None;
    let end = cx
        .world
        .waiter
        .until(
            Wait {
                what: &what,
                within: PATIENCE,
                every: EVERY,
            },
            async || match cx.world.look(&resource, &namespace, &name).await {
                Ok((State::Refused { by, said }, _)) => Look::Ready(End::Refused(by, said)),
                Ok((State::Pending(seen), _)) => {
                    since = None;
                    Look::NotYet(seen)
                }
                Ok((State::Running, pods)) => {
                    let first = *since.get_or_insert_with(Instant::now);
                    if first.elapsed() >= RUNS_FOR || cx.world.have_run_for_long(&pods) {
                        Look::Ready(End::Running)
                    } else {
                        Look::NotYet("running, not yet for long".into())
                    }
                }
                Err(said) => Look::from(said),
            },
        )
        .await?;
    Ok(match end {
        End::Running => Observation::answer(Answer::Running),
        End::Refused(by, said) => Observation {
            verdict: Verdict::from(Answer::Refused { by }),
            detail: Detail {
                message: Some(said),
                ..Detail::default()
            },
            exchange: None,
        },
    })
}

impl World<'_> {
    /// How it is, and its pods.
    async fn look(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Result<(State, Vec<Value>), Error> {
        let object = fetch(&self.lab.own, resource, namespace, name).await?;
        if resource.kind == "Pod" {
            return Ok((state(&object), vec![object]));
        }
        let pods = self.pods_of(&object, namespace).await?;
        let state = self
            .look_at_pods(resource, &object, namespace, name, &pods)
            .await?;
        Ok((state, pods))
    }

    /// Whether all of these have run for a while already. In a box the kubelets' clock is ours.
    fn have_run_for_long(&self, pods: &[Value]) -> bool {
        let now = OffsetDateTime::now_utc();
        let is_old = |start: OffsetDateTime| now - start >= RUNS_FOR_BY_STATUS;
        self.lab.cluster.host_access().is_some()
            && !pods.is_empty()
            && pods
                .iter()
                .all(|pod| youngest_start(pod).is_some_and(is_old))
    }

    async fn look_at_pods(
        &self,
        resource: &Resource,
        object: &Value,
        namespace: &str,
        name: &str,
        pods: &[Value],
    ) -> Result<State, Error> {
        let states: Vec<State> = pods.iter().map(state).collect();
        if let Some(refused) = states
            .iter()
            .find(|state| matches!(state, State::Refused { .. }))
        {
            return Ok(refused.clone());
        }
        let wanted = wanted(object);
        let running = states
            .iter()
            .filter(|state| **state == State::Running)
            .count();
        if wanted > 0 && running >= wanted {
            return Ok(State::Running);
        }
        // An event outlives its cause: it counts for pods that are not there, and for those alone.
        if states.len() < wanted
            && let Some(refused) = self.not_created(namespace, &resource.kind, name).await?
        {
            return Ok(refused);
        }
        let pending = states.into_iter().find_map(|state| match state {
            State::Pending(seen) => Some(seen),
            _ => None,
        });
        Ok(State::Pending(format!(
            "{running} of {wanted} run; {}",
            pending.unwrap_or("no other pods".into())
        )))
    }

    pub(crate) async fn pods_of(
        &self,
        workload: &Value,
        namespace: &str,
    ) -> Result<Vec<Value>, Error> {
        let labels = workload["spec"]["selector"]["matchLabels"].as_object();
        let pairs = labels
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
        let selector = pairs.collect::<Vec<_>>().join(",");
        if selector.is_empty() {
            return Err(Error::unexpected("it has no selector (yet)"));
        }
        let path = format!(
            "/api/v1/namespaces/{}/pods?labelSelector={}",
            encode(namespace),
            encode(&selector)
        );
        let list = self.lab.own.fetch(path).await?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// The refusal that a controller passes on when it may not create a pod.
    async fn not_created(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
    ) -> Result<Option<State>, Error> {
        let path = format!(
            "/api/v1/namespaces/{}/events?fieldSelector=reason%3DFailedCreate",
            encode(namespace)
        );
        let events = self.lab.own.fetch(path).await?;
        let events = events["items"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let ours = events
            .iter()
            .filter(|event| concerns(&event["involvedObject"], kind, name));
        Ok(ours
            .filter_map(|event| event["message"].as_str())
            .find_map(passed_on))
    }
}

/// Whether `object` is the workload, or what a controller made of it: `NAME-HASH`, with no further dash.
fn concerns(object: &Value, kind: &str, name: &str) -> bool {
    let (its_kind, its_name) = (
        object["kind"].as_str(),
        object["name"].as_str().unwrap_or_default(),
    );
    let made = match kind {
        "Deployment" => its_kind == Some("ReplicaSet"),
        "CronJob" => its_kind == Some("Job"),
        _ => false,
    };
    let of_name = |rest: &str| {
        rest.strip_prefix('-')
            .is_some_and(|hash| !hash.is_empty() && !hash.contains('-'))
    };
    its_kind == Some(kind) && its_name == name
        || made && its_name.strip_prefix(name).is_some_and(of_name)
}

/// How many pods a workload wants.
fn wanted(workload: &Value) -> usize {
    let (spec, status) = (&workload["spec"], &workload["status"]);
    let counts = [
        &spec["replicas"],
        &spec["completions"],
        &spec["parallelism"],
        &status["desiredNumberScheduled"],
    ];
    let count = counts.into_iter().find_map(Value::as_u64).unwrap_or(0);
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Reads `Error creating: …` and `create Pod … failed error: …`.
fn passed_on(message: &str) -> Option<State> {
    let words = message.strip_prefix("Error creating: ").unwrap_or(message);
    let words = words
        .split_once(" failed error: ")
        .map_or(words, |(_, words)| words);
    let answer = model::read_message(403, words).or_else(|| model::read_message(500, words))?;
    match answer {
        Answer::Denied { by } => Some(State::Refused {
            by,
            said: message.to_owned(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
        assert_eq!(passed_on("Error creating: the server is busy"), None);
    }

    #[test]
    fn events_of_others_do_not_count() {
        let concerns = |name: &str, kind: &str, of: &str| {
            super::concerns(&json!({"kind": kind, "name": name}), of, "web")
        };
        assert!(
            concerns("web-6d4f", "ReplicaSet", "Deployment")
                && concerns("web", "StatefulSet", "StatefulSet")
        );
        assert!(!concerns("web-blocked-6d4f", "ReplicaSet", "Deployment"));
        assert!(!concerns("web-blocked", "StatefulSet", "StatefulSet"));
        assert!(
            !concerns("web", "StatefulSet", "Deployment")
                && !concerns("website-6d4f", "ReplicaSet", "Deployment")
        );
    }

    #[test]
    fn workloads_want_pods() {
        assert_eq!(wanted(&json!({"spec": {"replicas": 3}})), 3);
        assert_eq!(wanted(&json!({"spec": {"parallelism": 2}})), 2);
        assert_eq!(
            wanted(&json!({"spec": {}, "status": {"desiredNumberScheduled": 1}})),
            1
        );
        assert_eq!(wanted(&json!({})), 0);
    }
}
