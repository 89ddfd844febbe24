//! Trying the wire from a pod, and believing what came of it.
//!
//! An answer has to stay the same for as long as the step's [`HoldTimes`] say. Where a pod is the
//! target and does not answer, its server has to answer the pod itself at that moment: nothing can
//! block that way. Or the same step reaches it in another world, and the pod is ready in this one.
//! The probe sees to the first by itself, with an attempt every so often, however
//! long each takes.

use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream;
use model::{
    Action, FigureName, HeldConnection, HoldConnection, read_probe, target_pod, target_service,
};
use probe_protocol::{
    FaultReason, HoldRule, ProbeAnswer, ProbeReport, ProbeRequest, ReachRequest, STAGE_TIMEOUT,
};
use serde_json::Value;

use super::{Observation, StepContext};
use crate::Error;
use crate::address_book::{AddressBook, split_name};
use crate::barriers::are_enforced;
use crate::conversation::{ProbePod, unfit};
use crate::wait::ConditionWait;
use crate::world::{HoldTimes, LiveWorld, StepRequest};

/// Within this time an answer has to come that does not change any more.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// From the beginning of one attempt to that of the next.
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(200);

/// How many steps of a world try the wire at a time.
const AT_ONCE: usize = 16;

/// An attempt at the wire, with every placeholder filled in.
struct WireAttempt {
    /// Namespace and name of the pod that tries it.
    from: (String, String),
    to: String,
    holds: HoldTimes,
    /// The pod whose server has to answer itself, where it is blocked.
    server: Option<(String, String)>,
    /// Whether the same step is meant to reach it in another world.
    opens_elsewhere: bool,
}

