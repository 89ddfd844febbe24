//! How a security agent fares, from what it and its managers say of themselves.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use model::{AgentLook, Answer, Arrived, At, Delivered, has_event, read_agent};
use probe_protocol::{AgentReport, ManagerReport, ProbeAnswer, Request};
use serde_json::Value;

use super::{Observation, StepContext};
use crate::Error;
use crate::conversation::{Teller, unfit};
use crate::discovery::fetch;
use crate::wait::{Look, Wait};

/// An agent that has neither come through nor failed alike three times by then has no answer.
const PATIENCE: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_millis(200);

/// Counts that have not changed for so long are final, unless everything is there before.
const QUIET: Duration = Duration::from_secs(4);

/// The same where some are missing: an agent on a busy machine makes its pauses.
const LONG_QUIET: Duration = Duration::from_secs(10);

/// How far the agents of a workload are, all of them: where they differ, there is no answer yet.
pub(super) async fn agent(
    cx: &StepContext<'_, '_>,
    look: &AgentLook,
) -> Result<Observation, Error> {
    let what = format!("the agent in `{}` to come through or to fail", look.pod);
    let mut first = HashMap::new();
    let (answer, state) = cx
        .world
        .waiter
        .until(
            Wait {
                what: &what,
                within: PATIENCE,
                every: EVERY,
            },
            async || {
                agents_now(cx, look, &mut first)
                    .await
                    .unwrap_or_else(Look::from)
            },
        )
        .await?;
    let tried = Observation::answer(answer.clone());
    Ok(match answer {
        Answer::Reached => tried.fact("manager", state.server),
        Answer::Blocked { at: At::Event } => {
            tried.fact("reason", "connected, and no event of it was taken")
        }
        _ => tried.fact("reason", state.reason),
    })
}

/// What each agent says, and whether a manager has an event of its connection. `first` is what the agents said when
/// they were first looked at, by their run, and when that was.
async fn agents_now(
    cx: &StepContext<'_, '_>,
    look: &AgentLook,
    first: &mut HashMap<String, (AgentReport, Instant)>,
) -> Result<Look<(Answer, AgentReport)>, Error> {
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
            && counts(cx, &look.managers)
                .await?
                .iter()
                .any(|manager| has_event(manager, &state.session, state.connections));
        let (before, at) = first
            .entry(state.session.clone())
            .or_insert_with(|| (state.clone(), Instant::now()));
        let said = words(&state, taken);
        match (read_agent(&state, before, at.elapsed(), taken), &found) {
            (None, _) => return Ok(Look::NotYet(said)),
            (Some(answer), None) => found = Some((answer, state)),
            (Some(answer), Some((other, _))) if answer != *other => {
                return Ok(Look::NotYet(format!(
                    "agents differ: {} {said}",
                    pod.teller.name
                )));
            }
            (Some(_), Some(_)) => {}
        }
    }
    Ok(found.map_or_else(
        || Look::NotYet(format!("there is no pod of `{}`", look.pod)),
        Look::Ready,
    ))
}

/// What the agent in this pod says of itself.
async fn agent_report(cx: &StepContext<'_, '_>, pod: &Teller) -> Result<AgentReport, Error> {
    let ask = Request::AgentState;
    match cx.world.asked(pod, ask, Duration::ZERO, |_| {}).await? {
        ProbeAnswer::Agent(report) => Ok(report),
        other => Err(unfit(&other)),
    }
}

pub(super) async fn delivered(
    cx: &StepContext<'_, '_>,
    wanted: &Delivered,
) -> Result<Observation, Error> {
    let what = format!("the count of `{}` to stay as it is", wanted.source);
    let wanted = &Delivered {
        source: cx.fill(&wanted.source),
        agent: wanted.agent.as_ref().map(|agent| cx.fill(agent)),
        ..wanted.clone()
    };
    let mut last: Option<(Arrived, Instant)> = None;
    let arrived = cx
        .world
        .waiter
        .until(
            Wait {
                what: &what,
                within: PATIENCE,
                every: EVERY,
            },
            async || {
                let counts = match counts(cx, &wanted.managers).await {
                    Ok(counts) => counts,
                    Err(why) => return Look::from(why),
                };
                let now = Arrived::of(wanted, &counts);
                let since = match &last {
                    Some((before, since)) if *before == now => *since,
                    _ => Instant::now(),
                };
                let seen = format!("{} received", now.received);
                let quiet = if now.missing.is_empty() {
                    QUIET
                } else {
                    LONG_QUIET
                };
                let is_final = since.elapsed() >= quiet;
                last = Some((now.clone(), since));
                if is_final {
                    Look::Ready(now)
                } else {
                    Look::NotYet(seen)
                }
            },
        )
        .await?;
    let all = arrived.missing.is_empty();
    let tried = Observation::answer(if all {
        Answer::Reached
    } else {
        Answer::Blocked { at: At::Event }
    });
    if wanted.unrecorded {
        return Ok(tried);
    }
    Ok(tried
        .fact("received", arrived.received.to_string())
        .fact("missing", arrived.missing())
        .fact("duplicates", arrived.duplicates.to_string())
        .fact("late", arrived.late.to_string()))
}

/// What the managers counted, each of them that runs.
async fn counts(
    cx: &StepContext<'_, '_>,
    managers: &[String],
) -> Result<Vec<ManagerReport>, Error> {
    let mut all = Vec::new();
    for manager in managers {
        for pod in running_pods(cx, manager).await? {
            let ask = Request::ManagerState;
            match cx.world.asked(&pod, ask, Duration::ZERO, |_| {}).await? {
                ProbeAnswer::Manager(report) => all.push(report),
                other => return Err(unfit(&other)),
            }
        }
    }
    Ok(all)
}

/// Those that run.
async fn running_pods(cx: &StepContext<'_, '_>, name: &str) -> Result<Vec<Teller>, Error> {
    let pods = pods_called(cx, name).await?;
    Ok(pods
        .into_iter()
        .filter(|pod| pod.runs)
        .map(|pod| pod.teller)
        .collect())
}

/// The pod of this name, taken to run, or the pods of a workload, `KIND/NAME`, that have not been told to end.
async fn pods_called(cx: &StepContext<'_, '_>, name: &str) -> Result<Vec<Pod>, Error> {
    let namespace = cx.namespace();
    let Some((kind, workload)) = name.split_once('/') else {
        return Ok(vec![Pod {
            teller: cx.world.teller(&namespace, &cx.fill(name)).await?,
            runs: true,
        }]);
    };
    let resource = cx
        .world
        .lab
        .discovery
        .called(&cx.world.lab.own, kind)
        .await?;
    let object = fetch(&cx.world.lab.own, &resource, &namespace, &cx.fill(workload)).await?;
    let mut pods = cx.world.pods_of(&object, &namespace).await?;
    pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    if resource.kind != "Deployment" {
        // Not those of an earlier workload of the same name, which may still be there for a moment.
        pods.retain(|pod| {
            pod["metadata"]["ownerReferences"][0]["uid"] == object["metadata"]["uid"]
        });
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    // In the order of their nodes: what the first one says is recorded.
    pods.sort_by_key(|pod| {
        (
            text(&pod["spec"]["nodeName"]),
            text(&pod["metadata"]["name"]),
        )
    });
    let read = |pod: &Value| Pod {
        teller: Teller::of(pod),
        runs: pod["status"]["phase"] == "Running",
    };
    Ok(pods.iter().map(read).collect())
}

/// A pod, and whether it runs.
struct Pod {
    teller: Teller,
    runs: bool,
}

/// For who waits: how far the agent is.
fn words(state: &AgentReport, taken: bool) -> String {
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
