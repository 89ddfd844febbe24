//! A field of a stored object.

use std::time::{Duration, Instant};

use model::{Answer, FieldMatch, Step};
use serde_json::Value;

use crate::actions::Tried;
use crate::discovery::fetch;
use crate::masked::masked;
use crate::wait::{Look, Wait};
use crate::world::World;

/// How long a controller gets to write the field.
const PATIENCE: Duration = Duration::from_secs(1);

impl World<'_> {
    pub(super) async fn seen_field(&self, step: &Step, wanted: &FieldMatch) -> Result<Tried, String> {
        let resource = self.lab.discovery.called(&self.lab.own, &wanted.of.kind).await?;
        let (namespace, name) = (self.namespace_of(step), self.fill(&wanted.of.name));
        let (pointer, value) = (self.fill(&wanted.at), wanted.equals.as_ref().map(|text| self.fill(text)));
        let start = Instant::now();
        let what = format!("{} to have the field", wanted.of);
        let wait = Wait { what: &what, within: PATIENCE * 2, every: Duration::from_millis(50) };
        self.waiter
            .until(wait, async || {
                let object = match fetch(&self.lab.own, &resource, &namespace, &name).await {
                    Ok(object) => object,
                    Err(said) => return Look::Not(said),
                };
                let field = object.pointer(&pointer);
                let told = masked(&object).pointer(&pointer).map(text);
                let is = field.is_some_and(|field| value.as_ref().is_none_or(|value| text(field) == *value));
                if is {
                    return Look::Found(Tried::answer(Answer::Seen).fact("value", told.unwrap_or_default()));
                }
                let told = told.unwrap_or("(absent)".into());
                if start.elapsed() < PATIENCE {
                    return Look::Not(told);
                }
                Look::Found(Tried::answer(Answer::Unseen).fact("value", told))
            })
            .await
    }
}

/// JSON text; a string without its quotes.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
