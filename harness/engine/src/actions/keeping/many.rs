//! Many Secrets at once, and whether they are all still there as they were.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Answer, Seal, Step, Why};
use serde_json::json;

use crate::actions::Tried;
use crate::request::{Call, encode, taken};
use crate::world::World;

/// What their names begin with.
const PREFIX: &str = "many-";

/// The canary that every value is made of.
const CANARY: &str = "many";

impl World<'_> {
    pub(in crate::actions) async fn fill_up(&mut self, step: &Step, count: u16) -> Result<Tried, String> {
        let path = format!("/api/v1/namespaces/{}/secrets", encode(&self.namespace_of(step)));
        for index in self.filled..count {
            let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name(index)},
                "data": {"value": self.value(index)}});
            let exchange = self.lab.own.send(Call::post(path.as_str(), secret)).await;
            if !taken(&exchange.reply) {
                return Ok(Tried::of(exchange));
            }
            self.filled = index + 1;
        }
        Ok(Tried::answer(Answer::Made))
    }

    pub(in crate::actions) async fn survey(&self, step: &Step) -> Result<Tried, String> {
        let namespace = self.namespace_of(step);
        let mut lost = Vec::new();
        for index in 0..self.filled {
            let path = format!("/api/v1/namespaces/{}/secrets/{}", encode(&namespace), name(index));
            let got = self.lab.own.fetch(path).await;
            if !got.is_ok_and(|secret| secret["data"]["value"] == self.value(index)) {
                lost.push(name(index));
            }
        }
        let stored = self.stored_below(&format!("/registry/secrets/{namespace}/{PREFIX}")).await?;
        let seals: BTreeSet<String> = stored.iter().map(|bytes| seal(bytes)).collect();
        let seals = seals.into_iter().collect::<Vec<_>>().join(", ");
        if lost.is_empty() {
            return Ok(Tried::answer(Answer::Verified).fact("sealed with", seals));
        }
        Ok(Tried::answer(Answer::Rejected { why: Why::Lost }).fact("sealed with", seals).fact("lost", lost.join(", ")))
    }

    fn value(&self, index: u16) -> String {
        STANDARD.encode(format!("{}-{index}", self.planted.canary(CANARY)))
    }
}

fn name(index: u16) -> String {
    format!("{PREFIX}{index}")
}

fn seal(bytes: &[u8]) -> String {
    Seal::of(bytes).map_or_else(|| "nothing".into(), |(seal, name)| format!("{seal} {name}"))
}
