//! What an action gets: its step, without what is expected of it, and the world in which it is
//! taken.

use api::{ApiCall, ApiCaller, percent_encode};
use model::ObjectTarget;
use serde_json::Value;

use super::{Observation, TargetObject};
use crate::Error;
use crate::discovery::ApiResource;
use crate::started::takes_pods_along;
use crate::world::{LiveWorld, StepRequest};

/// A step in its world.
pub(crate) struct StepContext<'s, 'w> {
    pub(crate) step: StepRequest<'s>,
    pub(crate) world: &'s mut LiveWorld<'w>,
}

impl StepContext<'_, '_> {
    /// The namespace of the step's names.
    pub(crate) fn namespace(&self) -> String {
        self.world.namespace_of(&self.step)
    }

    /// `text` with its placeholders filled in.
    pub(crate) fn fill_text(&self, text: &str) -> String {
        self.world.fill_text(text)
    }

    /// The requester of the step. Whoever watches the run is told of its requests.
    pub(crate) async fn requester(&mut self) -> Result<ApiCaller, Error> {
        let listener = Some(self.world.request_listener(self.step.id));
        let who = self.world.requester_for(self.step.identity).await?;
        Ok(ApiCaller { listener, ..who })
    }

    /// The resource that is called so, with its placeholders filled in: a group can be the world's
    /// own.
    pub(crate) async fn resource(&self, name: &str) -> Result<ApiResource, Error> {
        let (run, name) = (self.world.run, self.fill_text(name));
        run.discovery.find_by_name(&run.own, &name).await
    }

    /// The object that a target names in this step.
    pub(crate) async fn target_object(&self, target: &ObjectTarget) -> Result<TargetObject, Error> {
        Ok(TargetObject {
            resource: self.resource(&target.kind).await?,
            namespace: self.namespace(),
            name: self.fill_text(&target.name),
        })
    }

    /// The only object of a manifest file, filled in.
    pub(super) fn single_manifest(&self, file: &str) -> Result<Value, Error> {
        Ok(self
            .world
            .placeholders
            .fill_value(&self.world.case.manifest(file)?.object))
    }

    /// The path of a pod's subresource.
    pub(super) fn pod_path(&self, pod: &str, subresource: &str) -> String {
        let (namespace, pod) = (self.namespace(), self.fill_text(pod));
        format!(
            "/api/v1/namespaces/{}/pods/{}/{subresource}",
            percent_encode(&namespace),
            percent_encode(&pod)
        )
    }

    /// Sends a request as the step's identity.
    pub(super) async fn send_request(&mut self, call: ApiCall) -> Result<Observation, Error> {
        let who = self.requester().await?;
        Ok(Observation::from_exchange(
            who.send_call(call.dry_run(self.step.dry_run)).await,
        ))
    }

    /// The same for one that carries an object, or a part of one. Fields that the API server does
    /// not know are refused, unless the step lets it drop them.
    pub(super) async fn send_object(&mut self, call: ApiCall) -> Result<Observation, Error> {
        let call = if self.step.drops_unknown {
            call
        } else {
            call.with_query("fieldValidation", "Strict")
        };
        self.send_request(call).await
    }

    /// Remembers an object as it is before the step changes it.
    pub(super) async fn remember(&mut self, object: &TargetObject) {
        if !self.step.dry_run {
            self.world
                .remember_original(&object.resource, &object.namespace, &object.name)
                .await;
        }
    }

    /// Sends an object that is written, and notes what came of it.
    pub(super) async fn send_write(
        &mut self,
        object: &TargetObject,
        call: ApiCall,
    ) -> Result<Observation, Error> {
        self.remember(object).await;
        let tried = self.send_object(call).await?;
        if tried.was_taken()
            && !self.step.dry_run
            && let Some(exchange) = &tried.exchange
        {
            self.world
                .note_write(&object.resource, &object.namespace, &exchange.reply);
            self.note_rescaled(object, &tried);
        }
        Ok(tried)
    }

    /// Notes that a workload was changed: it may have fewer pods in a while.
    pub(super) fn note_rescaled(&mut self, object: &TargetObject, tried: &Observation) {
        if tried.was_taken() && !self.step.dry_run && takes_pods_along(&object.resource) {
            self.world.barrier.note_rescaled(&object.namespace);
        }
    }
}
