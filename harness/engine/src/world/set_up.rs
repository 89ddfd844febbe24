//! A world's beginning: its namespace, and its controls, until they are in force.

use std::time::Duration;

use api::{Call, encode, taken};
use model::Manifest;
use serde_json::{Value, json};

use super::World;
use crate::Error;
use crate::discovery::resource_of;
use crate::settle::acts_at_once;
use crate::wait::{Look, Wait};

impl World<'_> {
    /// Makes its namespace, applies its controls, and waits until they are in force.
    ///
    /// # Errors
    /// When something of it cannot be made, or does not come into force.
    pub(crate) async fn set_up(&mut self) -> Result<(), Error> {
        if let Some(why) = self.missing_node() {
            return Err(why);
        }
        self.begin().await;
        let (own, others): (Vec<&Manifest>, Vec<&Manifest>) = self
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
            self.learn(&manifest.object.to_string()).await?;
            let object = self.placeholders.fill_value(&manifest.object);
            self.apply(&object).await?;
        }
        self.settle().await?;
        self.scrape().await
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
            Value::from(label(&format!("{area}.{name}")));
        object["metadata"]["labels"]["gauntlet.dev/world"] = Value::from(label(self.case.world()));
        let reply = self
            .lab
            .own
            .send(Call::post("/api/v1/namespaces", object))
            .await
            .reply;
        if !taken(&reply) {
            return Err(Error::refused(
                "the world's namespace could not be made",
                &reply,
            ));
        }
        let namespace = self.namespace().to_owned();
        self.account_in(&namespace).await
    }

    /// Pods need the ServiceAccount `default` and the cluster's certificates, which controllers make.
    async fn account_in(&self, namespace: &str) -> Result<(), Error> {
        let what =
            format!("the ServiceAccount default and the ConfigMap kube-root-ca.crt of {namespace}");
        let wait = Wait {
            what: &what,
            within: Duration::from_secs(30),
            every: Duration::from_millis(15),
        };
        let home = format!("/api/v1/namespaces/{}", encode(namespace));
        let account = format!("{home}/serviceaccounts/default");
        let certificates = format!("{home}/configmaps/kube-root-ca.crt");
        let own = &self.lab.own;
        self.waiter
            .until(wait, async || {
                match tokio::try_join!(
                    own.fetch(account.as_str()),
                    own.fetch(certificates.as_str())
                ) {
                    Ok(_) => Look::Ready(()),
                    Err(said) => Look::from(Error::from(said)),
                }
            })
            .await
    }

    /// Applies one manifest of the set-up, as administrator.
    async fn apply(&mut self, object: &Value) -> Result<(), Error> {
        self.anchor(object).await;
        let resource = resource_of(&self.lab.discovery, &self.lab.own, object).await?;
        let namespace = object["metadata"]["namespace"]
            .as_str()
            .unwrap_or(self.namespace())
            .to_owned();
        if acts_at_once(&resource) {
            self.settle().await?;
        }
        let call = match object["metadata"]["name"].as_str() {
            Some(name) => Call::apply(&resource.object(&namespace, name), object.clone()),
            None => Call::post(resource.collection(Some(&namespace)), object.clone()),
        };
        let reply = self.lab.own.send(call).await.reply;
        if !taken(&reply) {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            return Err(Error::refused(
                format!("the set-up's {} `{name}` was not taken", resource.kind),
                &reply,
            ));
        }
        let is_needed_now = resource.kind == "CustomResourceDefinition" || acts_at_once(&resource);
        self.wrote(&resource, &namespace, &reply);
        if resource.kind == "Namespace"
            && let Some(name) = object["metadata"]["name"].as_str()
        {
            self.account_in(name).await?;
        }
        if is_needed_now {
            self.settle().await
        } else {
            Ok(())
        }
    }
}

/// `text` as the value of a label: at most 63 characters, the last one a letter or digit.
fn label(text: &str) -> String {
    let short: String = text.chars().take(63).collect();
    short.trim_end_matches(['-', '.', '_']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn a_label_is_short_and_ends_with_a_letter() {
        assert_eq!(label("rbac.a-b"), "rbac.a-b");
        let long = label(&format!("{}-.tail", "x".repeat(61)));
        assert_eq!(long, "x".repeat(61));
    }
}
