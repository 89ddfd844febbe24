//! Deterministic images: one layer with the base's binary, one with the given files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use probe_image::{CONFIG_TYPE, ImageFile, LAYER_TYPE, MANIFEST_TYPE};
use serde_json::{Value, json};

use crate::{Error, digest};

/// An image: the same base and files give the same bytes, and so the same digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OciImage {
    /// The manifest.
    pub manifest: Vec<u8>,
    /// The configuration and the layers, which the manifest names.
    pub blobs: Vec<Vec<u8>>,
}

impl OciImage {
    /// An image that runs `base`, a static program, as `/probe`, and holds `files` by their path,
    /// owned by root.
    ///
    /// # Errors
    /// A path that is too long for a tar archive.
    pub fn from_base(base: &[u8], files: &BTreeMap<String, Vec<u8>>) -> Result<Self, Error> {
        Self::for_architecture(base, files, probe_image::image_architecture())
    }

    /// The same, with a configuration that names this architecture, whatever `base` is for.
    ///
    /// # Errors
    /// A path that is too long for a tar archive.
    pub fn for_architecture(
        base: &[u8],
        files: &BTreeMap<String, Vec<u8>>,
        architecture: &str,
    ) -> Result<Self, Error> {
        let binary = BTreeMap::from([(
            "/probe".to_owned(),
            ImageFile {
                bytes: base,
                mode: 0o755,
            },
        )]);
        let file = |(path, bytes)| {
            let path: &String = path;
            let bytes: &Vec<u8> = bytes;
            (
                format!("/{}", path.trim_start_matches('/')),
                ImageFile {
                    bytes: bytes.as_slice(),
                    mode: 0o644,
                },
            )
        };
        let mut layers = vec![probe_image::image_layer(&binary).map_err(Error::Image)?];
        if !files.is_empty() {
            layers.push(
                probe_image::image_layer(&files.iter().map(file).collect())
                    .map_err(Error::Image)?,
            );
        }
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": { "Entrypoint": ["/probe"], "Env": ["PATH=/"] },
            "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|layer| digest(layer)).collect::<Vec<_>>() },
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": blob_descriptor(CONFIG_TYPE, &config),
            "layers": layers.iter().map(|layer| blob_descriptor(LAYER_TYPE, layer)).collect::<Vec<_>>(),
        });
        let blobs = std::iter::once(config).chain(layers).collect();
        Ok(Self {
            manifest: manifest.to_string().into_bytes(),
            blobs,
        })
    }

    /// The manifest's digest.
    #[must_use]
    pub fn digest(&self) -> String {
        digest(&self.manifest)
    }

    /// Writes it into the folder `dir` as an OCI image layout.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_layout(&self, dir: &Path) -> Result<(), Error> {
        let blobs = dir.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|source| Error::Write {
            path: blobs.clone(),
            source,
        })?;
        let write = |path: &Path, bytes: &[u8]| {
            fs::write(path, bytes).map_err(|source| Error::Write {
                path: path.to_owned(),
                source,
            })
        };
        for blob in self.blobs.iter().chain([&self.manifest]) {
            write(
                &blobs.join(digest(blob).trim_start_matches("sha256:")),
                blob,
            )?;
        }
        let index = json!({ "schemaVersion": 2, "manifests": [blob_descriptor(MANIFEST_TYPE, &self.manifest)] });
        write(
            &dir.join("oci-layout"),
            br#"{"imageLayoutVersion":"1.0.0"}"#,
        )?;
        write(&dir.join("index.json"), index.to_string().as_bytes())
    }
}

/// What a manifest says of a blob.
pub(crate) fn blob_descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(text: &str) -> BTreeMap<String, Vec<u8>> {
        BTreeMap::from([
            ("app/b.txt".to_owned(), text.into()),
            ("/a.txt".to_owned(), b"a".to_vec()),
        ])
    }

    #[test]
    fn the_same_files_make_the_same_image() {
        let one = OciImage::from_base(b"base", &files("one")).unwrap();
        assert_eq!(one, OciImage::from_base(b"base", &files("one")).unwrap());
        assert_ne!(
            one.digest(),
            OciImage::from_base(b"base", &files("two"))
                .unwrap()
                .digest()
        );
        assert_ne!(
            one.digest(),
            OciImage::from_base(b"other", &files("one"))
                .unwrap()
                .digest()
        );
        assert_eq!(one.blobs.len(), 3);
        assert_eq!(
            OciImage::from_base(b"base", &BTreeMap::new())
                .unwrap()
                .blobs
                .len(),
            2
        );
    }

    #[test]
    fn the_architecture_is_what_the_configuration_names() {
        let made = |architecture| {
            OciImage::for_architecture(b"base", &files("one"), architecture).unwrap()
        };
        let config: Value = serde_json::from_slice(&made("s390x").blobs[0]).unwrap();
        assert_eq!(config["architecture"], "s390x");
        assert_ne!(made("s390x").digest(), made("arm64").digest());
        assert_eq!(made("s390x").blobs[1..], made("arm64").blobs[1..]);
    }

    #[test]
    fn a_layout_holds_every_blob_that_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let image = OciImage::from_base(b"base", &files("one")).unwrap();
        image.write_layout(dir.path()).unwrap();
        let blob =
            |digest: &str| fs::read(dir.path().join("blobs/sha256").join(&digest[7..])).unwrap();
        let index: Value =
            serde_json::from_slice(&fs::read(dir.path().join("index.json")).unwrap()).unwrap();
        let manifest: Value =
            serde_json::from_slice(&blob(index["manifests"][0]["digest"].as_str().unwrap()))
                .unwrap();
        for named in manifest["layers"]
            .as_array()
            .unwrap()
            .iter()
            .chain([&manifest["config"]])
        {
            let bytes = blob(named["digest"].as_str().unwrap());
            assert_eq!(digest(&bytes), named["digest"]);
            assert_eq!(named["size"], bytes.len());
        }
    }
}
