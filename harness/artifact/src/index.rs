//! Indexes: one name for images of several platforms.

use serde_json::{Value, json};

use crate::attached::INDEX_TYPE;
use crate::image::blob_descriptor;
use crate::{Error, OciRegistry};

impl OciRegistry {
    /// Puts an index under a tag: its digest. Its children are images of the same repository, by
    /// their tags, each for the platform that its configuration names.
    ///
    /// # Errors
    /// What the registry answered instead, or that a child is no image for a platform.
    pub fn put_index(
        &self,
        repository: &str,
        tag: &str,
        children: &[String],
    ) -> Result<String, Error> {
        let entries: Result<Vec<Value>, Error> = children
            .iter()
            .map(|child| self.describe_child(repository, child))
            .collect();
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries? });
        self.put_manifest(repository, tag, INDEX_TYPE, index.to_string().as_bytes())
    }

    /// What an index says of an image.
    fn describe_child(&self, repository: &str, tag: &str) -> Result<Value, Error> {
        let manifest = self.fetch_manifest(repository, tag)?;
        let config = self.read_config(repository, &manifest.json()?)?;
        let part = |name: &str| {
            config[name].as_str().ok_or_else(|| {
                Error::malformed(format!("the configuration of {tag}"), format!("no {name}"))
            })
        };
        let mut entry = blob_descriptor(&manifest.media_type, &manifest.bytes);
        entry["platform"] = json!({ "architecture": part("architecture")?, "os": part("os")? });
        Ok(entry)
    }
}

/// The digests of an index's children; none where it is an image.
pub(crate) fn child_digests(manifest: &Value) -> Vec<String> {
    let children = manifest["manifests"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    children
        .iter()
        .filter_map(|child| child["digest"].as_str())
        .map(str::to_owned)
        .collect()
}
