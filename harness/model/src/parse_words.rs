//! What the parser of YAML complains of, in our words: its own name types of Rust and options of
//! its interface.

use std::borrow::Cow;

use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

use crate::by::refuser_form;
use crate::old_words;
use crate::spelling::nearest_word;

/// The complaint in one line, without its place.
pub(crate) fn describe_fault(fault: &Error) -> String {
    let mut inner = fault;
    while let Error::AliasError { error, .. } | Error::WithSnippet { error, .. } = inner {
        inner = error;
    }
    PlainWords.format_message(inner).into_owned()
}

/// Words for a person who writes scenarios.
pub(crate) struct PlainWords;

impl MessageFormatter for PlainWords {
    fn format_message<'a>(&self, fault: &'a Error) -> Cow<'a, str> {
        let text = match fault {
            Error::SerdeUnknownField {
                field, expected, ..
            } => explain_word("key", field, expected),
            Error::SerdeUnknownVariant {
                variant, expected, ..
            } => explain_word("word", variant, expected),
            Error::SerdeMissingField { field, .. } => format!("`{field}` is missing"),
            Error::DuplicateMappingKey { key: Some(key), .. } => {
                format!("duplicate key `{key}`")
            }
            Error::DuplicateMappingKey { key: None, .. } => "duplicate key".into(),
            Error::SerdeInvalidType {
                unexpected,
                expected,
                ..
            }
            | Error::SerdeInvalidValue {
                unexpected,
                expected,
                ..
            } => format!(
                "expected {}, found {}",
                name_type(expected),
                name_found(unexpected)
            ),
            Error::InvalidScalar { ty, .. } => format!("expected {}", name_type(ty)),
            Error::Unexpected { expected, .. } => format!("expected {}", name_node(expected)),
            Error::NullIntoString { .. } => "expected a text, found nothing".into(),
            Error::InvalidBooleanStrict { .. } => "expected true or false".into(),
            Error::QuotingRequired { value, .. } => {
                format!("`{value}` needs quotes: it has to be a text")
            }
            Error::ExternallyTaggedEnumExpectedScalarOrMapping { .. } => {
                "expected a word, or a word with a value: `word: value`".into()
            }
            Error::ExpectedStringKeyForExternallyTaggedEnum { .. } => {
                "expected a word before the colon".into()
            }
            Error::ExpectedMappingEndAfterEnumVariantValue { .. } => {
                "only one word can stand here".into()
            }
            Error::UnexpectedValueForUnitEnumVariant { .. }
            | Error::UnexpectedValueForUnit { .. } => "this word takes no value".into(),
            Error::Eof { .. } => "the file ends too early".into(),
            Error::MultipleDocuments { .. } => "a second document; only one is read".into(),
            Error::UnknownAnchor { .. } => "no anchor of this name stands before it".into(),
            Error::Budget { .. } => "more values, or deeper, than is read of one file".into(),
            // Faults in YAML itself, for which the parser has plain words, and what no file of ours
            // can bring about.
            _ => return UserMessageFormatter.format_message(fault),
        };
        Cow::Owned(text)
    }
}

fn explain_word(what: &str, word: &str, expected: &[&str]) -> String {
    if let Some(now) = old_words::explain_old_word(word, expected) {
        return now;
    }
    if expected == ["by"]
        && let Some(form) = refuser_form(word)
    {
        return format!("unknown {what} `{word}`; who refused is written `{form}`");
    }
    match nearest_word(word, expected.iter().copied()) {
        Some(near) => format!("unknown {what} `{word}`; did you mean `{near}`?"),
        None if expected.is_empty() => format!("unknown {what} `{word}`; none can stand here"),
        None => format!(
            "unknown {what} `{word}`, expected one of {}",
            expected.join(", ")
        ),
    }
}

