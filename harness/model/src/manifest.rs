//! Manifests as a scenario's author wrote them, and the few placeholders they may hold.

use std::path::PathBuf;

use serde_json::Value;

/// One object, as its author wrote it: placeholders are still in it.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectManifest {
    /// The file that it is in.
    pub file: PathBuf,
    /// The object.
    pub object: Value,
}

impl ObjectManifest {
    /// `kind`, or nothing where the object has none (a container, a patch).
    #[must_use]
    pub fn kind(&self) -> &str {
        self.object["kind"].as_str().unwrap_or_default()
    }

    /// What keeps it from being an object that can be sent, if anything does.
    #[must_use]
    pub(crate) fn manifest_fault(&self) -> Option<&'static str> {
        let text = |key: &str| {
            self.object[key]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        };
        let mapping = |value: &Value| value.is_null() || value.is_object();
        let metadata = &self.object["metadata"];
        if !text("apiVersion") || !text("kind") {
            Some("names no `apiVersion` and `kind`")
        } else if !mapping(metadata) {
            Some("has a `metadata` that is not a mapping")
        } else if !mapping(&metadata["labels"]) || !mapping(&metadata["annotations"]) {
            Some("has labels or annotations that are not a mapping")
        } else {
            None
        }
    }

    /// `metadata.name`, with placeholders.
    #[must_use]
    pub fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// `metadata.namespace`, with placeholders, or nothing where the object names none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.object["metadata"]["namespace"]
            .as_str()
            .unwrap_or_default()
    }
}
