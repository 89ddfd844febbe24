//! Many Secrets at once, and whether they are all still there as they were.

use std::collections::{BTreeMap, BTreeSet};

use api::{ApiCall, percent_encode, was_taken};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Answer, StorageSeal};
use serde_json::json;

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::world::LiveWorld;

/// What their names begin with.
const NAME_PREFIX: &str = "many-";

/// The canary that every value is made of.
const MANY_CANARY: &str = "many";

pub(in crate::actions) async fn fill_up(
    cx: &mut StepContext<'_, '_>,
    count: u16,
) -> Result<Observation, Error> {
    let path = format!(
        "/api/v1/namespaces/{}/secrets",
        percent_encode(&cx.namespace())
    );
    for index in cx.world.memory.filled..count {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret_name(index)},
            "data": {"value": cx.world.secret_value(index)}});
        let exchange = cx
            .world
            .run
            .own
            .send_call(ApiCall::post(path.as_str(), secret))
            .await;
        if !was_taken(&exchange.reply) {
            return Ok(Observation::from_exchange(exchange));
        }
        cx.world.memory.filled = index + 1;
    }
    Ok(Observation::from_answer(Answer::Done))
}

pub(in crate::actions) async fn survey_secrets(
    cx: &StepContext<'_, '_>,
) -> Result<Observation, Error> {
    let namespace = cx.namespace();
    let mut lost = BTreeSet::new();
    for index in 0..cx.world.memory.filled {
        let path = format!(
            "/api/v1/namespaces/{}/secrets/{}",
            percent_encode(&namespace),
            secret_name(index)
        );
        let got = cx.world.run.own.fetch_body(path).await;
        if !got.is_ok_and(|secret| secret["data"]["value"] == cx.world.secret_value(index)) {
            lost.insert(secret_name(index));
        }
    }
    let folder = format!("/registry/secrets/{namespace}/");
    let mut by_seal: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (key, bytes) in cx
        .world
        .stored_below(&format!("{folder}{NAME_PREFIX}"))
        .await?
    {
        let key = String::from_utf8_lossy(&key).into_owned();
        by_seal
            .entry(seal_text(&bytes))
            .or_default()
            .insert(key.trim_start_matches(&folder).to_owned());
    }
    let seals = by_seal.keys().cloned().collect::<Vec<_>>().join(", ");
    if lost.is_empty() {
        return Ok(Observation::from_answer(Answer::Intact).with_fact("encrypted-with", seals));
    }
    let lost = describe_lost(&lost, &by_seal);
    Ok(Observation::from_answer(Answer::Damaged)
        .with_fact("encrypted-with", seals)
        .with_fact("lost", lost))
}

impl LiveWorld<'_> {
    fn secret_value(&self, index: u16) -> String {
        STANDARD.encode(format!(
            "{}-{index}",
            self.planted.canary_value(MANY_CANARY)
        ))
    }
}

/// Which are lost. How far a rewrite came before it was killed is another number each time, so
/// where it is just those of one seal, that is said instead of their names.
fn describe_lost(lost: &BTreeSet<String>, by_seal: &BTreeMap<String, BTreeSet<String>>) -> String {
    match by_seal.iter().find(|(_, names)| *names == lost) {
        Some((seal, _)) => format!("all that are encrypted with {seal}, and no other"),
        None => lost.iter().cloned().collect::<Vec<_>>().join(", "),
    }
}

fn secret_name(index: u16) -> String {
    format!("{NAME_PREFIX}{index}")
}

fn seal_text(bytes: &[u8]) -> String {
    StorageSeal::read_seal(bytes)
        .map_or_else(|| "nothing".into(), |(seal, name)| format!("{seal} {name}"))
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
            describe_lost(&names(&["c", "d"]), &by_seal),
            "all that are encrypted with old, and no other"
        );
        assert_eq!(describe_lost(&names(&["c"]), &by_seal), "c");
        assert_eq!(describe_lost(&names(&["b", "c", "d"]), &by_seal), "b, c, d");
    }
}
