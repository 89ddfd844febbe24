//! Trying the wire from a pod, and believing what came of it.
//!
//! That something is reached is believed at once, unless the step gives the block time to come. A block has to hold, the
//! same one, for a second; and where a pod is the target, its server has to answer the pod itself at that moment: nothing
//! can block that way. The probe sees to the first by itself, with an attempt every so often, however long each takes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream;
use model::{Action, Answer, Held, Hold, Step, Told, Wire, target_pod};
use serde_json::Value;

use super::Tried;
use crate::Error;
use crate::conversation::Teller;
use crate::places::{Places, split};
use crate::settle::are_enforced;
use crate::wait::Wait;
use crate::world::World;

/// How long a block has to hold.
const HOLDS: Duration = Duration::from_secs(1);

/// The same, where it is not what is intended: a Service takes a moment until every node knows it.
const HOLDS_AGAINST_INTENT: Duration = Duration::from_secs(10);

/// Within this time an answer has to come that does not change any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// From the beginning of one attempt to that of the next.
const EVERY: Duration = Duration::from_millis(200);

/// How many steps of a world try the wire at a time.
const AT_ONCE: usize = 16;

/// An attempt at the wire, with every placeholder filled in.
struct Attempt {
    /// Namespace and name of the pod that tries it.
    from: (String, String),
    to: String,
    holds: Holds,
    /// The pod whose server has to answer itself, where it is blocked.
    server: Option<(String, String)>,
}

/// How long an answer has to be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holds {
    blocked: Duration,
    reached: Duration,
}

impl Holds {
    fn of(wire: &Wire, intended: Option<&Answer>) -> Self {
        let within = wire.within.map(|seconds| Duration::from_secs(seconds.into()));
        match intended {
            Some(Answer::Reached) => Self { blocked: within.unwrap_or(HOLDS_AGAINST_INTENT), reached: Duration::ZERO },
            Some(Answer::Blocked { .. }) => Self { blocked: HOLDS, reached: within.unwrap_or_default() },
            _ => Self { blocked: within.unwrap_or(HOLDS), reached: Duration::ZERO },
        }
    }

    fn longest(self) -> Duration {
        self.blocked.max(self.reached)
    }
}

