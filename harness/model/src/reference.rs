//! The reference of a scenario file for people, from the same types as its JSON schema.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::scenario_schema;

const HEAD: &str = "# Scenario reference

Every key of a `scenario.yaml`, and every word that can stand behind it. This file is generated from the types that read
scenarios: `gauntlet schema --reference`. Keys marked with * are required.
";

/// The reference, as Markdown with a final newline: a section for the file, and one for each named type.
#[must_use]
pub fn scenario_reference() -> String {
    let schema: Value = serde_json::from_str(&scenario_schema()).unwrap_or_default();
    let mut text = HEAD.to_owned();
    section(&mut text, "The file", &schema);
    for (name, schema) in object(&schema["$defs"]) {
        section(&mut text, name, schema);
    }
    text
}

fn section(text: &mut String, name: &str, schema: &Value) {
    let _ = write!(text, "\n## {name}\n{}\n", description(schema));
    if schema.get("properties").is_some() {
        text.push('\n');
        fields(text, schema, 0);
    }
    let choices = schema["oneOf"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if !choices.is_empty() {
        text.push_str("\nOne of:\n\n");
    }
    for choice in choices {
        match choice["const"].as_str() {
            Some(word) => item(text, 0, &format!("`{word}`"), "", &description(choice)),
            None if choice.get("pattern").is_some() => {
                item(text, 0, "`NAME@VERSION`", "", &description(choice))
            }
            None => choice_with_value(text, choice),
        }
    }
}

/// A word with something behind it, such as `denied: { by: … }`.
fn choice_with_value(text: &mut String, choice: &Value) {
    for (word, value) in object(&choice["properties"]) {
        let kind = if value.get("properties").is_some() {
            String::new()
        } else {
            kind(value)
        };
        item(text, 0, &format!("`{word}:`"), &kind, &description(choice));
        fields(text, value, 1);
    }
}

/// The keys of an object, those of objects within it below them.
fn fields(text: &mut String, schema: &Value, depth: usize) {
    let required = schema["required"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for (key, value) in object(&schema["properties"]) {
        let star = if required.iter().any(|one| one == key) {
            "\\*"
        } else {
            ""
        };
        let default = value
            .get("default")
            .map(|default| format!(" Default: `{}`.", plain(default)));
        let told = description(value) + &default.unwrap_or_default();
        item(text, depth, &format!("`{key}`{star}"), &kind(value), &told);
        fields(text, value, depth + 1);
    }
}

fn item(text: &mut String, depth: usize, name: &str, kind: &str, description: &str) {
    let indent = "  ".repeat(depth);
    let kind = if kind.is_empty() {
        String::new()
    } else {
        format!(" ({kind})")
    };
    let description = if description.is_empty() {
        String::new()
    } else {
        format!(": {description}")
    };
    let _ = writeln!(text, "{indent}* {name}{kind}{description}");
}

/// What stands behind a key, in a few words; nothing for an object whose keys are listed.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"]
        .as_str()
        .and_then(|path| path.rsplit('/').next())
    {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(kinds) = schema["anyOf"].as_array() {
        let kinds: Vec<String> = kinds
            .iter()
            .filter(|one| one["type"] != "null")
            .map(kind)
            .collect();
        return kinds.join(" or ");
    }
    let names = match &schema["type"] {
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| *name != "null")
            .collect(),
        name => name.as_str().into_iter().collect::<Vec<_>>(),
    };
    match names.as_slice() {
        ["array"] => format!("list of {}", kind(&schema["items"])),
        ["object"] if schema.get("properties").is_some() => String::new(),
        ["object"] => format!("map of names to {}", kind(&schema["additionalProperties"])),
        ["boolean"] => "true or false".into(),
        _ => names.join(" or "),
    }
}

fn description(schema: &Value) -> String {
    schema["description"]
        .as_str()
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.as_object().unwrap_or(&NONE).iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every name of the schema stands in the reference, so no shape of schema was overlooked.
    #[test]
    fn every_key_and_word_of_the_schema_is_there() {
        let text = scenario_reference();
        let schema: Value = serde_json::from_str(&scenario_schema()).unwrap();
        let mut names = Vec::new();
        collect(&schema, &mut names);
        assert!(names.len() > 200, "{names:?}");
        for name in names {
            assert!(
                text.contains(&format!("`{name}`")) || text.contains(&format!("`{name}:`")),
                "{name}"
            );
        }
    }

    fn collect(schema: &Value, names: &mut Vec<String>) {
        names.extend(schema["const"].as_str().map(ToOwned::to_owned));
        names.extend(object(&schema["properties"]).map(|(name, _)| name.clone()));
        let below = object(&schema["properties"])
            .chain(object(&schema["$defs"]))
            .map(|(_, value)| value);
        below
            .chain(schema["oneOf"].as_array().into_iter().flatten())
            .for_each(|one| collect(one, names));
    }
}
