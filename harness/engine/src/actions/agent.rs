//! How a security agent fares, from what it and its managers say of themselves.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use model::{
    AgentLook, Answer, ArrivedEvents, ConnectionStage, DeliveredEvents, FigureName, has_event,
    read_agent,
};
use probe_protocol::{AgentReport, ManagerReport, ProbeAnswer, ProbeRequest};
use serde_json::Value;

use super::{Observation, StepContext};
use crate::Error;
use crate::conversation::{ProbePod, unfit};
use crate::discovery::fetch_object;
use crate::wait::{ConditionWait, WaitLook};

/// An agent that has neither come through nor failed alike three times by then has no answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Counts that have not changed for this long are final, unless everything is there before.
const COUNTS_STABLE_FOR: Duration = Duration::from_secs(4);

/// The same where some are missing: an agent on a busy machine makes its pauses.
const LONG_QUIET: Duration = Duration::from_secs(10);

/// How far the agents of a workload are, all of them: where they differ, there is no answer yet.
pub(super) async fn look_at_agents(
    cx: &StepContext<'_, '_>,
    look: &AgentLook,
) -> Result<Observation, Error> {
    let what = format!("the agent in `{}` to come through or to fail", look.pod);
    let mut first = HashMap::new();
    let (answer, state) = cx
        .world
        .waiter
        .wait_until(
            ConditionWait {
                what: &what,
                within: cx.world.within(ANSWERED_WITHIN),
                every: POLL_INTERVAL,
            },
            async || {
                agents_now(cx, look, &mut first)
                    .await
                    .unwrap_or_else(WaitLook::from)
            },
        )
        .await?;
    let tried = Observation::from_answer(answer.clone());
    Ok(match answer {
        Answer::Reached => tried.with_fact("manager", state.server),
        Answer::Blocked {
            at: ConnectionStage::Event,
        } => tried.with_fact("reason", "connected, and no event of it was taken"),
        _ => tried.with_fact("reason", state.reason),
    })
}

/// What each agent says, and whether a manager has an event of its connection. `first` is what the
/// agents said when they were first looked at, by their run, and when that was.
async fn agents_now(
    cx: &StepContext<'_, '_>,
    look: &AgentLook,
    first: &mut HashMap<String, (AgentReport, Instant)>,
) -> Result<WaitLook<(Answer, AgentReport)>, Error> {
    let mut found = None;
    let pods = pods_called(cx, &look.pod).await?;
    if let Some(pod) = pods.iter().find(|pod| !pod.runs) {
        return Err(Error::unexpected(format!(
            "{} does not run yet",
            pod.teller.name
        )));
    }
    for pod in &pods {
        let state = agent_report(cx, &pod.teller).await?;
        let taken = state.connected
            && manager_counts(cx, &look.managers)
                .await?
                .iter()
                .any(|manager| has_event(manager, &state.session, state.connections));
        let (before, at) = first
            .entry(state.session.clone())
            .or_insert_with(|| (state.clone(), Instant::now()));
        let said = progress_words(&state, taken);
        match (read_agent(&state, before, at.elapsed(), taken), &found) {
            (None, _) => return Ok(WaitLook::NotYet(said)),
            (Some(answer), None) => found = Some((answer, state)),
            (Some(answer), Some((other, _))) if answer != *other => {
                return Ok(WaitLook::NotYet(format!(
                    "agents differ: {} {said}",
                    pod.teller.name
                )));
            }
            (Some(_), Some(_)) => {}
        }
    }
    Ok(found.map_or_else(
        || WaitLook::NotYet(format!("`{}` has no pod", look.pod)),
        WaitLook::Ready,
    ))
}

/// What the agent in this pod says of itself.
async fn agent_report(cx: &StepContext<'_, '_>, pod: &ProbePod) -> Result<AgentReport, Error> {
    let ask = ProbeRequest::AgentState;
    match cx.world.ask_probe(pod, ask, Duration::ZERO, |_| {}).await? {
        ProbeAnswer::Agent(report) => Ok(report),
        other => Err(unfit(&other)),
    }
}

