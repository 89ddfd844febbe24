//! Whether a field of an object is what a step looks for.

use serde_json::Value;

/// Whether a field is this: a text as it is, anything else as JSON, in which spaces and the order
/// of keys say nothing. A text that is itself a list or a mapping in JSON, as in some annotations,
/// is compared as one, too.
#[must_use]
pub fn field_equals(field: &Value, wanted: &str) -> bool {
    match field.as_str() {
        Some(text) if text == wanted => true,
        Some(text) => {
            let own = read_structure(text);
            own.is_some() && own == read_structure(wanted)
        }
        None => serde_json::from_str::<Value>(wanted).is_ok_and(|wanted| wanted == *field),
    }
}

/// The list or mapping that a text is in JSON.
fn read_structure(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    (value.is_array() || value.is_object()).then_some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spaces_and_the_order_of_keys_say_nothing() {
        let object = json!({"a": 1, "b": [true, "x"]});
        for same in [
            r#"{"a":1,"b":[true,"x"]}"#,
            r#"{ "b": [ true, "x" ], "a": 1 }"#,
        ] {
            assert!(field_equals(&object, same), "{same}");
            assert!(field_equals(&json!(r#"{"a": 1, "b":[true,"x"]}"#), same));
        }
        for other in [r#"{"a":1,"b":["x",true]}"#, r#"{"a":1}"#, "{", ""] {
            assert!(!field_equals(&object, other), "{other}");
        }
    }

    #[test]
    fn a_text_is_compared_as_it_is_and_a_number_is_none() {
        assert!(field_equals(&json!("32Mi"), "32Mi"));
        assert!(field_equals(&json!(""), ""));
        assert!(field_equals(&json!("1"), "1"));
        assert!(!field_equals(&json!("1"), " 1"));
        assert!(!field_equals(&json!("red"), "\"red\""));
        assert!(field_equals(&json!(1), " 1"));
        assert!(field_equals(&json!(false), "false"));
        assert!(!field_equals(&json!(false), "no"));
        assert!(!field_equals(&json!(1), "one"));
    }
}
