//! Changing an image under its tag.

use std::collections::BTreeMap;

use model::ImageChange;
use probe_image::{CONFIG_TYPE, ImageFile, LAYER_TYPE};
use serde_json::{Value, json};

use crate::image::blob_descriptor;
use crate::{Error, OciRegistry};

impl OciRegistry {
    /// Changes an image under its tag: the old digest and the new one. What was attached to the old
    /// one stays there.
    ///
    /// # Errors
    /// What the registry answered instead.
    pub fn tamper_tag(
        &self,
        repository: &str,
        tag: &str,
        change: ImageChange,
    ) -> Result<(String, String), Error> {
        let old = self.fetch_manifest(repository, tag)?;
        let mut manifest = old.json()?;
        match change {
            ImageChange::Manifest => {
                manifest["annotations"]["gauntlet.dev/tampered"] = "true".into()
            }
            ImageChange::Config => {
                let mut config = self.read_config(repository, &manifest)?;
                push_changed(&mut config["config"]["Env"], "TAMPERED=true".into());
                self.set_config(repository, &mut manifest, &config)?;
            }
            ImageChange::Layer => {
                let file = ImageFile {
                    bytes: b"tampered\n",
                    mode: 0o755,
                };
                let files = BTreeMap::from([("/tampered".to_owned(), file)]);
                let layer = probe_image::image_layer(&files).map_err(Error::Image)?;
                let mut config = self.read_config(repository, &manifest)?;
                push_changed(
                    &mut config["rootfs"]["diff_ids"],
                    crate::digest(&layer).into(),
                );
                self.put_blob(repository, &layer)?;
                push_changed(&mut manifest["layers"], blob_descriptor(LAYER_TYPE, &layer));
                self.set_config(repository, &mut manifest, &config)?;
            }
        }
        let bytes = manifest.to_string().into_bytes();
        let new = self.put_manifest(repository, tag, &old.media_type, &bytes)?;
        Ok((old.digest, new))
    }

    pub(crate) fn read_config(&self, repository: &str, manifest: &Value) -> Result<Value, Error> {
        let name = manifest["config"]["digest"].as_str().ok_or_else(|| {
            Error::malformed("the image", "it is an index, or has no configuration")
        })?;
        let bytes = self.fetch_blob(repository, name)?;
        serde_json::from_slice(&bytes)
            .map_err(|fault| Error::malformed("the image's configuration", fault))
    }

    fn set_config(
        &self,
        repository: &str,
        manifest: &mut Value,
        config: &Value,
    ) -> Result<(), Error> {
        let bytes = config.to_string().into_bytes();
        self.put_blob(repository, &bytes)?;
        manifest["config"] = blob_descriptor(CONFIG_TYPE, &bytes);
        Ok(())
    }
}

fn push_changed(list: &mut Value, item: Value) {
    match list {
        Value::Array(items) => items.push(item),
        other => *other = json!([item]),
    }
}
