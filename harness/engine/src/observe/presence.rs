//! Whether something is there: an object, the pods of a workload, a field. Both answers are waited
//! for.

use std::time::{Duration, Instant};

use model::{Answer, ObjectTarget};

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::discovery::find_object;
use crate::wait::{ConditionWait, WaitLook};

const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How long an object, or the pods of a workload, get to come.
const COMES_WITHIN: Duration = Duration::from_secs(1);

/// What is there is seen once it has been there for as long as the step asks; what is not, once it
/// has been away for at least `comes`. `look` says whether it is there, and what is recorded of it.
pub(super) async fn wait_for_presence(
    cx: &StepContext<'_, '_>,
    what: &str,
    comes: Duration,
    mut look: impl AsyncFnMut() -> Result<(bool, String), Error>,
) -> Result<Observation, Error> {
    let holds = cx.step.holds;
    let absence = holds.absence.max(comes);
    let wait = ConditionWait {
        what,
        within: (absence + holds.presence) * 2,
        every: LOOK_INTERVAL,
    };
    let mut lasting = (None, Instant::now());
    cx.world
        .waiter
        .wait_until(wait, async || {
            let (is_there, told) = match look().await {
                Ok(seen) => seen,
                Err(said) => return WaitLook::from(said),
            };
            if lasting.0 != Some(is_there) {
                lasting = (Some(is_there), Instant::now());
            }
            let (answer, lasts) = if is_there {
                (Answer::Found, holds.presence)
            } else {
                (Answer::Absent, absence)
            };
            if lasting.1.elapsed() >= lasts {
                WaitLook::Ready(Observation::from_answer(answer).with_fact("value", told))
            } else {
                WaitLook::NotYet(told)
            }
        })
        .await
}

pub(super) async fn seen_object(
    cx: &StepContext<'_, '_>,
    target: &ObjectTarget,
) -> Result<Observation, Error> {
    let object = cx.target_object(target).await?;
    let what = format!("{target} to be there, or to be gone");
    wait_for_presence(cx, &what, COMES_WITHIN, async || {
        let found = find_object(
            &cx.world.run.own,
            &object.resource,
            &object.namespace,
            &object.name,
        )
        .await?;
        let told = match &found {
            None => "(no such object)",
            Some(found) if found["metadata"]["deletionTimestamp"].is_null() => "there",
            Some(_) => "being deleted",
        };
        Ok((found.is_some(), told.to_owned()))
    })
    .await
}

pub(super) async fn seen_pods(
    cx: &StepContext<'_, '_>,
    target: &ObjectTarget,
) -> Result<Observation, Error> {
    let object = cx.target_object(target).await?;
    let what = format!("pods of {target} to be there, or all to be gone");
    wait_for_presence(cx, &what, COMES_WITHIN, async || {
        let found = find_object(
            &cx.world.run.own,
            &object.resource,
            &object.namespace,
            &object.name,
        )
        .await?;
        let found = found.ok_or_else(|| Error::unexpected(format!("{target} is not there")))?;
        let workload = cx
            .world
            .workload(&object.resource, found, &object.namespace)
            .await?;
        let (stay, end) = (workload.pods.len(), workload.ending);
        Ok((stay + end > 0, format!("{stay} there, {end} being deleted")))
    })
    .await
}
