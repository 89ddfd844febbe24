//! The values that must never be shown: planted ones, which are random in each run, and sealing
//! keys. A world looks for its own alone, and hides those of all others as well: they share nodes,
//! and what a spy sees there is not only its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::AnswerDetail;

use crate::random;

/// Every value and what is written instead, seen from one world. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct SecretMarkers {
    values: Arc<Mutex<Vec<SecretValue>>>,
    world: String,
}

#[derive(Debug)]
struct SecretValue {
    /// The namespace of the world that it belongs to.
    world: String,
    kind: &'static str,
    name: String,
    text: String,
}

/// The kind of a planted value.
const CANARY_KIND: &str = "canary";

impl SecretMarkers {
    /// The same values, seen from the world with this namespace.
    pub(crate) fn seen_from_world(&self, world: &str) -> Self {
        Self {
            values: Arc::clone(&self.values),
            world: world.to_owned(),
        }
    }

    /// The canary of this name; made when it is first asked for. Its beginning and end are the same
    /// for all, so that what is left at the edges of a hidden base64 form is the same in every run.
    pub(crate) fn canary_value(&self, name: &str) -> String {
        let mut values = self.lock();
        if let Some(value) = values
            .iter()
            .find(|value| self.is_ours(value) && value.name == name)
        {
            return value.text.clone();
        }
        let text = format!("canary-{}-yranac", random::random_name(24));
        values.push(SecretValue {
            world: self.world.clone(),
            kind: CANARY_KIND,
            name: name.into(),
            text: text.clone(),
        });
        text
    }

    /// Has another value hidden from now on.
    pub(crate) fn hide_value(&self, kind: &'static str, name: &str, text: &str) {
        let mut values = self.lock();
        if !values.iter().any(|value| value.text == text) {
            values.push(SecretValue {
                world: self.world.clone(),
                kind,
                name: name.into(),
                text: text.into(),
            });
        }
    }

    /// The canaries that `bytes` hold, with their wrappings: `db (base64)`.
    pub(crate) fn found_in(&self, bytes: &[u8]) -> Vec<String> {
        let values: Vec<(String, String)> = self.canaries();
        let found = values.iter().filter_map(|(name, text)| {
            model::find_canary(bytes, text).map(|wrappings| format!("{name} ({wrappings})"))
        });
        found.collect()
    }

    /// The canaries that there are, by name.
    pub(crate) fn canaries(&self) -> Vec<(String, String)> {
        let values = self.lock();
        let canaries = values.iter().filter(|value| self.is_ours(value));
        canaries
            .map(|value| (value.name.clone(), value.text.clone()))
            .collect()
    }

    /// `text` with every value replaced by `<KIND NAME>`, those of other worlds by
    /// `<canary of another world>`.
    pub(crate) fn conceal_values(&self, text: &str) -> String {
        let hide = |text: String, value: &SecretValue| {
            let instead = match value.world == self.world {
                true => format!("<{} {}>", value.kind, value.name),
                false => format!("<{} of another world>", value.kind),
            };
            model::conceal_canary(&text, &value.text, &instead)
        };
        self.lock().iter().fold(text.to_owned(), hide)
    }

    /// The same for everything in a cell's detail.
    pub(crate) fn conceal_detail(&self, detail: &mut AnswerDetail) {
        let texts = detail
            .reason
            .iter_mut()
            .chain(&mut detail.message)
            .chain(&mut detail.warnings);
        for text in texts
            .chain(&mut detail.changed)
            .chain(detail.facts.values_mut())
        {
            *text = self.conceal_values(text);
        }
    }

    fn is_ours(&self, value: &SecretValue) -> bool {
        value.kind == CANARY_KIND && value.world == self.world
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SecretValue>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn values_are_random_and_nobody_sees_them() {
        let (planted, other) = (SecretMarkers::default(), SecretMarkers::default());
        let value = planted.canary_value("db");
        assert_eq!(value, planted.canary_value("db"));
        assert_ne!(value, planted.canary_value("other"));
        assert_ne!(value, other.canary_value("db"));
        planted.hide_value("sealing-key", "a", "c2VjcmV0");
        let text = format!(
            "{value} and {} under c2VjcmV0",
            STANDARD.encode(format!("x{value}"))
        );
        let hidden = planted.conceal_values(&text);
        assert!(
            hidden.starts_with("<canary db> and ") && hidden.ends_with(" under <sealing-key a>"),
            "{hidden}"
        );
        assert_eq!(planted.found_in(hidden.as_bytes()), Vec::<String>::new());
        assert_eq!(planted.found_in(text.as_bytes()), ["db (plain)"]);
    }

    #[test]
    fn another_worlds_values_are_hidden_and_not_found() {
        let of_run = SecretMarkers::default();
        let (one, other) = (
            of_run.seen_from_world("gauntlet-a"),
            of_run.seen_from_world("gauntlet-b"),
        );
        let value = one.canary_value("db");
        assert_ne!(value, other.canary_value("db"));
        assert_eq!(other.conceal_values(&value), "<canary of another world>");
        assert_eq!(other.found_in(value.as_bytes()), Vec::<String>::new());
    }
}