/// A type as serde or the parser names it.
fn name_type(name: &str) -> &str {
    match name {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" | "floating point" => "a number",
        "bool" | "boolean" | "a boolean" => "true or false",
        "a string" | "string" | "a borrowed string" => "a text",
        "a map" | "map" => "a mapping (`key: value`)",
        "a sequence" | "seq" => "a list",
        "unit" | "null" => "nothing",
        _ if name.starts_with("struct ") || name.starts_with("internally tagged enum ") => {
            "a mapping (`key: value`)"
        }
        _ if name.starts_with("enum ") || name.contains("variant") => "a word of the format",
        _ if name.starts_with("a nonzero ") => "a whole number, 1 or more",
        _ => name,
    }
}

/// What serde found in its place.
fn name_found(found: &str) -> Cow<'_, str> {
    let named = |kind: &str, as_what: &str| {
        let value = found.strip_prefix(kind)?.trim().trim_matches(['"', '`']);
        Some(format!("{as_what} `{value}`"))
    };
    match found {
        "map" => Cow::Borrowed("a mapping"),
        "sequence" | "seq" => Cow::Borrowed("a list"),
        "unit value" | "unit" | "null" | "Option value" => Cow::Borrowed("nothing"),
        _ => named("string ", "the text")
            .or_else(|| named("boolean ", "the word"))
            .or_else(|| named("integer ", "the number"))
            .or_else(|| named("floating point ", "the number"))
            .map_or(Cow::Borrowed(found), Cow::Owned),
    }
}

/// A part of YAML as the parser names it.
fn name_node(name: &str) -> &str {
    match name {
        "string scalar" => "a text",
        "scalar" => "a single value",
        "mapping start" => "a mapping (`key: value`)",
        "sequence start" => "a list",
        "mapping end" => "no further key",
        "value" | "single YAML node" => "a value",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::describe_fault;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[expect(dead_code, reason = "it is read for its faults alone")]
    struct Shape {
        name: String,
        #[serde(default)]
        port: u16,
        #[serde(default)]
        is_open: bool,
        #[serde(default)]
        parts: Vec<String>,
        #[serde(default)]
        kind: ShapeKind,
        #[serde(default)]
        inner: BTreeMap<String, u8>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[expect(dead_code, reason = "it is read for its faults alone")]
    enum ShapeKind {
        #[default]
        Round,
        Sized {
            by: u8,
        },
    }

    fn fault<T: DeserializeOwned + std::fmt::Debug>(yaml: &str) -> String {
        describe_fault(&serde_saphyr::from_str::<T>(yaml).unwrap_err())
    }

    #[test]
    fn faults_are_told_without_the_parsers_own_terms() {
        for (yaml, told) in [
            ("port: 1", "`name` is missing"),
            (
                "name: a\nprot: 1",
                "unknown key `prot`; did you mean `port`?",
            ),
            ("name: a\nname: b", "duplicate key `name`"),
            ("name: [a]", "expected a text"),
            ("name:", "expected a text, found nothing"),
            (
                "name: a\nport: 70000",
                "expected a whole number from 0 to 65535",
            ),
            (
                "name: a\nport: web",
                "expected a whole number from 0 to 65535",
            ),
            ("name: a\nis-open: maybe", "expected true or false"),
            ("name: a\nparts: one", "expected a list"),
            (
                "name: a\nkind: rond",
                "unknown word `rond`; did you mean `round`?",
            ),
            ("name: a\nkind: {round: 1}", "this word takes no value"),
            (
                "name: a\nkind: [round]",
                "expected a word, or a word with a value: `word: value`",
            ),
            ("name: a\ninner: 3", "expected a mapping (`key: value`)"),
            ("name: *other", "no anchor of this name stands before it"),
            ("- name", "expected a mapping (`key: value`)"),
        ] {
            assert_eq!(fault::<Shape>(yaml), told, "{yaml}");
        }
        assert_eq!(
            fault::<Shape>("name: a\nelephant: 1"),
            "unknown key `elephant`, expected one of name, port, is-open, parts, kind, inner"
        );
    }
}
