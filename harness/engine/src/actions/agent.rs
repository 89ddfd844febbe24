//! How a security agent fares, from what it and its managers say of themselves.

use std::time::{Duration, Instant};

use model::{AgentLook, AgentState, Answer, Arrived, At, Counts, Delivered, Step};
use serde_json::Value;

use super::Tried;
use crate::discovery::fetch;
use crate::wait::{Look, Wait};
use crate::world::World;

/// An agent that has neither come through nor failed alike three times by then has no answer.
const PATIENCE: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_millis(200);

/// Counts that have not changed for so long are final, unless everything is there before.
const QUIET: Duration = Duration::from_secs(4);

/// The same where some are missing: an agent on a busy machine makes its pauses.
const LONG_QUIET: Duration = Duration::from_secs(10);

impl World<'_> {
    pub(super) async fn agent(&self, step: &Step, look: &AgentLook) -> Result<Tried, String> {
        let what = format!("the agent in `{}` to come through or to fail", look.pod);
        let (mut first, start) = (None, Instant::now());
        let (answer, state) = self
            .waiter
            .until(Wait { what: &what, within: PATIENCE, every: EVERY }, async || {
                match self.agent_now(step, look).await {
                    Ok((state, taken)) => {
                        let first = first.get_or_insert_with(|| state.clone());
                        match state.judge(first, start.elapsed(), taken) {
                            Some(answer) => Look::Found((answer, state)),
                            None => Look::Not(words(&state, taken)),
                        }
                    }
                    Err(why) => Look::Not(why),
                }
            })
            .await?;
        let tried = Tried::answer(answer.clone());
        Ok(match answer {
            Answer::Reached => tried.fact("manager", state.server),
            Answer::Blocked { at: At::Event } => tried.fact("reason", "connected, and no event of it was taken"),
            _ => tried.fact("reason", state.reason),
        })
    }

    /// What the agent says, and whether a manager has an event of its connection.
    async fn agent_now(&self, step: &Step, look: &AgentLook) -> Result<(AgentState, bool), String> {
        let pods = self.running_pods(step, &look.pod).await?;
        let pod = pods.last().ok_or_else(|| format!("no pod of `{}` runs", look.pod))?;
        let output = self.output_of(step, pod, &["/probe", "agent-state"]).await?;
        let state = AgentState::read(&String::from_utf8_lossy(&output))?;
        let (source, number) = &state.session;
        let taken = state.connected
            && self.counts(step, &look.managers).await?.iter().any(|counts| counts.has(source, *number));
        Ok((state, taken))
    }

    pub(super) async fn delivered(&self, step: &Step, wanted: &Delivered) -> Result<Tried, String> {
        let what = format!("the count of `{}` to stay as it is", wanted.source);
        let wanted = &Delivered {
            source: self.fill(&wanted.source),
            agent: wanted.agent.as_ref().map(|agent| self.fill(agent)),
            ..wanted.clone()
        };
        let mut last: Option<(Arrived, Instant)> = None;
        let arrived = self
            .waiter
            .until(Wait { what: &what, within: PATIENCE, every: EVERY }, async || {
                let counts = match self.counts(step, &wanted.managers).await {
                    Ok(counts) => counts,
                    Err(why) => return Look::Not(why),
                };
                let now = Arrived::of(wanted, &counts);
                let since = match &last {
                    Some((before, since)) if *before == now => *since,
                    _ => Instant::now(),
                };
                let seen = format!("{} received", now.received);
                let quiet = if now.missing.is_empty() { QUIET } else { LONG_QUIET };
                let is_final = since.elapsed() >= quiet;
                last = Some((now.clone(), since));
                if is_final { Look::Found(now) } else { Look::Not(seen) }
            })
            .await?;
        let all = arrived.missing.is_empty();
        let tried = Tried::answer(if all { Answer::Reached } else { Answer::Blocked { at: At::Event } });
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
    async fn counts(&self, step: &Step, managers: &[String]) -> Result<Vec<Counts>, String> {
        let mut all = Vec::new();
        for manager in managers {
            for pod in self.running_pods(step, manager).await? {
                let output = self.output_of(step, &pod, &["/probe", "manager-state"]).await?;
                let counts = serde_json::from_slice(&output);
                all.push(counts.map_err(|fault| format!("`{pod}` says something else than its counts: {fault}"))?);
            }
        }
        Ok(all)
    }

    /// The pod of this name, or the pods of a workload, `KIND/NAME`, as far as they run; the youngest last.
    async fn running_pods(&self, step: &Step, name: &str) -> Result<Vec<String>, String> {
        let Some((kind, workload)) = name.split_once('/') else { return Ok(vec![self.fill(name)]) };
        let namespace = self.namespace_of(step);
        let resource = self.lab.discovery.called(&self.lab.own, kind).await?;
        let object = fetch(&self.lab.own, &resource, &namespace, &self.fill(workload)).await?;
        let mut pods = self.pods_of(&object, &namespace).await?;
        pods.retain(|pod| pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null());
        if resource.kind != "Deployment" {
            // Not those of an earlier workload of the same name, which may still be there for a moment.
            pods.retain(|pod| pod["metadata"]["ownerReferences"][0]["uid"] == object["metadata"]["uid"]);
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        pods.sort_by_key(|pod| (text(&pod["metadata"]["creationTimestamp"]), text(&pod["metadata"]["name"])));
        Ok(pods.iter().map(|pod| text(&pod["metadata"]["name"])).collect())
    }
}

/// For who waits: how far the agent is.
fn words(state: &AgentState, taken: bool) -> String {
    match (state.connected, state.stage) {
        (true, _) if taken => "connected".into(),
        (true, _) => "connected, and no event was taken yet".into(),
        (false, Some(at)) => format!("failed {} times in a row at {at}: {}", state.streak, state.reason),
        (false, None) => "not connected".into(),
    }
}