pub(super) async fn count_delivered(
    cx: &StepContext<'_, '_>,
    wanted: &DeliveredEvents,
) -> Result<Observation, Error> {
    let what = format!("the count of `{}` to stay as it is", wanted.source);
    let wanted = &DeliveredEvents {
        source: cx.fill_text(&wanted.source),
        agent: wanted.agent.as_ref().map(|agent| cx.fill_text(agent)),
        ..wanted.clone()
    };
    let mut last: Option<(ArrivedEvents, Instant)> = None;
    let arrived = cx
        .world
        .waiter
        .wait_until(
            ConditionWait {
                what: &what,
                within: cx.world.within(ANSWERED_WITHIN),
                every: POLL_INTERVAL,
            },
            async || {
                let counts = match manager_counts(cx, &wanted.managers).await {
                    Ok(counts) => counts,
                    Err(why) => return WaitLook::from(why),
                };
                let now = ArrivedEvents::from_counts(wanted, &counts);
                let since = match &last {
                    Some((before, since)) if *before == now => *since,
                    _ => Instant::now(),
                };
                let seen = format!("{} received", now.received);
                let quiet = if now.missing.is_empty() {
                    COUNTS_STABLE_FOR
                } else {
                    LONG_QUIET
                };
                let is_final = since.elapsed() >= quiet;
                last = Some((now.clone(), since));
                if is_final {
                    WaitLook::Ready(now)
                } else {
                    WaitLook::NotYet(seen)
                }
            },
        )
        .await?;
    let all = arrived.missing.is_empty();
    let answer = if all { Answer::Delivered } else { Answer::Lost };
    let tried = Observation::from_answer(answer)
        .count(FigureName::Received, arrived.received)
        .count(FigureName::Duplicates, arrived.duplicates)
        .count(FigureName::Late, arrived.late);
    if wanted.unrecorded {
        return Ok(tried);
    }
    Ok(tried
        .with_fact("received", arrived.received.to_string())
        .with_fact("missing", arrived.missing_numbers())
        .with_fact("duplicates", arrived.duplicates.to_string())
        .with_fact("late", arrived.late.to_string()))
}

/// What the managers counted, each of them that runs.
async fn manager_counts(
    cx: &StepContext<'_, '_>,
    managers: &[String],
) -> Result<Vec<ManagerReport>, Error> {
    let mut all = Vec::new();
    for manager in managers {
        for pod in running_pods(cx, manager).await? {
            let ask = ProbeRequest::ManagerState;
            match cx
                .world
                .ask_probe(&pod, ask, Duration::ZERO, |_| {})
                .await?
            {
                ProbeAnswer::Manager(report) => all.push(report),
                other => return Err(unfit(&other)),
            }
        }
    }
    Ok(all)
}

/// Those that run.
async fn running_pods(cx: &StepContext<'_, '_>, name: &str) -> Result<Vec<ProbePod>, Error> {
    let pods = pods_called(cx, name).await?;
    Ok(pods
        .into_iter()
        .filter(|pod| pod.runs)
        .map(|pod| pod.teller)
        .collect())
}

/// The pod of this name, taken to run, or the pods of a workload, `KIND/NAME`, that have not been
/// told to end.
async fn pods_called(cx: &StepContext<'_, '_>, name: &str) -> Result<Vec<AgentPod>, Error> {
    let namespace = cx.namespace();
    let Some((kind, workload)) = name.split_once('/') else {
        return Ok(vec![AgentPod {
            teller: cx.world.probe_pod(&namespace, &cx.fill_text(name)).await?,
            runs: true,
        }]);
    };
    let resource = cx.resource(kind).await?;
    let object = fetch_object(
        &cx.world.run.own,
        &resource,
        &namespace,
        &cx.fill_text(workload),
    )
    .await?;
    let mut pods = cx.world.workload(&resource, object, &namespace).await?.pods;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    // In the order of their nodes: what the first one says is recorded.
    pods.sort_by_key(|pod| {
        (
            text(&pod["spec"]["nodeName"]),
            text(&pod["metadata"]["name"]),
        )
    });
    let read = |pod: &Value| AgentPod {
        teller: cx.world.probe_in(pod),
        runs: pod["status"]["phase"] == "Running",
    };
    Ok(pods.iter().map(read).collect())
}

/// A pod, and whether it runs.
struct AgentPod {
    teller: ProbePod,
    runs: bool,
}

/// How far the agent is, for the notes of a long wait.
fn progress_words(state: &AgentReport, taken: bool) -> String {
    match (state.connected, state.stage) {
        (true, _) if taken => "connected".into(),
        (true, _) => "connected, and no event was taken yet".into(),
        (false, Some(at)) => format!(
            "failed {} times in a row at {at}: {}",
            state.streak, state.reason
        ),
        (false, None) => "not connected".into(),
    }
}
