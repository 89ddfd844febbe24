//! Spoiling one field of a bundle: another value, or none.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub(crate) struct SpoiledBundle {
    /// The field, as a JSON pointer.
    pub(crate) place: String,
    pub(crate) is_removed: bool,
    pub(crate) bundle: Value,
}

/// The bundle with each of its fields changed, and with each of them removed.
pub(crate) fn spoil_each_field(whole: &Value) -> Vec<SpoiledBundle> {
    let mut places = Vec::new();
    find_places(whole, "", &mut places);
    let mut all = Vec::new();
    for place in places {
        let mut changed = whole.clone();
        let field = changed.pointer_mut(&place).unwrap();
        if let Value::String(text) = field {
            *text = change(text);
            all.push(SpoiledBundle {
                place: place.clone(),
                is_removed: false,
                bundle: changed,
            });
        }
        let mut removed = whole.clone();
        let (owner, name) = place.rsplit_once('/').unwrap();
        match removed.pointer_mut(owner).unwrap() {
            Value::Object(fields) => drop(fields.remove(name)),
            Value::Array(items) => drop(items.remove(name.parse().unwrap())),
            other => panic!("{other} has no fields"),
        }
        all.push(SpoiledBundle {
            place,
            is_removed: true,
            bundle: removed,
        });
    }
    all
}

fn find_places(value: &Value, place: &str, places: &mut Vec<String>) {
    if !place.is_empty() {
        places.push(place.to_owned());
    }
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, inner)| find_places(inner, &format!("{place}/{name}"), places)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, inner)| find_places(inner, &format!("{place}/{index}"), places)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Another text of the same kind: the next number, other bytes, or one more letter.
fn change(text: &str) -> String {
    if let Ok(number) = text.parse::<u64>() {
        return (number + 1).to_string();
    }
    match STANDARD.decode(text) {
        Ok(mut bytes) if !bytes.is_empty() => {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            STANDARD.encode(bytes)
        }
        Ok(_) | Err(_) => format!("{text}x"),
    }
}
