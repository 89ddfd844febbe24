//! Waiting until a pod, or the pods of a workload's newest revision, really run, or say why they do
//! not.

mod history;
mod judge;
mod ownership;
mod said;
mod workload;

use std::time::{Duration, Instant};

use model::{Answer, AnswerDetail, ObjectTarget, Refuser, Verdict};
use serde_json::Value;
use time::OffsetDateTime;

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::discovery::{ApiResource, find_object};
use crate::pods::{PodState, pod_life, pod_state, running_containers, youngest_start};
use crate::wait::{ConditionWait, WaitLook};
use crate::world::LiveWorld;
use history::is_passing_job;
use judge::judge_workload;
pub(crate) use ownership::{controller_of, owned_collections, owners_of, takes_pods_along};
pub(crate) use workload::makes_pods;

/// A busy machine starts dozens of pods at a time, and says for each of them that it is not up yet.
const POD_STARTS_WITHIN: Duration = Duration::from_secs(90);
const POLL_INTERVAL: Duration = Duration::from_millis(40);

/// After this long, what others say of a pod that does not come is asked for as well.
const SILENT_FOR: Duration = Duration::from_secs(1);

/// How long it has to run before that is believed: a container that ends at once was up for a
/// moment too, and the kubelet looks at its containers once a second.
const RUNS_FOR: Duration = Duration::from_millis(1500);

/// The same by the time that the kubelet writes, which leaves out fractions of a second.
const RUNS_FOR_BY_STATUS: time::Duration = time::Duration::milliseconds(2500);

enum StartEnd {
    Running,
    Refused(Refuser, String),
    /// No wait fixes it.
    Hopeless(Error),
}

/// The pods of `target`: started, or refused.
///
/// # Errors
/// When neither can be told in time.
pub(crate) async fn wait_started(
    cx: &StepContext<'_, '_>,
    target: &ObjectTarget,
) -> Result<Observation, Error> {
    let resource = cx.resource(&target.kind).await?;
    let (namespace, name) = (cx.namespace(), cx.fill_text(&target.name));
    let what = format!("{target} to run");
    let (start, within) = (Instant::now(), cx.world.within(POD_STARTS_WITHIN));
    let mut lasting = LastingState::default();
    let end = cx
        .world
        .waiter
        .wait_until(
            ConditionWait {
                what: &what,
                within: within + RUNS_FOR,
                every: POLL_INTERVAL,
            },
            async || {
                let is_silent = start.elapsed() >= SILENT_FOR;
                match cx
                    .world
                    .look_at_workload(&resource, &namespace, &name, is_silent)
                    .await
                {
                    Ok((PodState::Refused { by, said, passes }, _)) => {
                        let lasted = lasting.of(by.to_string());
                        let is_over = !passes || start.elapsed() >= within;
                        let holds = said::believed_after(&said, cx.step.holds.absence);
                        if is_over || lasted >= holds {
                            return WaitLook::Ready(StartEnd::Refused(by, said));
                        }
                        WaitLook::NotYet(format!("refused by {by}: {said}"))
                    }
                    Ok((PodState::Pending(seen), _)) => {
                        lasting = LastingState::default();
                        WaitLook::NotYet(seen)
                    }
                    Ok((PodState::Running, pods)) => {
                        let lives: Vec<_> = pods.iter().map(pod_life).collect();
                        let runs_for = lasting.of(format!("{lives:?}"));
                        if runs_for < RUNS_FOR && !cx.world.have_run_for_long(&pods) {
                            WaitLook::NotYet("running, not yet for long".into())
                        } else if let Some(ended) = cx.world.ended_container(&pods) {
                            WaitLook::NotYet(format!(
                                "{ended} has ended, and the kubelet has not said so"
                            ))
                        } else {
                            WaitLook::Ready(StartEnd::Running)
                        }
                    }
                    Err(fault @ (Error::ScenarioFault { .. } | Error::Unsupported { .. })) => {
                        WaitLook::Ready(StartEnd::Hopeless(fault))
                    }
                    Err(said) => WaitLook::from(said),
                }
            },
        )
        .await?;
    Ok(match end {
        StartEnd::Running => Observation::from_answer(Answer::Running),
        StartEnd::Hopeless(fault) => return Err(fault),
        StartEnd::Refused(by, said) => Observation {
            verdict: Verdict::from(Answer::NotStarted { by }),
            detail: AnswerDetail {
                message: Some(said),
                ..AnswerDetail::default()
            },
            exchange: None,
        },
    })
}

