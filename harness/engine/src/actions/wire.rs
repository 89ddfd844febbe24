//! Trying the wire from a pod, and believing what came of it.
//!
//! That something is reached is believed at once. A block has to hold, the same one, for a second; and where a pod is
//! the target, its server has to answer the pod itself at that moment: nothing can block that way.

use std::time::{Duration, Instant};

use model::{Answer, Held, Hold, Step, Told, Wire, target_pod};
use serde_json::Value;

use super::Tried;
use crate::places::{Places, split};
use crate::settle::are_enforced;
use crate::wait::{Look, Wait};
use crate::world::World;

/// How long a block has to hold.
const HOLDS: Duration = Duration::from_secs(1);

/// The same, where it is not what is intended: a Service takes a moment until every node knows it.
const HOLDS_AGAINST_INTENT: Duration = Duration::from_secs(10);

/// Within this time an answer has to come that does not change any more.
const PATIENCE: Duration = Duration::from_secs(60);

impl World<'_> {
    pub(super) async fn reach(&self, step: &Step, wire: &Wire) -> Result<Tried, String> {
        let pods = self.known_pods(step).await?;
        let to = self.fill(&wire.to);
        let holds = match (wire.within, step.intended(self.name)) {
            (Some(seconds), _) => Duration::from_secs(seconds.into()),
            (None, Some(Answer::Reached)) => HOLDS_AGAINST_INTENT,
            (None, _) => HOLDS,
        };
        let from = (self.namespace_of(step), self.fill(&wire.from));
        let told = self.lasting(&from, &to, holds).await?;
        if let (false, false, Some(pod)) = (told.reached, wire.nobody, target_pod(&wire.to)) {
            self.answers_itself(pod, &to).await?;
        }
        let places = self.places(&told, &pods).await?;
        Ok(recorded(&told, &places))
    }

    pub(super) async fn hold(&self, step: &Step, hold: &Hold) -> Result<Tried, String> {
        let pods = self.known_pods(step).await?;
        let (to, name) = (self.fill(&hold.to), self.fill(&hold.name));
        let from = (self.namespace_of(step), self.fill(&hold.from));
        let told = self.told(&from, &["hold", &name, &to]).await?;
        let places = self.places(&told, &pods).await?;
        Ok(recorded(&told, &places))
    }

    pub(super) async fn held(&self, step: &Step, held: &Held) -> Result<Tried, String> {
        self.known_pods(step).await?;
        let from = (self.namespace_of(step), self.fill(&held.from));
        let told = self.told(&from, &["held", &self.fill(&held.name)]).await?;
        Ok(recorded(&told, &Places::default()))
    }

    /// What the probe says, once it has said the same for long enough.
    async fn lasting(&self, from: &(String, String), to: &str, holds: Duration) -> Result<Told, String> {
        let mut first: Option<(Told, Instant)> = None;
        let what = format!("an answer from {to} that lasts");
        let wait = Wait { what: &what, within: PATIENCE + holds, every: Duration::from_millis(200) };
        let look = async || {
            let began = Instant::now();
            let told = match self.told(from, &["reach", to]).await {
                Ok(told) if told.reached => return Look::Found(Ok(told)),
                Ok(told) => told,
                Err(why) => return Look::Found(Err(why)),
            };
            match &first {
                Some((same, since)) if same.at == told.at && same.reason == told.reason => {
                    if since.elapsed() >= holds {
                        return Look::Found(Ok(told));
                    }
                }
                _ => first = Some((told.clone(), began)),
            }
            Look::Not(format!("{}: {}", told.verdict(), told.reason.unwrap_or_default()))
        };
        self.waiter.until(wait, look).await?
    }

    /// What a command of the probe says in this pod.
    async fn told(&self, (namespace, pod): &(String, String), words: &[&str]) -> Result<Told, String> {
        let command: Vec<&str> = std::iter::once("/probe").chain(words.iter().copied()).collect();
        let output = self.output_in(namespace, pod, &command).await;
        Told::read(&output.map_err(|why| format!("the probe in pod {pod} did not run: {why}"))?)
    }

    /// Whether the server of a pod answers the pod itself.
    async fn answers_itself(&self, pod: &str, to: &str) -> Result<(), String> {
        let (namespace, pod) = split(pod, self.namespace());
        let told = self.told(&(namespace, pod.clone()), &["reach", to]).await?;
        if told.reached {
            return Ok(());
        }
        let reason = told.reason.clone().unwrap_or_default();
        Err(format!("nobody blocks what does not answer: in pod {pod} itself, {to} is {} ({reason})", told.verdict()))
    }

    /// The pods of the world and of the step, once whoever enforces policies knows them as they are.
    async fn known_pods(&self, step: &Step) -> Result<Vec<Value>, String> {
        let mut namespaces = self.namespaces.clone();
        let asked = self.namespace_of(step);
        if !namespaces.contains(&asked) {
            namespaces.push(asked);
        }
        let pods = self.pods_in(&namespaces).await?;
        if let Some(toolbox) = self.lab.cluster.toolbox()
            && !toolbox.network_policy().map_err(|why| cluster::chain(&why))?.is_empty()
        {
            are_enforced(toolbox, &self.waiter, pods.iter().collect()).await?;
        }
        Ok(pods)
    }
}

/// What is kept of an answer: words that are the same in every run, and the time as a figure.
fn recorded(told: &Told, places: &Places) -> Tried {
    let mut tried = Tried { verdict: told.verdict(), ..Tried::answer(Answer::Reached) };
    let mut addresses: Vec<String> = told.addresses.iter().map(|address| places.name(*address)).collect();
    addresses.sort();
    addresses.dedup();
    let facts = [
        ("reason", told.reason.clone()),
        ("answered by", told.by.clone()),
        ("seen as", told.seen_as.map(|address| places.name(address))),
        ("stands for", (!addresses.is_empty()).then(|| addresses.join(", "))),
        ("dns over", told.dns_over.clone()),
        ("status", told.status.map(|status| status.to_string())),
    ];
    for (key, value) in facts {
        if let Some(value) = value {
            tried = tried.fact(key, value);
        }
    }
    tried.figure("took", Duration::from_secs_f64((told.ms / 1000.0).clamp(0.0, 1e6)))
}
