//! One world of one scenario: its parts, and what it is taken through. Set-up, each step and the
//! tear-down are called by themselves: [`LiveWorld::try_out`] does one after the other, and a
//! caller may go back and forth between two worlds.

mod case;
mod followers;
mod holds;
mod memory;
mod namespaces;
mod originals;
mod placeholders;
mod set_up;
mod steps;
mod tear_down;
#[cfg(test)]
pub(crate) mod testing;
mod write_barrier;

use std::time::Duration;

use api::reply_json;
use model::{
    Action, ApiReply, CellStatus, KindBarrier, KindIsolation, PlaceholderValues, WorldOutcome,
};
use serde_json::Value;

use crate::barriers::{
    WriteRecord, ended_with_namespaces, make_keepalive, wait_for_namespace_ends,
    wait_for_token_end, wait_in_force,
};
use crate::conversation::ProbeConversations;
use crate::discovery::ApiResource;
use crate::identity::TokenIdentities;
use crate::observe::LogOffsets;
use crate::run_context::RunContext;
use crate::secret_markers::SecretMarkers;
use crate::turns::WorldTurn;
use crate::wait::WaitReporter;
use crate::{EngineEvent, Error, lookup, random};

pub(crate) use case::{StepRequest, WorldCase};
use followers::FollowingObjects;
pub(crate) use holds::HoldTimes;
use memory::StepMemory;
use namespaces::WorldNamespaces;
use originals::OriginalObjects;
use placeholders::WorldPlaceholders;
use tear_down::TornDown;
use write_barrier::WriteBarrier;

/// A world while it is tried.
pub(crate) struct LiveWorld<'a> {
    pub(crate) run: &'a RunContext<'a>,
    pub(crate) case: WorldCase<'a>,
    pub(crate) namespaces: WorldNamespaces,
    /// What follows from what it made in namespaces that were there before.
    followers: FollowingObjects,
    /// What it changes that it has not made.
    pub(crate) originals: OriginalObjects,
    pub(crate) placeholders: WorldPlaceholders,
    pub(crate) memory: StepMemory,
    pub(crate) barrier: WriteBarrier,
    pub(crate) identities: TokenIdentities,
    /// The offsets of the records when it began.
    pub(crate) beginning: LogOffsets,
    /// What probes in pods are asked over.
    pub(crate) conversations: ProbeConversations,
    /// The values that must never be shown.
    pub(crate) planted: SecretMarkers,
    pub(crate) waiter: WaitReporter,
    /// The deadline of the step that is taken, where it sets one.
    pub(crate) granted: Option<Duration>,
    /// Its turn to do something.
    turn: WorldTurn,
    /// Whether this is the second time that it is tried.
    pub(crate) again: bool,
}

impl<'a> LiveWorld<'a> {
    pub(crate) fn new(
        run: &'a RunContext<'a>,
        case: WorldCase<'a>,
        turn: WorldTurn,
        again: bool,
    ) -> Self {
        let facts = run.cluster.facts();
        let namespace = format!("gauntlet-{}", random::random_name(10));
        let (registry, front) = lookup::registry_addresses(case.install());
        let names = PlaceholderValues {
            namespace: namespace.clone(),
            nodes: facts.nodes.clone(),
            probe: facts.probe_image.clone(),
            registry: registry.into(),
            front: front.into(),
            ..PlaceholderValues::default()
        };
        let planted = run.planted.seen_from_world(&namespace);
        let waiter = WaitReporter {
            id: case.id().into(),
            world: case.world().into(),
            events: run.events.clone(),
            planted: planted.clone(),
            granted: None,
        };
        Self {
            run,
            case,
            namespaces: WorldNamespaces::new(namespace),
            followers: FollowingObjects::default(),
            originals: OriginalObjects::default(),
            placeholders: WorldPlaceholders::new(names),
            memory: StepMemory::default(),
            barrier: WriteBarrier::default(),
            identities: TokenIdentities::default(),
            beginning: LogOffsets::default(),
            conversations: ProbeConversations::default(),
            planted,
            waiter,
            granted: None,
            turn,
            again,
        }
    }

    /// Tries it from beginning to end: its outcome, and whether the cluster is as it was before.
    pub(crate) async fn try_out(mut self) -> (WorldOutcome, bool) {
        let (id, world) = (self.case.id().to_owned(), self.case.world().to_owned());
        let namespace = self.namespace().to_owned();
        self.run.send_event(EngineEvent::WorldStarted {
            id: id.clone(),
            world: world.clone(),
            namespace,
        });
        let outcome = match self.missing_node() {
            Some(why) if self.run.cluster.host_access().is_none() => WorldOutcome::Skipped {
                why: why.in_one_line(),
            },
            Some(_) | None => match self.set_up().await {
                Ok(()) => self.take_steps().await,
                Err(why) => {
                    let why = self.planted.conceal_values(&why.in_one_line());
                    self.write_evidence("set-up", &why, None).await;
                    WorldOutcome::Broken { why }
                }
            },
        };
        if let Some(pauses) = self.run.options.pauses.as_ref().filter(|_| !self.again)
            && !is_as_expected(&outcome)
        {
            pauses.hold_world(&id, &world, self.namespace()).await;
        }
        let TornDown { left, is_as_before } = self.tear_down().await;
        for what in left {
            self.run.send_event(EngineEvent::LeftBehind {
                id: id.clone(),
                world: world.clone(),
                what,
            });
        }
        self.run.send_event(EngineEvent::WorldDone {
            id,
            world,
            outcome: outcome.clone(),
        });
        (outcome, is_as_before)
    }

