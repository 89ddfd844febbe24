//! What placeholders stand for that is only known once the world runs: keys, roots, digests.

use std::collections::BTreeSet;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cluster::HostAccess;
use flate2::Compression;
use flate2::write::GzEncoder;
use model::addons::{plain_registry, private_registry, registry};
use model::{AddonInstall, TrustedRoot, includes_addon};
use serde_json::json;

use crate::Error;
use crate::world::{LiveWorld, StepRequest};

/// Why a root or key of the box's services stands for nothing.
const NO_SIGNING_SERVICES: &str = "the box has neither a certificate authority nor a log";

/// Host and port of the registry, and of its front, in a world with these installs.
pub(crate) fn registry_addresses(install: &BTreeSet<AddonInstall>) -> (&'static str, &'static str) {
    if includes_addon(install, &plain_registry::ADDON) {
        (HostAccess::PLAIN_REGISTRY, HostAccess::FRONT)
    } else if includes_addon(install, &registry::ADDON) {
        (HostAccess::REGISTRY, HostAccess::FRONT)
    } else {
        ("", "")
    }
}

/// What Helm stores of a release in a Secret's `release` key: its JSON, compressed, in base64
/// (helm.sh/helm, `pkg/storage/driver`). It holds the values that were given.
fn helm_release(password: &str) -> std::io::Result<String> {
    let release = json!({"name": "app", "version": 1, "namespace": "default", "config": {"password": password},
        "info": {"status": "deployed"}, "chart": {"metadata": {"name": "app", "version": "0.1.0"}}});
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(release.to_string().as_bytes())?;
    Ok(STANDARD.encode(encoder.finish()?))
}

/// What a Secret of the type `kubernetes.io/dockerconfigjson` holds for this registry.
fn pull_config(host: &str) -> String {
    let (name, password) = (private_registry::USER_NAME, private_registry::USER_PASSWORD);
    let both = STANDARD.encode(format!("{name}:{password}"));
    json!({ "auths": { host: { "username": name, "password": password, "auth": both } } })
        .to_string()
}

impl LiveWorld<'_> {
    /// Finds out what the placeholders stand for in a step and in what it sends.
    ///
    /// # Errors
    /// When one of them stands for nothing yet.
    pub(crate) async fn learn_for(&mut self, step: &StepRequest<'_>) -> Result<(), Error> {
        self.placeholders.forget_addresses();
        let mut text = serde_json::to_string(step.action).unwrap_or_default();
        for file in step.action.facts().reads {
            let manifests = self.case.manifests_in(file).iter();
            text.extend(manifests.map(|manifest| manifest.object.to_string()));
        }
        self.resolve_placeholders(&text).await
    }

    /// The same for any text.
    pub(crate) async fn resolve_placeholders(&mut self, text: &str) -> Result<(), Error> {
        for name in self.placeholders.missing_names(text) {
            let stands_for = self.stands_for(&name).await?;
            self.placeholders.set_value(name, stands_for);
        }
        Ok(())
    }

    /// Values that are made when they are first named.
    fn made_up(&self, name: &str) -> Result<Option<String>, Error> {
        let (kind, rest) = name.split_once(':').unwrap_or((name, ""));
        Ok(Some(match kind {
            "canary" => self.planted.canary_value(rest),
            "helm-release" => helm_release(&self.planted.canary_value(rest))
                .map_err(|fault| Error::io("cannot write a Helm release", fault))?,
            "kms" => cluster::kms_endpoint(rest),
            "sealing-key" => {
                let key = self.run.cluster.sealing_keys().key(rest);
                self.planted.hide_value("sealing-key", rest, &key);
                key
            }
            _ => return Ok(None),
        }))
    }

    /// What is said of the registry that wants credentials.
    fn private_text(&self, name: &str) -> Result<Option<String>, Error> {
        let host = HostAccess::PRIVATE_REGISTRY;
        let text = match name {
            "private-registry" => host.to_owned(),
            "pull-config" => pull_config(host),
            _ => return Ok(None),
        };
        if self.case.has_addon(&private_registry::ADDON) {
            Ok(Some(text))
        } else {
            Err(Error::unsupported("no registry here wants credentials"))
        }
    }

    async fn stands_for(&self, name: &str) -> Result<String, Error> {
        if let Some(text) = self.made_up(name)? {
            return Ok(text);
        }
        let nothing = format!("`$({name})` has no value here");
        let (kind, rest) = name.split_once(':').unwrap_or((name, ""));
        if model::is_address(name) {
            return self
                .placeholder_address(kind, rest)
                .await
                .map_err(|why| why.during_task(nothing));
        }
        if let Some(text) = self.private_text(kind)? {
            return Ok(text);
        }
        if !matches!(
            kind,
            "key"
                | "certificate"
                | "expired-certificate"
                | "fulcio-root"
                | "rekor-key"
                | "short-lived-root"
                | "trusted-root"
                | "tsa-chain"
                | "tuf-root"
        ) {
            return Err(Error::scenario(format!(
                "{nothing}: no step has put it there yet"
            )));
        }
        let (host_access, material) = (self.host_access()?, &self.run.material);
        let nobody = || Error::unsupported(NO_SIGNING_SERVICES);
        Ok(match kind {
            "key" => material.key_pair(host_access, rest).await?,
            "certificate" | "expired-certificate" => {
                let key = material.key_pair(host_access, rest).await?;
                let authority = material.authority().await?;
                authority.certify_key(&key, rest, kind == "expired-certificate")?
            }
            "short-lived-root" => material.authority().await?.certificate(),
            "trusted-root" => {
                material
                    .trusted_root_text(host_access, &TrustedRoot::Box)
                    .await?
            }
            "tuf-root" => host_access
                .tuf_root()
                .ok_or_else(|| Error::unsupported("nothing here serves a TUF repository"))?,
            "fulcio-root" => material
                .served_trust(host_access)
                .await?
                .fulcio
                .clone()
                .ok_or_else(nobody)?,
            "rekor-key" => material
                .served_trust(host_access)
                .await?
                .log
                .clone()
                .ok_or_else(nobody)?,
            _ => material
                .served_trust(host_access)
                .await?
                .timestamps
                .clone()
                .ok_or_else(nobody)?,
        })
    }
}
