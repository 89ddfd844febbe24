//! A field of a stored object.

use std::time::{Duration, Instant};

use model::{Answer, FieldMatch};
use serde_json::Value;

use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::discovery::find;
use crate::masked::masked;
use crate::wait::{Look, Wait};

/// How long a controller gets to write the field.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is said of an object's field where there is no object.
const NO_OBJECT: &str = "(no such object)";

pub(super) async fn seen_field(
    cx: &StepContext<'_, '_>,
    wanted: &FieldMatch,
) -> Result<Observation, Error> {
    let resource = cx
        .world
        .lab
        .discovery
        .called(&cx.world.lab.own, &wanted.of.kind)
        .await?;
    let (namespace, name) = (cx.namespace(), cx.fill(&wanted.of.name));
    let (pointer, value) = (
        cx.fill(&wanted.at),
        wanted.equals.as_ref().map(|text| cx.fill(text)),
    );
    let start = Instant::now();
    let what = format!("{} to have the field", wanted.of);
    let patience = cx.step.holds.absence.max(patience(cx));
    let wait = Wait {
        what: &what,
        within: patience * 2,
        every: Duration::from_millis(50),
    };
    cx.world
        .waiter
        .until(wait, async || {
            let object = match find(&cx.world.lab.own, &resource, &namespace, &name).await {
                Ok(object) => object,
                Err(said) => return Look::from(said),
            };
            let field = object.as_ref().and_then(|object| object.pointer(&pointer));
            let is =
                field.is_some_and(|field| value.as_ref().is_none_or(|value| text(field) == *value));
            let told = told(object.as_ref(), &pointer);
            if is {
                return Look::Ready(Observation::answer(Answer::Seen).fact("value", told));
            }
            if start.elapsed() < patience {
                return Look::NotYet(told);
            }
            Look::Ready(Observation::answer(Answer::Unseen).fact("value", told))
        })
        .await
}

fn patience(cx: &StepContext<'_, '_>) -> Duration {
    cx.world
        .case
        .install()
        .iter()
        .filter_map(|one| one.addon().second_try)
        .max()
        .unwrap_or(PATIENCE)
}

/// What is recorded of the field.
fn told(object: Option<&Value>, pointer: &str) -> String {
    match object.map(|object| masked(object).pointer(pointer).map(text)) {
        None => NO_OBJECT.into(),
        Some(field) => field.unwrap_or("(absent)".into()),
    }
}

/// JSON text; a string without its quotes.
fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_object_no_field_and_no_value_are_three_things() {
        let secret = json!({"kind": "Secret", "data": {"password": "aHVudGVyMg=="}});
        assert_eq!(told(None, "/data/password"), "(no such object)");
        assert_eq!(told(Some(&secret), "/data/other"), "(absent)");
        assert_eq!(told(Some(&secret), "/data/password"), "<sealed 7 bytes>");
    }
}
