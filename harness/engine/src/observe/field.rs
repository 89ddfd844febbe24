//! A field of a stored object.

use std::time::Duration;

use model::{FieldMatch, field_equals};
use redact::redact_secrets;
use serde_json::Value;

use super::presence::wait_for_presence;
use crate::Error;
use crate::actions::{Observation, StepContext};
use crate::discovery::find_object;

/// How long a controller gets to write the field.
const WRITTEN_WITHIN: Duration = Duration::from_secs(1);

/// What is recorded of an object's field where there is no object.
const NO_OBJECT: &str = "(no such object)";

pub(super) async fn seen_field(
    cx: &StepContext<'_, '_>,
    wanted: &FieldMatch,
) -> Result<Observation, Error> {
    let resource = cx.resource(&wanted.of.kind).await?;
    let (namespace, name) = (cx.namespace(), cx.fill_text(&wanted.of.name));
    let (pointer, value) = (
        cx.fill_text(&wanted.at),
        wanted.equals.as_ref().map(|text| cx.fill_text(text)),
    );
    let what = format!("{} to have the field, or not to have it", wanted.of);
    wait_for_presence(cx, &what, wait_time(cx), async || {
        let object = find_object(&cx.world.run.own, &resource, &namespace, &name).await?;
        let field = object.as_ref().and_then(|object| object.pointer(&pointer));
        let is = field.is_some_and(|field| {
            value
                .as_ref()
                .is_none_or(|value| field_equals(field, value))
        });
        Ok((is, field_text(object.as_ref(), &pointer)))
    })
    .await
}

fn wait_time(cx: &StepContext<'_, '_>) -> Duration {
    cx.world
        .case
        .install()
        .iter()
        .filter_map(|one| one.addon().second_try)
        .max()
        .unwrap_or(WRITTEN_WITHIN)
}

/// What is recorded of the field.
fn field_text(object: Option<&Value>, pointer: &str) -> String {
    match object.map(|object| redact_secrets(object).pointer(pointer).map(json_text)) {
        None => NO_OBJECT.into(),
        Some(field) => field.unwrap_or("(absent)".into()),
    }
}

/// JSON text; a string without its quotes.
fn json_text(value: &Value) -> String {
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
        assert_eq!(field_text(None, "/data/password"), "(no such object)");
        assert_eq!(field_text(Some(&secret), "/data/other"), "(absent)");
        assert_eq!(
            field_text(Some(&secret), "/data/password"),
            "<sealed 7 bytes>"
        );
    }
}