impl World<'_> {
    /// Tries the wire for steps that do nothing else, all of them at a time: none changes what another one finds. What came
    /// of each, and how long it took, in their order.
    pub(crate) async fn reach_all(&mut self, steps: &[&Step]) -> Vec<(Result<Tried, Error>, Duration)> {
        let mut attempts = Vec::new();
        for step in steps {
            attempts.push((*step, self.attempt(step).await));
        }
        let mut pods = BTreeMap::new();
        for step in steps {
            let namespace = self.namespace_of(step);
            if let Entry::Vacant(unknown) = pods.entry(namespace) {
                unknown.insert(self.known_pods(step).await);
            }
        }
        let (world, pods) = (&*self, &pods);
        let one = async |(step, attempt): (&Step, Result<Attempt, Error>)| {
            let start = Instant::now();
            let tried = match (attempt, pods.get(&world.namespace_of(step))) {
                (Ok(attempt), Some(Ok(pods))) => world.reach(&attempt, pods).await,
                (Err(why), _) => Err(why),
                (Ok(_), Some(Err(why))) => Err(why.clone()),
                (Ok(_), None) => Err(Error::scenario("the step's namespace was not looked at")),
            };
            (tried, start.elapsed())
        };
        stream::iter(attempts).map(one).buffered(AT_ONCE).collect().await
    }

    /// What a step that tries the wire comes to, now that its addresses are known.
    async fn attempt(&mut self, step: &Step) -> Result<Attempt, Error> {
        let Action::Reach(wire) = &step.action else { return Err(Error::scenario("the step does not try the wire")) };
        self.learn_for(step).await?;
        self.outlive(&step.action).await?;
        let server = target_pod(&wire.to).filter(|_| !wire.nobody);
        Ok(Attempt {
            from: (self.namespace_of(step), self.fill(&wire.from)),
            to: self.fill(&wire.to),
            holds: Holds::of(wire, step.intended(self.name)),
            server: server.map(|pod| split(pod, self.namespace())),
        })
    }

    async fn reach(&self, attempt: &Attempt, pods: &[Value]) -> Result<Tried, Error> {
        let (namespace, name) = &attempt.from;
        let is_from = |pod: &&Value| {
            pod["metadata"]["namespace"] == namespace.as_str() && pod["metadata"]["name"] == name.as_str()
        };
        let from = pods.iter().find(is_from).map(Teller::of);
        let from = from.ok_or_else(|| Error::scenario(format!("there is no pod {name} in {namespace}")))?;
        let told = self.lasting(&from, &attempt.to, attempt.holds).await?;
        if let (false, Some(server)) = (told.reached, &attempt.server) {
            self.answers_itself(server, &attempt.to).await?;
        }
        let places = self.places(&told, pods).await?;
        Ok(recorded(&told, &places))
    }

    /// A command that stays behind has a process of its own, which outlives who began it.
    pub(super) async fn hold(&self, step: &Step, hold: &Hold) -> Result<Tried, Error> {
        let pods = self.known_pods(step).await?;
        let (to, name, pod) = (self.fill(&hold.to), self.fill(&hold.name), self.fill(&hold.from));
        let output = self.output_in(&self.namespace_of(step), &pod, &["/probe", "hold", &name, &to]).await;
        let told = told(&output.map_err(|why| why.during(format!("the probe in pod {pod} did not run")))?)?;
        let places = self.places(&told, &pods).await?;
        Ok(recorded(&told, &places))
    }

    pub(super) async fn held(&self, step: &Step, held: &Held) -> Result<Tried, Error> {
        self.known_pods(step).await?;
        let from = self.teller(&self.namespace_of(step), &self.fill(&held.from)).await?;
        let told = self.told(&from, &["held", &self.fill(&held.name)], Duration::ZERO, |_| {}).await?;
        Ok(recorded(&told, &Places::default()))
    }

    /// What the probe says, once it has said the same for long enough.
    async fn lasting(&self, from: &Teller, to: &str, holds: Holds) -> Result<Told, Error> {
        let what = format!("an answer from {to} that lasts");
        let wait = Wait { what: &what, within: PATIENCE + holds.longest(), every: EVERY };
        let times = [holds.blocked, holds.reached, EVERY, wait.within];
        let [blocked, reached, every, within] = times.map(|time| time.as_millis().to_string());
        let options = ["--holds", &blocked, "--reached-holds", &reached, "--every", &every, "--within", &within];
        let words = [&["reach"][..], &options, &[to]].concat();
        let seen = RefCell::new("nothing yet".to_owned());
        let note = |line: String| {
            if let Ok(told) = Told::read(line.as_bytes()) {
                *seen.borrow_mut() = told.said();
            }
        };
        let told = self.waiter.told(&what, &seen, self.told(from, &words, wait.within, note)).await?;
        match told.lasts {
            Some(true) => Ok(told),
            Some(false) => Err(self.waiter.in_vain(&wait, &told.said())),
            None => Err(Error::unexpected("the probe does not say whether it stays so")),
        }
    }

    /// What a command of the probe says in this pod.
    async fn told(
        &self,
        pod: &Teller,
        words: &[&str],
        within: Duration,
        seen: impl FnMut(String),
    ) -> Result<Told, Error> {
        let output = self.asked(pod, words, within, seen).await;
        told(&output.map_err(|why| why.during(format!("the probe in pod {} did not answer", pod.name)))?)
    }

    /// Whether the server of a pod answers the pod itself.
    async fn answers_itself(&self, (namespace, pod): &(String, String), to: &str) -> Result<(), Error> {
        let server = self.teller(namespace, pod).await?;
        let told = self.told(&server, &["reach", to], Duration::ZERO, |_| {}).await?;
        if told.reached {
            return Ok(());
        }
        let reason = told.reason.clone().unwrap_or_default();
        let is = told.verdict();
        Err(Error::unexpected(format!("the target is down: from its own pod {pod}, {to} is {is} ({reason})")))
    }

    /// The pods of the world and of the step, once whoever enforces policies knows them as they are.
    async fn known_pods(&self, step: &Step) -> Result<Vec<Value>, Error> {
        let mut namespaces = self.namespaces.clone();
        let asked = self.namespace_of(step);
        if !namespaces.contains(&asked) {
            namespaces.push(asked);
        }
        let pods = self.pods_in(&namespaces).await?;
        if let Some(toolbox) = self.lab.cluster.toolbox()
            && !toolbox.network_policy()?.is_empty()
        {
            are_enforced(toolbox, &self.waiter, pods.iter().collect()).await?;
        }
        Ok(pods)
    }
}

/// What a probe wrote.
fn told(output: &[u8]) -> Result<Told, Error> {
    Told::read(output).map_err(Error::unexpected)
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

#[cfg(test)]
mod tests {
    use model::At;

    use super::*;

    #[test]
    fn what_is_not_intended_has_to_hold_for_longer() {
        let wire = |within| Wire { from: "a".into(), to: "tcp://$(service-ip:b):80".into(), nobody: false, within };
        let (at_once, later) = (wire(None), wire(Some(60)));
        let blocked = Answer::Blocked { at: At::Connect };
        let of = |wire: &Wire, intended: &Answer| {
            let holds = Holds::of(wire, Some(intended));
            (holds.blocked.as_secs(), holds.reached.as_secs())
        };
        assert_eq!((of(&at_once, &blocked), of(&later, &blocked)), ((1, 0), (1, 60)));
        assert_eq!((of(&at_once, &Answer::Reached), of(&later, &Answer::Reached)), ((10, 0), (60, 0)));
        assert_eq!(Holds::of(&later, Some(&blocked)).longest(), Duration::from_secs(60));
    }
}
