//! Steps on one pod: eviction, binding, ephemeral containers.

use model::Step;
use serde_json::{Value, json};

use super::Tried;
use crate::Error;
use crate::request::{Call, encode};
use crate::world::World;

impl World<'_> {
    pub(super) async fn evict(&mut self, step: &Step, pod: &str) -> Result<Tried, Error> {
        let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": self.fill(pod)}});
        let call = Call::post(self.pod(step, pod, "eviction"), eviction);
        self.ask(step, call).await
    }

    pub(super) async fn bind(&mut self, step: &Step, pod: &str, node: &str) -> Result<Tried, Error> {
        let target = json!({"apiVersion": "v1", "kind": "Node", "name": self.fill(node)});
        let metadata = json!({"name": self.fill(pod)});
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target});
        let call = Call::post(self.pod(step, pod, "binding"), binding);
        self.ask(step, call).await
    }

    pub(super) async fn ephemeral_container(&mut self, step: &Step, pod: &str, with: &str) -> Result<Tried, Error> {
        let patch = json!({"spec": {"ephemeralContainers": [self.manifest(with)?]}});
        let media = "application/strategic-merge-patch+json";
        let call = Call::patch(self.pod(step, pod, "ephemeralcontainers"), media, patch);
        self.ask(step, call).await
    }

    /// The path of a pod's subresource.
    pub(super) fn pod(&self, step: &Step, pod: &str, subresource: &str) -> String {
        let (namespace, pod) = (self.namespace_of(step), self.fill(pod));
        format!("/api/v1/namespaces/{}/pods/{}/{subresource}", encode(&namespace), encode(&pod))
    }

    /// Sends a request as the step's identity.
    pub(super) async fn ask(&mut self, step: &Step, call: Call) -> Result<Tried, Error> {
        let who = self.who(step.identity.as_ref()).await?;
        Ok(Tried::of(who.send(call.dry(step.dry_run)).await))
    }

    pub(super) async fn token(
        &mut self,
        step: &Step,
        account: &str,
        audiences: &[String],
        pod: Option<&str>,
    ) -> Result<Tried, Error> {
        let (namespace, account) = (self.namespace_of(step), self.fill(account));
        let path = format!("/api/v1/namespaces/{}/serviceaccounts/{}/token", encode(&namespace), encode(&account));
        let audiences: Vec<String> = audiences.iter().map(|audience| self.fill(audience)).collect();
        let mut spec = if audiences.is_empty() { json!({}) } else { json!({"audiences": audiences}) };
        let pod = pod.map(|pod| self.fill(pod));
        if let Some(pod) = &pod {
            spec["boundObjectRef"] = json!({"apiVersion": "v1", "kind": "Pod", "name": pod});
        }
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
        let tried = self.ask(step, Call::post(path, body)).await?;
        let given = tried.exchange.as_ref().and_then(|exchange| crate::request::json(&exchange.reply));
        if let (Some(pod), Some(token)) = (pod, given.and_then(|body| body["status"]["token"].as_str())) {
            self.keep_token(namespace, account, pod, token)?;
        }
        let spec = tried.exchange.as_ref().and_then(|exchange| crate::request::json(&exchange.reply));
        let given: Vec<&str> = spec
            .and_then(|body| body["spec"]["audiences"].as_array())
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let given = given.join(", ");
        Ok(if given.is_empty() { tried } else { tried.fact("audiences", given) })
    }
}