/// Tries the wire for steps that do nothing else, all of them at a time: none changes what another
/// one finds. What came of each, and how long it took, in their order.
pub(crate) async fn reach_all(
    world: &mut LiveWorld<'_>,
    steps: &[StepRequest<'_>],
) -> Vec<(Result<Observation, Error>, Duration)> {
    let mut attempts = Vec::new();
    for step in steps {
        attempts.push((step, fill_attempt(world, step).await));
    }
    let meets_services = steps.iter().any(meets_service);
    let services = if meets_services {
        known_services(world, steps).await
    } else {
        Ok(true)
    };
    for (_, attempt) in attempts.iter_mut().filter(|(step, _)| meets_service(step)) {
        heed_services(attempt, &services);
    }
    let mut pods = BTreeMap::new();
    for step in steps {
        let namespace = world.namespace_of(step);
        if let Entry::Vacant(unknown) = pods.entry(namespace) {
            unknown.insert(known_pods(world, step).await);
        }
    }
    let (world, pods) = (&*world, &pods);
    let one = async |(step, attempt): (&StepRequest<'_>, Result<WireAttempt, Error>)| {
        let start = Instant::now();
        let tried = match (attempt, pods.get(&world.namespace_of(step))) {
            (Ok(attempt), Some(Ok(pods))) => try_reach(world, &attempt, pods).await,
            (Err(why), _) => Err(why),
            (Ok(_), Some(Err(why))) => Err(why.clone()),
            (Ok(_), None) => Err(Error::scenario("the step's namespace was not looked at")),
        };
        (tried, start.elapsed())
    };
    stream::iter(attempts)
        .map(one)
        .buffered(AT_ONCE)
        .collect()
        .await
}

/// What a step that tries the wire comes to, now that its addresses are known.
async fn fill_attempt(
    world: &mut LiveWorld<'_>,
    step: &StepRequest<'_>,
) -> Result<WireAttempt, Error> {
    let Action::Reach(wire) = step.action else {
        return Err(Error::scenario("the step does not try the wire"));
    };
    world.learn_for(step).await?;
    world.wait_until_expired(step.action).await?;
    let server = target_pod(&wire.to).filter(|_| !wire.no_listener);
    Ok(WireAttempt {
        from: (world.namespace_of(step), world.fill_text(&wire.from)),
        to: world.fill_text(&wire.to),
        holds: step.holds,
        server: server.map(|pod| split_name(pod, world.namespace())),
        opens_elsewhere: step.opens_elsewhere,
    })
}

async fn try_reach(
    world: &LiveWorld<'_>,
    attempt: &WireAttempt,
    pods: &[Value],
) -> Result<Observation, Error> {
    let (namespace, name) = &attempt.from;
    let is_from = |pod: &&Value| {
        pod["metadata"]["namespace"] == namespace.as_str()
            && pod["metadata"]["name"] == name.as_str()
    };
    let from = pods.iter().find(is_from).map(|pod| world.probe_in(pod));
    let from =
        from.ok_or_else(|| Error::scenario(format!("there is no pod {name} in {namespace}")))?;
    let told = lasting_report(world, &from, &attempt.to, attempt.holds).await?;
    if let (false, Some(server)) = (told.is_reached(), &attempt.server)
        && let Err(why) = answers_itself(world, server, &attempt.to).await
        && !(attempt.opens_elsewhere && pods.iter().any(|pod| is_ready_pod(pod, server)))
    {
        return Err(why);
    }
    let places = world.read_address_book(&told, pods).await?;
    Ok(record_report(&told, &places))
}

/// A command that stays behind is a separate process, which outlives its caller.
pub(super) async fn open_held(
    cx: &StepContext<'_, '_>,
    hold: &HoldConnection,
) -> Result<Observation, Error> {
    if meets_service(&cx.step) {
        known_services(cx.world, std::slice::from_ref(&cx.step)).await?;
    }
    let pods = known_pods(cx.world, &cx.step).await?;
    let (to, name, pod) = (
        cx.fill_text(&hold.to),
        cx.fill_text(&hold.name),
        cx.fill_text(&hold.from),
    );
    let from = cx.world.probe_pod(&cx.namespace(), &pod).await?;
    let output = cx
        .world
        .output_in(&from, &["/probe", "hold", &name, &to])
        .await;
    let output =
        output.map_err(|why| why.during_task(format!("the probe in pod {pod} did not run")))?;
    let told = ProbeReport::read(&output)?;
    let places = cx.world.read_address_book(&told, &pods).await?;
    Ok(record_report(&told, &places))
}

pub(super) async fn use_held(
    cx: &StepContext<'_, '_>,
    held: &HeldConnection,
) -> Result<Observation, Error> {
    known_pods(cx.world, &cx.step).await?;
    let from = cx
        .world
        .probe_pod(&cx.namespace(), &cx.fill_text(&held.from))
        .await?;
    let told = ask_probe(
        cx.world,
        &from,
        ProbeRequest::Held(cx.fill_text(&held.name)),
        Duration::ZERO,
        |_| {},
    )
    .await?;
    Ok(record_report(&told, &AddressBook::default()))
}

/// What the probe says, once it has said the same for long enough.
async fn lasting_report(
    world: &LiveWorld<'_>,
    from: &ProbePod,
    to: &str,
    holds: HoldTimes,
) -> Result<ProbeReport, Error> {
    let what = format!("an answer from {to} that lasts");
    let wait = ConditionWait {
        what: &what,
        within: SETTLED_WITHIN + holds.longest(),
        every: ATTEMPT_INTERVAL,
    };
    let until = HoldRule {
        holds: holds.absence,
        reached_holds: holds.presence,
        every: ATTEMPT_INTERVAL,
        within: wait.within,
    };
    let ask = ProbeRequest::Reach(ReachRequest {
        target: to.to_owned(),
        timeout: STAGE_TIMEOUT,
        until: Some(until),
    });
    let seen = RefCell::new("nothing yet".to_owned());
    let note = |report: ProbeReport| *seen.borrow_mut() = in_words(&report);
    let told = world
        .waiter
        .wait_for_other(&what, &seen, ask_probe(world, from, ask, wait.within, note))
        .await?;
    match told.lasts {
        Some(true) => Ok(told),
        Some(false) => Err(world.waiter.in_vain(wait, &in_words(&told))),
        None => Err(Error::unexpected(
            "the probe does not say whether it stays so",
        )),
    }
}

/// What the probe in this pod says of a target, or of a connection.
async fn ask_probe(
    world: &LiveWorld<'_>,
    pod: &ProbePod,
    ask: ProbeRequest,
    within: Duration,
    seen: impl FnMut(ProbeReport),
) -> Result<ProbeReport, Error> {
    let answer = world.ask_probe(pod, ask, within, seen).await;
    let answer = answer
        .map_err(|why| why.during_task(format!("the probe in pod {} did not answer", pod.name)))?;
    match answer {
        ProbeAnswer::Report(report) => Ok(report),
        other => Err(unfit(&other)),
    }
}

/// A report in one line, for a person.
fn in_words(report: &ProbeReport) -> String {
    let reason = report.reason().map_or("", FaultReason::word);
    format!("{}: {reason}", read_probe(report))
}

/// Whether the server of a pod answers the pod itself.
async fn answers_itself(
    world: &LiveWorld<'_>,
    (namespace, pod): &(String, String),
    to: &str,
) -> Result<(), Error> {
    let server = world.probe_pod(namespace, pod).await?;
    let ask = ProbeRequest::Reach(ReachRequest::once(to));
    let told = ask_probe(world, &server, ask, Duration::ZERO, |_| {}).await?;
    let Some(reason) = told.reason() else {
        return Ok(());
    };
    let is = read_probe(&told);
    Err(Error::unexpected(format!(
        "the target is down: from its own pod {pod}, {to} is {is} ({reason})"
    )))
}

/// Whether this is the pod, and ready: what something else does for its address, such as a Service
/// whose balancer it stands for, its own server need not do.
fn is_ready_pod(pod: &Value, (namespace, name): &(String, String)) -> bool {
    pod["metadata"]["namespace"] == namespace.as_str()
        && pod["metadata"]["name"] == name.as_str()
        && pod["metadata"]["deletionTimestamp"].is_null()
        && api::condition_status(pod, "Ready") == Some("True")
}

/// Whether a step tries something else than a pod's own address: a Service may stand behind it.
fn meets_service(step: &StepRequest<'_>) -> bool {
    let to = step.action.facts().connects_to;
    to.is_some_and(|to| target_pod(to).is_none())
}

/// Waits until every node knows the Services that these steps can meet: those of the world, and
/// those that they name. Says whether that could be told of all.
async fn known_services(world: &LiveWorld<'_>, steps: &[StepRequest<'_>]) -> Result<bool, Error> {
    let Some(host_access) = world.run.cluster.host_access() else {
        return Ok(false);
    };
    let named = steps
        .iter()
        .filter_map(|step| target_service(step.action.facts().connects_to?))
        .map(|name| split_name(name, world.namespace()).0);
    let own = steps.iter().map(|step| world.namespace_of(step));
    let all: BTreeSet<String> = named
        .chain(own)
        .chain(world.namespaces.all().iter().cloned())
        .collect();
    let all: Vec<String> = all.into_iter().collect();
    world.wait_for_services(host_access, &all).await
}

