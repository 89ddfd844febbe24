//! Rotating a value and watching how it gets about: each place is looked at by itself, from the moment of the change.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use api::{Call, MERGE, encode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use model::{Answer, Followed, Rotate, Watched};
use probe_protocol::{ProbeAnswer, Request};
use serde_json::{Map, Value, json};

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::conversation::unfit;
use crate::discovery::fetch;
use crate::wait::{Look, Wait};

/// From one look at a place to the next: the least. Where much time is given, looks are a hundredth of it apart.
const EVERY: Duration = Duration::from_millis(50);

/// How long a place may take to show the value that it had before.
const BEFORE: Duration = Duration::from_secs(10);

/// What became of each place, by its name.
pub(crate) type Rotation = HashMap<String, Place>;

/// What became of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It had the new value after this long.
    Followed(Duration),
    /// It still had the old one at the end.
    Stayed,
    /// Neither could be seen there.
    Lost(String),
}

pub(in crate::actions) async fn rotate(
    cx: &mut StepContext<'_, '_>,
    rotate: &Rotate,
) -> Result<Observation, Error> {
    let path = format!(
        "/api/v1/namespaces/{}/secrets/{}",
        encode(&cx.namespace()),
        encode(&rotate.secret)
    );
    let secret = cx.world.lab.own.fetch(path.as_str()).await?;
    let old = secret["data"][&rotate.key]
        .as_str()
        .and_then(|text| STANDARD.decode(text).ok());
    let old = old
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_default();
    if old.is_empty() {
        let none = format!(
            "the Secret `{}` has no value to rotate at `{}`",
            rotate.secret, rotate.key
        );
        return Err(Error::scenario(none));
    }
    for (name, place) in &rotate.watch {
        shows_before(cx, name, place, &old).await?;
    }
    let new = cx.world.planted.canary(&rotate.to);
    let data = Map::from_iter([(rotate.key.clone(), Value::from(STANDARD.encode(&new)))]);
    let who = cx.who().await?;
    let tried = Observation::of(
        who.send(Call::patch(path, MERGE, json!({"data": data})))
            .await,
    );
    if !tried.taken() {
        return Ok(tried);
    }
    let began = Instant::now();
    let within = Duration::from_secs(u64::from(rotate.within));
    let shared = &*cx;
    let watches = rotate.watch.iter().map(async |(name, place)| {
        (
            name.clone(),
            watched(shared, place, (&old, &new), began, within).await,
        )
    });
    let rotation: Rotation = join_all(watches).await.into_iter().collect();
    let order = order(&rotation);
    cx.world.memory.keep_rotation(cx.step.id, rotation);
    Ok(tried.fact("order", order))
}

/// A place that never showed the old value would show nothing by not showing the new one.
async fn shows_before(
    cx: &StepContext<'_, '_>,
    name: &str,
    place: &Watched,
    old: &str,
) -> Result<(), Error> {
    let what = format!("the place `{name}` to show the old value");
    let wait = Wait {
        what: &what,
        within: BEFORE,
        every: EVERY,
    };
    cx.world
        .waiter
        .until(wait, async || match at(cx, place).await {
            Ok(bytes) if model::find_canary(&bytes, old).is_some() => Look::Ready(()),
            Ok(_) => Look::NotYet("another value".into()),
            Err(why) => Look::from(why),
        })
        .await
}

async fn watched(
    cx: &StepContext<'_, '_>,
    place: &Watched,
    (old, new): (&str, &str),
    began: Instant,
    within: Duration,
) -> Place {
    let mut last = Place::Lost("it was never looked at".into());
    let wait = Wait {
        what: "the place to follow",
        within,
        every: EVERY.max(within / 100),
    };
    let waited = cx
        .world
        .waiter
        .until(wait, async || {
            last = match at(cx, place).await {
                Ok(bytes) if model::find_canary(&bytes, new).is_some() => {
                    return Look::Ready(began.elapsed());
                }
                Ok(bytes) if model::find_canary(&bytes, old).is_some() => Place::Stayed,
                Ok(_) => Place::Lost("neither value is there".into()),
                Err(why) => Place::Lost(why.in_one_line()),
            };
            Look::NotYet("it has not".into())
        })
        .await;
    waited.map_or(last, Place::Followed)
}

/// What a place holds now.
async fn at(cx: &StepContext<'_, '_>, place: &Watched) -> Result<Vec<u8>, Error> {
    let (pod, file) = match place {
        Watched::Object(target) => {
            let resource = cx
                .world
                .lab
                .discovery
                .called(&cx.world.lab.own, &target.kind)
                .await?;
            let object = fetch(
                &cx.world.lab.own,
                &resource,
                &cx.namespace(),
                &cx.fill(&target.name),
            )
            .await?;
            return Ok(object.to_string().into_bytes());
        }
        Watched::File { pod, path } => (pod, path.as_str()),
        Watched::Environment { pod } => (pod, "/proc/1/environ"),
    };
    let pod = cx.world.teller(&cx.namespace(), &cx.fill(pod)).await?;
    let ask = Request::Cat(cx.fill(file));
    match cx.world.asked(&pod, ask, Duration::ZERO, |_| {}).await? {
        ProbeAnswer::File(bytes) => Ok(bytes),
        other => Err(unfit(&other)),
    }
}

pub(in crate::actions) fn followed(
    cx: &StepContext<'_, '_>,
    followed: &Followed,
) -> Result<Observation, Error> {
    match cx.world.memory.place(followed)? {
        Place::Followed(after) => Ok(Observation::answer(Answer::Seen).figure("after", *after)),
        Place::Stayed => Ok(Observation::answer(Answer::Unseen).fact("holds", "the old value")),
        Place::Lost(why) => Err(Error::unexpected(why.as_str())),
    }
}

/// The places in the order in which they followed.
fn order(rotation: &Rotation) -> String {
    let mut followed: Vec<(&Duration, &String)> = rotation
        .iter()
        .filter_map(|(name, place)| match place {
            Place::Followed(after) => Some((after, name)),
            _ => None,
        })
        .collect();
    followed.sort();
    let names: Vec<&str> = followed
        .into_iter()
        .map(|(_, name)| name.as_str())
        .collect();
    if names.is_empty() {
        "none followed".into()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_names_those_that_followed() {
        let followed = |millis| Place::Followed(Duration::from_millis(millis));
        let places = [
            ("file", followed(900)),
            ("env", Place::Stayed),
            ("api", followed(3)),
            ("x", Place::Lost("gone".into())),
        ];
        let rotation: Rotation = places.map(|(name, place)| (name.to_owned(), place)).into();
        assert_eq!(order(&rotation), "api, file");
        assert_eq!(order(&Rotation::new()), "none followed");
    }
}