    /// Its own namespace.
    pub(crate) fn namespace(&self) -> &str {
        self.placeholders.namespace()
    }

    /// For how long the step that is taken waits: as long as it says, or for the usual time.
    pub(crate) fn within(&self, usual: Duration) -> Duration {
        self.granted.unwrap_or(usual)
    }

    pub(crate) fn fill_text(&self, text: &str) -> String {
        self.placeholders.fill_text(text)
    }

    /// The namespace of a step's names.
    pub(crate) fn namespace_of(&self, step: &StepRequest<'_>) -> String {
        step.namespace
            .map_or_else(|| self.namespace().to_owned(), |name| self.fill_text(name))
    }

    /// Why the scenario cannot be tried here: it names a node by its number that the cluster lacks.
    fn missing_node(&self) -> Option<Error> {
        let node = self.case.missing_node(self.placeholders.names())?;
        Some(Error::unsupported(format!(
            "the scenario names `$({node})`, and this cluster does not have it"
        )))
    }

    /// Prepares for a policy with parameters; one whose type the server does not know needs
    /// nothing.
    pub(crate) async fn keep_policy_alive(&self, object: &Value) {
        let _ = make_keepalive(&self.run.sentinels, object).await;
    }

    /// Remembers what a request wrote: for the wait until it is in force, and for the world's end.
    pub(crate) fn note_write(&mut self, resource: &ApiResource, namespace: &str, reply: &ApiReply) {
        let Some(object) = reply_json(reply) else {
            return;
        };
        let Some(name) = object["metadata"]["name"].as_str() else {
            return;
        };
        let known = model::object_kind(&resource.api_version(), &resource.kind);
        if known.is_some_and(|kind| kind.isolation == KindIsolation::Question) {
            return; // it is not stored
        }
        if self
            .namespaces
            .note_object(resource, namespace, name, reply)
        {
            return; // one of its own, with labels that nothing has read before
        }
        self.barrier.add_object(WriteRecord {
            resource: resource.clone(),
            namespace: namespace.into(),
            name: name.into(),
            object: Some(object.clone()),
        });
    }

    /// Asks the API server again what it serves, where these may have changed it.
    fn note_served(&self, records: &[WriteRecord]) {
        let mut kinds = records.iter().map(|record| record.resource.kind.as_str());
        if kinds.any(|kind| kind == "CustomResourceDefinition") {
            self.run.discovery.forget_served();
        }
    }

    /// Where a step has waited for a workload of an addon, has what the world wrote for that addon
    /// waited for again: while the addon was away, nothing of it counted, and it learns of it again.
    fn wait_again_for_addon(&mut self, step: &StepRequest<'_>) {
        let namespace = self.namespace_of(step);
        let Some(addon) = self.case.addon_in(&namespace) else {
            return;
        };
        if matches!(step.action, Action::WaitRunning(_)) {
            self.barrier.wait_again(|record| {
                let (version, kind) = (record.resource.api_version(), &record.resource.kind);
                let known = model::object_kind(&version, kind);
                record.namespace == namespace
                    || known.is_some_and(|kind| kind.barrier == KindBarrier::Addon(addon.name))
            });
        }
    }

    /// Waits until everything that was written is in force.
    pub(crate) async fn wait_in_force(&mut self) -> Result<(), Error> {
        let mut pending = self.barrier.take_pending();
        let (sentinels, host_access) = (&self.run.sentinels, self.run.cluster.host_access());
        let waiter = self.waiter.granting(self.granted);
        let mut settled = wait_for_namespace_ends(&self.run.own, &waiter, &pending).await;
        let written = self.barrier.in_force().iter().chain(&pending);
        let ended = ended_with_namespaces(&pending, written);
        pending.extend(ended);
        self.note_served(&pending);
        if settled.is_ok() {
            settled = wait_in_force(
                sentinels,
                host_access,
                &waiter,
                &pending,
                self.barrier.in_force(),
            )
            .await;
        }
        if settled.is_ok() {
            let ended = self.identities.ended_tokens(&pending);
            settled = wait_for_token_end(sentinels, &waiter, &ended).await;
        }
        self.barrier.mark_passed(pending);
        settled
    }
}

/// Whether every cell is as expected, as far as the world was tried.
pub(crate) fn is_as_expected(outcome: &WorldOutcome) -> bool {
    match outcome {
        WorldOutcome::Tried(cells) => cells
            .values()
            .all(|cell| cell.status() == CellStatus::Passed),
        WorldOutcome::Broken { .. } => false,
        WorldOutcome::Skipped { .. } => true,
    }
}