/// Since when the same thing has been seen at every look.
#[derive(Default)]
struct LastingState {
    seen: Option<(String, Instant)>,
}

impl LastingState {
    /// For how long it has been `what`.
    fn of(&mut self, what: String) -> Duration {
        match &self.seen {
            Some((seen, since)) if *seen == what => since.elapsed(),
            Some(_) | None => {
                self.seen = Some((what, Instant::now()));
                Duration::ZERO
            }
        }
    }
}

impl LiveWorld<'_> {
    /// How it is, and the pods that show it.
    pub(crate) async fn look_at_workload(
        &self,
        resource: &ApiResource,
        namespace: &str,
        name: &str,
        is_silent: bool,
    ) -> Result<(PodState, Vec<Value>), Error> {
        let found = find_object(&self.run.own, resource, namespace, name).await?;
        let workload = match found {
            found if is_passing_job(resource, found.as_ref()) => {
                self.past_job(resource, namespace, name).await?
            }
            None => return Err(Error::unexpected("there is no such object")),
            Some(object) if resource.kind == "Pod" => {
                let seen = pod_state(&object);
                let pods = vec![object];
                let seen = self.hear_kubelet(seen, namespace, &pods, is_silent).await?;
                return Ok((self.hear_end(seen, namespace, &pods).await?, pods));
            }
            Some(object) => self.workload(resource, object, namespace).await?,
        };
        if workload.wants_none() {
            return Err(Error::scenario(
                "it is scaled to none: no pod of it is to run",
            ));
        }
        let look = judge_workload(&workload);
        let pods: Vec<Value> = look.pods.into_iter().cloned().collect();
        let mut seen = look.state;
        if look.lacks_pods && matches!(seen, PodState::Pending(_)) {
            seen = self.hear_controller(seen, namespace, &workload).await?;
        }
        let seen = self.hear_kubelet(seen, namespace, &pods, is_silent).await?;
        Ok((self.hear_end(seen, namespace, &pods).await?, pods))
    }

    /// A container that runs by its pod's status and has no process: a kubelet on a busy machine
    /// looks late. Only a box can tell.
    fn ended_container(&self, pods: &[Value]) -> Option<String> {
        let host_access = self.run.cluster.host_access()?;
        pods.iter().find_map(|pod| {
            let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
            running_containers(pod)
                .find(|(_, id)| host_access.container_lives(uid, id) == Some(false))
                .map(|(name, _)| {
                    let pod = pod["metadata"]["name"].as_str().unwrap_or_default();
                    format!("container {name} of {pod}")
                })
        })
    }

    /// Whether all of these have run for a while already. In a box the kubelets' clock is ours.
    fn have_run_for_long(&self, pods: &[Value]) -> bool {
        let now = OffsetDateTime::now_utc();
        let is_old = |start: OffsetDateTime| now - start >= RUNS_FOR_BY_STATUS;
        self.run.cluster.host_access().is_some()
            && !pods.is_empty()
            && pods
                .iter()
                .all(|pod| youngest_start(pod).is_some_and(is_old))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_has_not_lasted() {
        let mut lasting = LastingState::default();
        assert_eq!(lasting.of("a".into()), Duration::ZERO);
        let first = lasting.of("a".into());
        assert!(first > Duration::ZERO);
        assert_eq!(lasting.of("b".into()), Duration::ZERO);
        assert_eq!(lasting.of("a".into()), Duration::ZERO);
    }
}
