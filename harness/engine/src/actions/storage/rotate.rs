//! Rotating a value and watching how it gets about: each place is looked at by itself, from the
//! moment of the change.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use api::{ApiCall, MERGE_PATCH, percent_encode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use model::{Answer, FigureName, PlaceFollowed, RotateSecret, WatchedValue};
use probe_protocol::{ProbeAnswer, ProbeRequest};
use serde_json::{Map, Value, json};

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::conversation::unfit;
use crate::discovery::fetch_object;
use crate::wait::{ConditionWait, WaitLook};

/// From one look at a place to the next: the least. Where much time is given, looks are a hundredth
/// of it apart.
const LEAST_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long a place may take to show the value that it had before.
const OLD_VALUE_WITHIN: Duration = Duration::from_secs(10);

/// What became of each place, by its name.
pub(crate) type RotationRecord = HashMap<String, WatchedPlace>;

/// What became of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WatchedPlace {
    /// It had the new value after this long.
    Followed(Duration),
    /// It still had the old one at the end.
    Stayed,
    /// Neither could be seen there.
    Lost(String),
}

pub(in crate::actions) async fn rotate_secret(
    cx: &mut StepContext<'_, '_>,
    rotate: &RotateSecret,
) -> Result<Observation, Error> {
    let path = format!(
        "/api/v1/namespaces/{}/secrets/{}",
        percent_encode(&cx.namespace()),
        percent_encode(&rotate.secret)
    );
    let secret = cx.world.run.own.fetch_body(path.as_str()).await?;
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
    let new = cx.world.planted.canary_value(&rotate.to);
    let data = Map::from_iter([(rotate.key.clone(), Value::from(STANDARD.encode(&new)))]);
    let who = cx.requester().await?;
    let tried = Observation::from_exchange(
        who.send_call(ApiCall::patch(path, MERGE_PATCH, json!({"data": data})))
            .await,
    );
    if !tried.was_taken() {
        return Ok(tried);
    }
    let began = Instant::now();
    let within = Duration::from_secs(u64::from(rotate.within));
    let shared = &*cx;
    let watches = rotate.watch.iter().map(async |(name, place)| {
        (
            name.clone(),
            watch_places(shared, place, (&old, &new), began, within).await,
        )
    });
    let rotation: RotationRecord = join_all(watches).await.into_iter().collect();
    let order = follow_order(&rotation);
    cx.world.memory.keep_rotation(cx.step.id, rotation);
    Ok(tried.with_fact("order", order))
}

/// A place that never showed the old value would show nothing by not showing the new one.
async fn shows_before(
    cx: &StepContext<'_, '_>,
    name: &str,
    place: &WatchedValue,
    old: &str,
) -> Result<(), Error> {
    let what = format!("the place `{name}` to show the old value");
    let wait = ConditionWait {
        what: &what,
        within: OLD_VALUE_WITHIN,
        every: LEAST_POLL_INTERVAL,
    };
    cx.world
        .waiter
        .wait_until(wait, async || match place_value(cx, place).await {
            Ok(bytes) if model::find_canary(&bytes, old).is_some() => WaitLook::Ready(()),
            Ok(_) => WaitLook::NotYet("another value".into()),
            Err(why) => WaitLook::from(why),
        })
        .await
}

async fn watch_places(
    cx: &StepContext<'_, '_>,
    place: &WatchedValue,
    (old, new): (&str, &str),
    began: Instant,
    within: Duration,
) -> WatchedPlace {
    let mut last = WatchedPlace::Lost("it was never looked at".into());
    let wait = ConditionWait {
        what: "the place to follow",
        within,
        every: LEAST_POLL_INTERVAL.max(within / 100),
    };
    let waited = cx
        .world
        .waiter
        .wait_until(wait, async || {
            last = match place_value(cx, place).await {
                Ok(bytes) if model::find_canary(&bytes, new).is_some() => {
                    return WaitLook::Ready(began.elapsed());
                }
                Ok(bytes) if model::find_canary(&bytes, old).is_some() => WatchedPlace::Stayed,
                Ok(_) => WatchedPlace::Lost("neither value is there".into()),
                Err(why) => WatchedPlace::Lost(why.in_one_line()),
            };
            WaitLook::NotYet("it has not".into())
        })
        .await;
    waited.map_or(last, WatchedPlace::Followed)
}

/// What a place holds now.
async fn place_value(cx: &StepContext<'_, '_>, place: &WatchedValue) -> Result<Vec<u8>, Error> {
    let (pod, file) = match place {
        WatchedValue::Object(target) => {
            let resource = cx.resource(&target.kind).await?;
            let object = fetch_object(
                &cx.world.run.own,
                &resource,
                &cx.namespace(),
                &cx.fill_text(&target.name),
            )
            .await?;
            return Ok(object.to_string().into_bytes());
        }
        WatchedValue::File { pod, path } => (pod, path.as_str()),
        WatchedValue::Environment { pod } => (pod, "/proc/1/environ"),
    };
    let pod = cx
        .world
        .probe_pod(&cx.namespace(), &cx.fill_text(pod))
        .await?;
    let ask = ProbeRequest::Cat(cx.fill_text(file));
    match cx
        .world
        .ask_probe(&pod, ask, Duration::ZERO, |_| {})
        .await?
    {
        ProbeAnswer::File(bytes) => Ok(bytes),
        other => Err(unfit(&other)),
    }
}

pub(in crate::actions) fn place_followed(
    cx: &StepContext<'_, '_>,
    followed: &PlaceFollowed,
) -> Result<Observation, Error> {
    match cx.world.memory.rotation_place(followed)? {
        WatchedPlace::Followed(after) => {
            Ok(Observation::from_answer(Answer::Updated).time(FigureName::UpdatedAfter, *after))
        }
        WatchedPlace::Stayed => {
            Ok(Observation::from_answer(Answer::Stale).with_fact("holds", "the old value"))
        }
        WatchedPlace::Lost(why) => Err(Error::unexpected(why.as_str())),
    }
}

/// The places in the order in which they followed.
fn follow_order(rotation: &RotationRecord) -> String {
    let mut followed: Vec<(&Duration, &String)> = rotation
        .iter()
        .filter_map(|(name, place)| match place {
            WatchedPlace::Followed(after) => Some((after, name)),
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
        let followed = |millis| WatchedPlace::Followed(Duration::from_millis(millis));
        let places = [
            ("file", followed(900)),
            ("env", WatchedPlace::Stayed),
            ("api", followed(3)),
            ("x", WatchedPlace::Lost("gone".into())),
        ];
        let rotation: RotationRecord = places.map(|(name, place)| (name.to_owned(), place)).into();
        assert_eq!(follow_order(&rotation), "api, file");
        assert_eq!(follow_order(&RotationRecord::new()), "none followed");
    }
}
