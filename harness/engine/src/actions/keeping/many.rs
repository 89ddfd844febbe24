//! Many Secrets at once, and whether they are all still there as they were.

use std::collections::{BTreeMap, BTreeSet};

use api::{Call, encode, taken};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Answer, Seal, Why};
use serde_json::json;

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::world::World;

/// What their names begin with.
const PREFIX: &str = "many-";

/// The canary that every value is made of.
const CANARY: &str = "many";

pub(in crate::actions) async fn fill_up(
    cx: &mut StepContext<'_, '_>,
    count: u16,
) -> Result<Observation, Error> {
    let path = format!("/api/v1/namespaces/{}/secrets", encode(&cx.namespace()));
    for index in cx.world.memory.filled..count {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name(index)},
            "data": {"value": cx.world.value(index)}});
        let exchange = cx
            .world
            .lab
            .own
            .send(Call::post(path.as_str(), secret))
            .await;
        if !taken(&exchange.reply) {
            return Ok(Observation::of(exchange));
        }
        cx.world.memory.filled = index + 1;
    }
    Ok(Observation::answer(Answer::Made))
}

pub(in crate::actions) async fn survey(cx: &StepContext<'_, '_>) -> Result<Observation, Error> {
    let namespace = cx.namespace();
    let mut lost = BTreeSet::new();
    for index in 0..cx.world.memory.filled {
        let path = format!(
            "/api/v1/namespaces/{}/secrets/{}",
            encode(&namespace),
            name(index)
        );
        let got = cx.world.lab.own.fetch(path).await;
        if !got.is_ok_and(|secret| secret["data"]["value"] == cx.world.value(index)) {
            lost.insert(name(index));
        }
    }
    let folder = format!("/registry/secrets/{namespace}/");
    let mut by_seal: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (key, bytes) in cx.world.stored_below(&format!("{folder}{PREFIX}")).await? {
        let key = String::from_utf8_lossy(&key).into_owned();
        by_seal
            .entry(seal(&bytes))
            .or_default()
            .insert(key.trim_start_matches(&folder).to_owned());
    }
    let seals = by_seal.keys().cloned().collect::<Vec<_>>().join(", ");
    if lost.is_empty() {
        return Ok(Observation::answer(Answer::Verified).fact("sealed with", seals));
    }
    let lost = described(&lost, &by_seal);
    Ok(Observation::answer(Answer::Rejected { why: Why::Lost })
        .fact("sealed with", seals)
        .fact("lost", lost))
}

impl World<'_> {
    fn value(&self, index: u16) -> String {
        STANDARD.encode(format!("{}-{index}", self.planted.canary(CANARY)))
    }
}

/// Which are lost. How far a rewrite came before it was killed is another number each time, so where it is just those of
/// one seal, that is said instead of their names.
fn described(lost: &BTreeSet<String>, by_seal: &BTreeMap<String, BTreeSet<String>>) -> String {
    match by_seal.iter().find(|(_, names)| *names == lost) {
        Some((seal, _)) => format!("all that are sealed with {seal}, and no other"),
        None => lost.iter().cloned().collect::<Vec<_>>().join(", "),
    }
}

fn name(index: u16) -> String {
    format!("{PREFIX}{index}")
}

fn seal(bytes: &[u8]) -> String {
    Seal::of(bytes).map_or_else(|| "nothing".into(), |(seal, name)| format!("{seal} {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lost_are_told_by_their_seal_only_where_it_is_exactly_those() {
        let names = |all: &[&str]| {
            all.iter()
                .map(|name| (*name).to_owned())
                .collect::<BTreeSet<_>>()
        };
        let by_seal = BTreeMap::from([
            ("new".to_owned(), names(&["a", "b"])),
            ("old".to_owned(), names(&["c", "d"])),
        ]);
        assert_eq!(
            described(&names(&["c", "d"]), &by_seal),
            "all that are sealed with old, and no other"
        );
        assert_eq!(described(&names(&["c"]), &by_seal), "c");
        assert_eq!(described(&names(&["b", "c", "d"]), &by_seal), "b, c, d");
    }
}
