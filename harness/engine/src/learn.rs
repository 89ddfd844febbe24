//! What placeholders stand for that is only known once the world runs: keys, roots, digests.

use std::collections::BTreeSet;

use cluster::Toolbox;
use model::{Install, Step, TrustedRoot};

use crate::world::World;

/// Why a root or key of the box's services stands for nothing.
const NOBODY: &str = "the box has neither a certificate authority nor a log";

/// Host and port of the registry, and of its front, in a world with these installs.
pub(crate) fn addresses(install: &BTreeSet<Install>) -> (&'static str, &'static str) {
    if install.contains(&Install::PlainRegistry) {
        (Toolbox::PLAIN_REGISTRY, Toolbox::FRONT)
    } else if install.contains(&Install::Registry) {
        (Toolbox::REGISTRY, Toolbox::FRONT)
    } else {
        ("", "")
    }
}

impl World<'_> {
    /// Finds out what the placeholders stand for in a step and in what it sends.
    ///
    /// # Errors
    /// When one of them stands for nothing yet.
    pub(crate) async fn learn_for(&mut self, step: &Step) -> Result<(), String> {
        let mut text = serde_json::to_string(&step.action).unwrap_or_default();
        for file in step.action.files() {
            let manifests = self.scenario.manifests.get(file).into_iter().flatten();
            text.extend(manifests.map(|manifest| manifest.object.to_string()));
        }
        self.learn(&text).await
    }

    /// The same for any text.
    pub(crate) async fn learn(&mut self, text: &str) -> Result<(), String> {
        for name in self.names.missing(text) {
            let stands_for = self.stands_for(&name).await?;
            self.names.texts.insert(name, stands_for);
        }
        Ok(())
    }

    async fn stands_for(&self, name: &str) -> Result<String, String> {
        let unknown = || Err(format!("`$({name})` stands for nothing here: no step has put it there yet"));
        let (kind, rest) = name.split_once(':').unwrap_or((name, ""));
        if !matches!(
            kind,
            "key" | "fulcio-root" | "rekor-key" | "short-lived-root" | "trusted-root" | "tsa-chain" | "tuf-root"
        ) {
            return unknown();
        }
        let (toolbox, material) = (self.toolbox()?, &self.lab.material);
        Ok(match kind {
            "key" => material.key(toolbox, rest).await?,
            "short-lived-root" => material.authority().await?.certificate(),
            "trusted-root" => material.trusted_root_text(toolbox, &TrustedRoot::Box).await?,
            "tuf-root" => toolbox.tuf_root().ok_or("nothing here serves a TUF repository")?,
            "fulcio-root" => material.served(toolbox).await?.fulcio.clone().ok_or(NOBODY)?,
            "rekor-key" => material.served(toolbox).await?.log.clone().ok_or(NOBODY)?,
            _ => material.served(toolbox).await?.timestamps.clone().ok_or(NOBODY)?,
        })
    }
}
