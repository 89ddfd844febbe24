//! Manifests as a scenario's author wrote them, and the few placeholders they may hold.

use std::path::PathBuf;

use serde_json::{Map, Value};

/// One object, as its author wrote it: placeholders are still in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The file it stands in.
    pub file: PathBuf,
    /// The object.
    pub object: Value,
}

impl Manifest {
    /// `kind`, or nothing where the object has none (a container, a patch).
    #[must_use]
    pub fn kind(&self) -> &str {
        self.object["kind"].as_str().unwrap_or_default()
    }

    /// What keeps it from being an object that can be sent, if anything does.
    #[must_use]
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let text = |key: &str| self.object[key].as_str().is_some_and(|text| !text.is_empty());
        let mapping = |value: &Value| value.is_null() || value.is_object();
        let metadata = &self.object["metadata"];
        if !text("apiVersion") || !text("kind") {
            Some("names no `apiVersion` and `kind`")
        } else if !mapping(metadata) {
            Some("has a `metadata` that is no mapping")
        } else if !mapping(&metadata["labels"]) || !mapping(&metadata["annotations"]) {
            Some("has labels or annotations that are no mapping")
        } else {
            None
        }
    }

    /// `metadata.name`, with placeholders.
    #[must_use]
    pub fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }
}

/// What the placeholders stand for, in one world of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// `$(namespace)`: the world's namespace.
    pub namespace: String,
    /// `$(node)`: a node's name; empty where the cluster has none.
    pub node: String,
    /// `$(image:probe)`: the test image.
    pub probe: String,
}

impl Names {
    /// `text` with its placeholders filled in.
    #[must_use]
    pub fn fill(&self, text: &str) -> String {
        text.replace("$(namespace)", &self.namespace)
            .replace("$(node)", &self.node)
            .replace("$(image:probe)", &self.probe)
    }

    /// `value` with the placeholders in its strings and keys filled in.
    #[must_use]
    pub fn fill_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.fill_value(item)).collect()),
            Value::Object(fields) => {
                let filled: Map<String, Value> =
                    fields.iter().map(|(key, item)| (self.fill(key), self.fill_value(item))).collect();
                Value::Object(filled)
            }
            other => other.clone(),
        }
    }
}

/// The first `$(…)` in `text` that is not a placeholder of ours, if there is one.
///
/// Kubernetes expands `$(VAR)` in commands and arguments itself, so upper-case names are left to it.
#[must_use]
pub(crate) fn unknown_placeholder(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(start) = rest.find("$(") {
        let tail = &rest[start..];
        let end = tail.find(')')?;
        let name = &tail[2..end];
        let ours = matches!(name, "namespace" | "node" | "image:probe");
        let theirs = !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        if !ours && !theirs {
            return Some(&tail[..=end]);
        }
        rest = &tail[end..];
    }
    None
}