/// Where nobody tells whether the nodes know a Service, a block has to last.
fn heed_services(attempt: &mut Result<WireAttempt, Error>, services: &Result<bool, Error>) {
    match (services, attempt.as_mut()) {
        (Ok(true), _) | (_, Err(_)) => {}
        (Ok(false), Ok(attempt)) => attempt.holds = attempt.holds.until_services_are_known(),
        (Err(why), Ok(_)) => *attempt = Err(why.clone()),
    }
}

/// The pods of the world and of the step, once the enforcer of policies knows them as they are.
async fn known_pods(world: &LiveWorld<'_>, step: &StepRequest<'_>) -> Result<Vec<Value>, Error> {
    let mut namespaces = world.namespaces.all().to_vec();
    let asked = world.namespace_of(step);
    if !namespaces.contains(&asked) {
        namespaces.push(asked);
    }
    let pods = world.pods_in(&namespaces).await?;
    if let Some(host_access) = world.run.cluster.host_access()
        && host_access.network_policy()?.is_some()
    {
        are_enforced(host_access, &world.waiter, pods.iter().collect()).await?;
    }
    Ok(pods)
}

/// What is kept of an answer: words that are the same in every run, and the time as a figure.
fn record_report(told: &ProbeReport, places: &AddressBook) -> Observation {
    let mut tried = Observation::from_answer(read_probe(told));
    let facts = &told.facts;
    let mut addresses: Vec<String> = facts
        .addresses
        .iter()
        .map(|address| places.address_name(*address))
        .collect();
    addresses.sort();
    addresses.dedup();
    let facts = [
        ("reason", told.reason().map(|reason| reason.to_string())),
        ("answered-by", facts.by.clone()),
        (
            "seen-as",
            facts.seen_as.map(|address| places.address_name(address)),
        ),
        (
            "stands-for",
            (!addresses.is_empty()).then(|| addresses.join(", ")),
        ),
        (
            "dns-over",
            facts.dns_over.map(|over| over.word().to_owned()),
        ),
        ("status", facts.status.map(|status| status.to_string())),
    ];
    for (key, value) in facts {
        if let Some(value) = value {
            tried = tried.with_fact(key, value);
        }
    }
    tried.time(
        FigureName::Took,
        Duration::from_secs_f64((told.ms / 1000.0).clamp(0.0, 1e6)),
    )
}
