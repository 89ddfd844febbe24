//! What an action gets: its step, without what is expected of it, and the world in which it is taken.

use api::{Call, Caller, encode};
use model::Target;
use serde_json::Value;

use super::{Object, Observation};
use crate::Error;
use crate::world::{StepRequest, World};

/// A step in its world.
pub(crate) struct StepContext<'s, 'w> {
    pub(crate) step: StepRequest<'s>,
    pub(crate) world: &'s mut World<'w>,
}

impl StepContext<'_, '_> {
    /// The namespace of the step's names.
    pub(crate) fn namespace(&self) -> String {
        self.world.namespace_of(&self.step)
    }

    /// `text` with its placeholders filled in.
    pub(crate) fn fill(&self, text: &str) -> String {
        self.world.fill(text)
    }

    /// The one who takes the step.
    pub(crate) async fn who(&mut self) -> Result<Caller, Error> {
        self.world.who(self.step.identity).await
    }

    /// The object that a target names in this step.
    pub(super) async fn object(&self, target: &Target) -> Result<Object, Error> {
        let resource = self
            .world
            .lab
            .discovery
            .called(&self.world.lab.own, &target.kind)
            .await?;
        Ok(Object {
            resource,
            namespace: self.namespace(),
            name: self.fill(&target.name),
        })
    }

    /// The only object of a manifest file, filled in.
    pub(super) fn manifest(&self, file: &str) -> Result<Value, Error> {
        Ok(self
            .world
            .placeholders
            .fill_value(&self.world.case.manifest(file)?.object))
    }

    /// The path of a pod's subresource.
    pub(super) fn pod_path(&self, pod: &str, subresource: &str) -> String {
        let (namespace, pod) = (self.namespace(), self.fill(pod));
        format!(
            "/api/v1/namespaces/{}/pods/{}/{subresource}",
            encode(&namespace),
            encode(&pod)
        )
    }

    /// Sends a request as the step's identity.
    pub(super) async fn send(&mut self, call: Call) -> Result<Observation, Error> {
        let who = self.who().await?;
        Ok(Observation::of(who.send(call.dry(self.step.dry_run)).await))
    }

    /// The same for one that writes.
    pub(super) async fn write(
        &mut self,
        object: &Object,
        call: Call,
    ) -> Result<Observation, Error> {
        let tried = self.send(call).await?;
        if tried.taken()
            && !self.step.dry_run
            && let Some(exchange) = &tried.exchange
        {
            self.world
                .wrote(&object.resource, &object.namespace, &exchange.reply);
        }
        Ok(tried)
    }
}
