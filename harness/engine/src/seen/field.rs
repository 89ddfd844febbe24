//! A field of a stored object.

use std::time::{Duration, Instant};

use model::{Answer, FieldMatch, Step};
use serde_json::Value;

use crate::actions::Tried;
use crate::discovery::find;
use crate::masked::masked;
use crate::wait::{Look, Wait};
use crate::world::World;

/// How long a controller gets to write the field.
const PATIENCE: Duration = Duration::from_secs(1);

/// The same, where the field is what is intended: a controller may look only every few seconds.
const AGAINST_INTENT: Duration = Duration::from_secs(10);

/// What is said of an object's field where there is no object.
const NO_OBJECT: &str = "(no such object)";

impl World<'_> {
    pub(super) async fn seen_field(&self, step: &Step, wanted: &FieldMatch) -> Result<Tried, String> {
        let resource = self.lab.discovery.called(&self.lab.own, &wanted.of.kind).await?;
        let (namespace, name) = (self.namespace_of(step), self.fill(&wanted.of.name));
        let (pointer, value) = (self.fill(&wanted.at), wanted.equals.as_ref().map(|text| self.fill(text)));
        let start = Instant::now();
        let what = format!("{} to have the field", wanted.of);
        let patience = match step.intended(self.name) {
            Some(Answer::Seen) => AGAINST_INTENT,
            _ => self.patience(),
        };
        let wait = Wait { what: &what, within: patience * 2, every: Duration::from_millis(50) };
        self.waiter
            .until(wait, async || {
                let object = match find(&self.lab.own, &resource, &namespace, &name).await {
                    Ok(object) => object,
                    Err(said) => return Look::Not(said),
                };
                let field = object.as_ref().and_then(|object| object.pointer(&pointer));
                let is = field.is_some_and(|field| value.as_ref().is_none_or(|value| text(field) == *value));
                let told = told(object.as_ref(), &pointer);
                if is {
                    return Look::Found(Tried::answer(Answer::Seen).fact("value", told));
                }
                if start.elapsed() < patience {
                    return Look::Not(told);
                }
                Look::Found(Tried::answer(Answer::Unseen).fact("value", told))
            })
            .await
    }

    fn patience(&self) -> Duration {
        let world = self.scenario.scenario.worlds.get(self.name);
        let install = world.map(|world| self.scenario.scenario.install(world)).unwrap_or_default();
        install.iter().filter_map(|one| one.addon().second_try).max().unwrap_or(PATIENCE)
    }
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
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
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
