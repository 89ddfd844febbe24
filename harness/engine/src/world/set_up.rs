//! A world's beginning: its namespace, and its controls, until they are in force.

use std::time::Duration;

use api::{ApiCall, percent_encode, was_taken};
use model::ObjectManifest;
use serde_json::{Value, json};

use super::LiveWorld;
use crate::Error;
use crate::barriers::acts_at_once;
use crate::discovery::resource_of;
use crate::wait::{ConditionWait, WaitLook};

impl LiveWorld<'_> {
    /// Makes its namespace, applies its controls, and waits until they are in force.
    ///
    /// # Errors
    /// When something of it cannot be made, or does not come into force.
    pub(crate) async fn set_up(&mut self) -> Result<(), Error> {
        if let Some(why) = self.missing_node() {
            return Err(why);
        }
        self.note_offsets().await;
        let (own, others): (Vec<&ObjectManifest>, Vec<&ObjectManifest>) = self
            .case
            .controls()?
            .into_iter()
            .partition(|one| one.kind() == "Namespace" && one.name() == "$(namespace)");
        self.make_namespace(
            own.first()
                .map(|one| self.placeholders.fill_value(&one.object)),
        )
        .await?;
        for manifest in others {
            self.resolve_placeholders(&manifest.object.to_string())
                .await?;
            let object = self.placeholders.fill_value(&manifest.object);
            self.apply_manifest(&object).await?;
        }
        self.wait_in_force().await?;
        self.note_metrics().await
    }

    async fn make_namespace(&mut self, manifest: Option<Value>) -> Result<(), Error> {
        let mut object =
            manifest.unwrap_or_else(|| json!({"apiVersion": "v1", "kind": "Namespace"}));
        object["metadata"]["name"] = Value::from(self.namespace());
        let (area, name) = self
            .case
            .id()
            .split_once('/')
            .unwrap_or(("", self.case.id()));
        object["metadata"]["labels"]["gauntlet.dev/scenario"] =
            Value::from(label_value(&format!("{area}.{name}")));
        object["metadata"]["labels"]["gauntlet.dev/world"] =
            Value::from(label_value(self.case.world()));
        let reply = self
            .run
            .own
            .send_call(ApiCall::post("/api/v1/namespaces", object))
            .await
            .reply;
        if !was_taken(&reply) {
            return Err(Error::refused_reply(
                "the world's namespace could not be made",
                &reply,
            ));
        }
        let namespace = self.namespace().to_owned();
        self.account_in(&namespace).await
    }

    /// Pods need the ServiceAccount `default` and the cluster's certificates, which controllers
    /// make.
    async fn account_in(&self, namespace: &str) -> Result<(), Error> {
        let what =
            format!("the ServiceAccount default and the ConfigMap kube-root-ca.crt of {namespace}");
        let wait = ConditionWait {
            what: &what,
            within: Duration::from_secs(30),
            every: Duration::from_millis(15),
        };
        let home = format!("/api/v1/namespaces/{}", percent_encode(namespace));
        let account = format!("{home}/serviceaccounts/default");
        let certificates = format!("{home}/configmaps/kube-root-ca.crt");
        let own = &self.run.own;
        self.waiter
            .wait_until(wait, async || {
                match tokio::try_join!(
                    own.fetch_body(account.as_str()),
                    own.fetch_body(certificates.as_str())
                ) {
                    Ok(_) => WaitLook::Ready(()),
                    Err(said) => WaitLook::from(Error::from(said)),
                }
            })
            .await
    }

    /// Applies one manifest of the set-up, as administrator.
    async fn apply_manifest(&mut self, object: &Value) -> Result<(), Error> {
        self.keep_policy_alive(object).await;
        let resource = resource_of(&self.run.discovery, &self.run.own, object).await?;
        let namespace = object["metadata"]["namespace"]
            .as_str()
            .unwrap_or(self.namespace())
            .to_owned();
        if acts_at_once(&resource) {
            self.wait_in_force().await?;
        }
        let call = match object["metadata"]["name"].as_str() {
            Some(name) => ApiCall::apply(&resource.object_path(&namespace, name), object.clone()),
            None => ApiCall::post(resource.collection_path(Some(&namespace)), object.clone()),
        };
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        self.remember_original(&resource, &namespace, name).await;
        let reply = self.run.own.send_call(call).await.reply;
        if !was_taken(&reply) {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            return Err(Error::refused_reply(
                format!("the set-up's {} `{name}` was not taken", resource.kind),
                &reply,
            ));
        }
        let is_needed_now = resource.kind == "CustomResourceDefinition" || acts_at_once(&resource);
        self.note_write(&resource, &namespace, &reply);
        if resource.kind == "Namespace"
            && let Some(name) = object["metadata"]["name"].as_str()
        {
            self.account_in(name).await?;
        }
        if is_needed_now {
            self.wait_in_force().await
        } else {
            Ok(())
        }
    }
}

/// `text` as the value of a label: at most 63 characters, the last one a letter or digit.
fn label_value(text: &str) -> String {
    let short: String = text.chars().take(63).collect();
    short.trim_end_matches(['-', '.', '_']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::label_value;

    #[test]
    fn a_label_is_short_and_ends_with_a_letter() {
        assert_eq!(label_value("rbac.a-b"), "rbac.a-b");
        let long = label_value(&format!("{}-.tail", "x".repeat(61)));
        assert_eq!(long, "x".repeat(61));
    }
}
