//! One world of one scenario: its parts, and what it is taken through. Set-up, each step and the tear-down are called by
//! themselves: [`World::try_out`] does one after the other, and somebody else may go back and forth between two worlds.

mod case;
mod holds;
mod memory;
mod namespaces;
mod placeholders;
mod set_up;
mod steps;
mod tear_down;
#[cfg(test)]
pub(crate) mod testing;
mod write_barrier;

use api::json;
use model::{Isolation, Names, Reply, WorldOutcome};
use serde_json::Value;

use crate::canaries::SecretMarkers;
use crate::conversation::Conversations;
use crate::discovery::Resource;
use crate::identity::Identities;
use crate::lab::Lab;
use crate::seen::LogOffsets;
use crate::settle::{WriteRecord, anchor, bound_tokens, settle};
use crate::turns::Turn;
use crate::wait::Waiter;
use crate::{Error, Event, learn, random};

pub(crate) use case::{Case, StepRequest};
pub(crate) use holds::Holds;
use memory::Memory;
use namespaces::Namespaces;
use placeholders::Placeholders;
use write_barrier::WriteBarrier;

/// A world while it is tried.
pub(crate) struct World<'a> {
    pub(crate) lab: &'a Lab<'a>,
    pub(crate) case: Case<'a>,
    pub(crate) namespaces: Namespaces,
    pub(crate) placeholders: Placeholders,
    pub(crate) memory: Memory,
    pub(crate) barrier: WriteBarrier,
    pub(crate) identities: Identities,
    /// Where the records stood when it began.
    pub(crate) beginning: LogOffsets,
    /// What probes in pods are asked over.
    pub(crate) conversations: Conversations,
    /// The values that must never be shown.
    pub(crate) planted: SecretMarkers,
    pub(crate) waiter: Waiter,
    /// Its turn to do something.
    turn: Turn,
    /// Whether this is the second time that it is tried.
    pub(crate) again: bool,
}

impl<'a> World<'a> {
    pub(crate) fn new(lab: &'a Lab<'a>, case: Case<'a>, turn: Turn, again: bool) -> Self {
        let facts = lab.cluster.facts();
        let namespace = format!("gauntlet-{}", random::name(10));
        let (registry, front) = learn::addresses(case.install());
        let names = Names {
            namespace: namespace.clone(),
            nodes: facts.nodes.clone(),
            probe: facts.probe_image.clone(),
            registry: registry.into(),
            front: front.into(),
            ..Names::default()
        };
        let planted = lab.planted.of(&namespace);
        let waiter = Waiter {
            id: case.id().into(),
            world: case.world().into(),
            events: lab.events.clone(),
            planted: planted.clone(),
        };
        Self {
            lab,
            case,
            namespaces: Namespaces::new(namespace),
            placeholders: Placeholders::new(names),
            memory: Memory::default(),
            barrier: WriteBarrier::default(),
            identities: Identities::default(),
            beginning: LogOffsets::default(),
            conversations: Conversations::default(),
            planted,
            waiter,
            turn,
            again,
        }
    }

    /// Tries it from beginning to end.
    pub(crate) async fn try_out(mut self) -> WorldOutcome {
        let (id, world) = (self.case.id().to_owned(), self.case.world().to_owned());
        let namespace = self.namespace().to_owned();
        self.lab.tell(Event::WorldStarted {
            id: id.clone(),
            world: world.clone(),
            namespace,
        });
        let outcome = match self.missing_node() {
            Some(why) if self.lab.cluster.host_access().is_none() => WorldOutcome::Skipped {
                why: why.in_one_line(),
            },
            Some(_) | None => match self.set_up().await {
                Ok(()) => self.take_steps().await,
                Err(why) => {
                    let why = self.planted.conceal(&why.in_one_line());
                    self.evidence("set-up", &why, None).await;
                    WorldOutcome::Broken { why }
                }
            },
        };
        for what in self.tear_down().await {
            self.lab.tell(Event::LeftBehind {
                id: id.clone(),
                world: world.clone(),
                what,
            });
        }
        self.lab.tell(Event::WorldDone {
            id,
            world,
            outcome: outcome.clone(),
        });
        outcome
    }

    /// Its own namespace.
    pub(crate) fn namespace(&self) -> &str {
        self.placeholders.namespace()
    }

    pub(crate) fn fill(&self, text: &str) -> String {
        self.placeholders.fill(text)
    }

    /// The namespace of a step's names.
    pub(crate) fn namespace_of(&self, step: &StepRequest<'_>) -> String {
        step.namespace
            .map_or_else(|| self.namespace().to_owned(), |name| self.fill(name))
    }

    /// Why the scenario cannot be tried here: it names a node by its number that the cluster lacks.
    fn missing_node(&self) -> Option<Error> {
        let node = self.case.missing_node(self.placeholders.names())?;
        Some(Error::unsupported(format!(
            "the scenario names `$({node})`, and this cluster does not have it"
        )))
    }

    /// Prepares for a policy with parameters; one whose type the server does not know needs nothing.
    pub(crate) async fn anchor(&self, object: &Value) {
        let _ = anchor(&self.lab.canaries, object).await;
    }

    /// Remembers what a request wrote: for the wait until it is in force, and for the world's end.
    pub(crate) fn wrote(&mut self, resource: &Resource, namespace: &str, reply: &Reply) {
        let Some(object) = json(reply) else { return };
        let Some(name) = object["metadata"]["name"].as_str() else {
            return;
        };
        let known = model::object_kind(&resource.api_version(), &resource.kind);
        if known.is_some_and(|kind| kind.isolation == Isolation::Question) {
            return; // it is not stored
        }
        if self.namespaces.note(resource, namespace, name, reply) {
            return; // one of its own, with labels that nothing has read before
        }
        self.barrier.add(WriteRecord {
            resource: resource.clone(),
            namespace: namespace.into(),
            name: name.into(),
            object: Some(object.clone()),
        });
    }

    /// Waits until everything that was written is in force.
    pub(crate) async fn settle(&mut self) -> Result<(), Error> {
        let pending = self.barrier.take_pending();
        let (canaries, host_access) = (&self.lab.canaries, self.lab.cluster.host_access());
        let mut settled = settle(
            canaries,
            host_access,
            &self.waiter,
            &pending,
            self.barrier.in_force(),
        )
        .await;
        if settled.is_ok() && self.identities.end_with(&pending) {
            settled = bound_tokens(canaries, &self.waiter).await;
        }
        self.barrier.passed(pending);
        settled
    }
}
