//! Waiting until a pod, or the pods of a workload's newest revision, really run, or say why they do not.

mod judge;
mod said;
mod workload;

use std::time::{Duration, Instant};

use model::{Answer, By, Detail, Target, Verdict};
use serde_json::Value;
use time::OffsetDateTime;

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::discovery::{Resource, fetch};
use crate::pods::{State, life, state, youngest_start};
use crate::wait::{Look, Wait};
use crate::world::World;
use judge::judge;

/// A busy machine starts dozens of pods at a time, and says for each of them that it is not up yet.
const PATIENCE: Duration = Duration::from_secs(90);
const EVERY: Duration = Duration::from_millis(40);

/// After this long, what others say of a pod that does not come is asked for as well.
const SILENCE: Duration = Duration::from_secs(1);

/// How long it has to run before that is believed: a container that ends at once was up for a moment too, and the kubelet
/// looks at its containers once a second.
const RUNS_FOR: Duration = Duration::from_millis(1500);

/// The same by the time that the kubelet writes, which leaves out fractions of a second.
const RUNS_FOR_BY_STATUS: time::Duration = time::Duration::milliseconds(2500);

enum End {
    Running,
    Refused(By, String),
    /// No wait mends it.
    Hopeless(Error),
}

/// The pods of `target`: started, or refused.
///
/// # Errors
/// When neither can be told in time.
pub(crate) async fn started(
    cx: &StepContext<'_, '_>,
    target: &Target,
) -> Result<Observation, Error> {
    let resource = cx.resource(&target.kind).await?;
    let (namespace, name) = (cx.namespace(), cx.fill(&target.name));
    let what = format!("{target} to run");
    let (start, within) = (Instant::now(), cx.world.within(PATIENCE));
    let mut lasting = Lasting::default();
    let end = cx
        .world
        .waiter
        .until(
            Wait {
                what: &what,
                within: within + RUNS_FOR,
                every: EVERY,
            },
            async || {
                let is_silent = start.elapsed() >= SILENCE;
                match cx.world.look(&resource, &namespace, &name, is_silent).await {
                    Ok((State::Refused { by, said, passes }, _)) => {
                        let lasted = lasting.of(by.to_string());
                        let is_over = !passes || start.elapsed() >= within;
                        if is_over || lasted >= cx.step.holds.absence {
                            return Look::Ready(End::Refused(by, said));
                        }
                        Look::NotYet(format!("refused by {by}: {said}"))
                    }
                    Ok((State::Pending(seen), _)) => {
                        lasting = Lasting::default();
                        Look::NotYet(seen)
                    }
                    Ok((State::Running, pods)) => {
                        let lives: Vec<_> = pods.iter().map(life).collect();
                        let runs_for = lasting.of(format!("{lives:?}"));
                        if runs_for >= RUNS_FOR || cx.world.have_run_for_long(&pods) {
                            Look::Ready(End::Running)
                        } else {
                            Look::NotYet("running, not yet for long".into())
                        }
                    }
                    Err(fault @ (Error::ScenarioFault { .. } | Error::Unsupported { .. })) => {
                        Look::Ready(End::Hopeless(fault))
                    }
                    Err(said) => Look::from(said),
                }
            },
        )
        .await?;
    Ok(match end {
        End::Running => Observation::answer(Answer::Running),
        End::Hopeless(fault) => return Err(fault),
        End::Refused(by, said) => Observation {
            verdict: Verdict::from(Answer::NotStarted { by }),
            detail: Detail {
                message: Some(said),
                ..Detail::default()
            },
            exchange: None,
        },
    })
}

/// Since when the same thing has been seen at every look.
#[derive(Default)]
struct Lasting {
    seen: Option<(String, Instant)>,
}

impl Lasting {
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

impl World<'_> {
    /// How it is, and the pods that show it.
    async fn look(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        is_silent: bool,
    ) -> Result<(State, Vec<Value>), Error> {
        let object = fetch(&self.lab.own, resource, namespace, name).await?;
        if resource.kind == "Pod" {
            let seen = state(&object);
            let pods = vec![object];
            let seen = self.hear_kubelet(seen, namespace, &pods, is_silent).await?;
            return Ok((seen, pods));
        }
        let workload = self.workload(resource, object, namespace).await?;
        if workload.wants_none() {
            return Err(Error::scenario(
                "it is scaled to none: no pod of it is to run",
            ));
        }
        let look = judge(&workload);
        let pods: Vec<Value> = look.pods.into_iter().cloned().collect();
        let mut seen = look.state;
        if look.lacks_pods && matches!(seen, State::Pending(_)) {
            seen = self.hear_controller(seen, namespace, &workload).await?;
        }
        let seen = self.hear_kubelet(seen, namespace, &pods, is_silent).await?;
        Ok((seen, pods))
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_has_not_lasted() {
        let mut lasting = Lasting::default();
        assert_eq!(lasting.of("a".into()), Duration::ZERO);
        let first = lasting.of("a".into());
        assert!(first > Duration::ZERO);
        assert_eq!(lasting.of("b".into()), Duration::ZERO);
        assert_eq!(lasting.of("a".into()), Duration::ZERO);
    }
}
