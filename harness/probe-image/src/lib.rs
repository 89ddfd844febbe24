//! OCI images, written by our own code from static binaries: the same input gives the same bytes.

mod error;

use std::collections::BTreeMap;
use std::io;

use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

pub use error::Error;

/// The reference of the test image, which is the pause image too: the probe as `/probe`.
pub const PROBE_IMAGE: &str = "gauntlet.local/probe:1";

/// The media type of an image's manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

/// The media type of an image's configuration.
pub const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";

/// The media type of a layer that is not compressed.
pub const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// A file of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageFile<'a> {
    /// Its content.
    pub bytes: &'a [u8],
    /// Its permissions, such as `0o755`.
    pub mode: u32,
}

/// An image as one OCI archive (a tar), for this machine's architecture.
///
/// `name` is the full reference, `files` go by their absolute path, `entrypoint` is what a
/// container runs.
///
/// # Errors
/// A path that is not absolute, or too long for a tar archive.
pub fn write_archive(
    name: &str,
    files: &BTreeMap<String, ImageFile<'_>>,
    entrypoint: &[&str],
) -> Result<Vec<u8>, Error> {
    write_entry(name, files, entrypoint).map_err(Error::write(format!("the image `{name}`")))
}

fn write_entry(
    name: &str,
    files: &BTreeMap<String, ImageFile<'_>>,
    entrypoint: &[&str],
) -> io::Result<Vec<u8>> {
    let layer = tar_entries(files)?;
    let config = serde_json::to_vec(&json!({
        "architecture": image_architecture(),
        "os": "linux",
        "config": { "Entrypoint": entrypoint, "Env": ["PATH=/"] },
        "rootfs": { "type": "layers", "diff_ids": [sha256_digest(&layer)] },
    }))?;
    let manifest = serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": blob_descriptor(CONFIG_TYPE, &config),
        "layers": [blob_descriptor(LAYER_TYPE, &layer)],
    }))?;
    let mut entry = blob_descriptor(MANIFEST_TYPE, &manifest);
    entry["annotations"] =
        json!({ "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name });
    let index = serde_json::to_vec(&json!({ "schemaVersion": 2, "manifests": [entry] }))?;
    let mut tar = Builder::new(Vec::new());
    add_entry(
        &mut tar,
        "oci-layout",
        br#"{"imageLayoutVersion":"1.0.0"}"#,
        0o644,
    )?;
    add_entry(&mut tar, "index.json", &index, 0o644)?;
    let mut blobs = [&layer, &config, &manifest]
        .map(|blob| (format!("blobs/sha256/{}", sha256_hex(blob)), blob));
    blobs.sort();
    for (path, blob) in blobs {
        add_entry(&mut tar, &path, blob, 0o644)?;
    }
    tar.into_inner()
}

/// One layer: a tar with `files` by their absolute path, owned by root, of no time.
///
/// # Errors
/// A path that is not absolute, or too long for a tar archive.
pub fn image_layer(files: &BTreeMap<String, ImageFile<'_>>) -> Result<Vec<u8>, Error> {
    tar_entries(files).map_err(Error::write("a layer"))
}

fn tar_entries(files: &BTreeMap<String, ImageFile<'_>>) -> io::Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for (path, file) in files {
        let path = path
            .strip_prefix('/')
            .ok_or_else(|| io::Error::other(format!("`{path}` is not absolute")))?;
        add_entry(&mut tar, path, file.bytes, file.mode)?;
    }
    tar.into_inner()
}

fn add_entry(tar: &mut Builder<Vec<u8>>, path: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_mtime(0);
    tar.append_data(&mut header, path, bytes)
}

fn blob_descriptor(media_type: &str, bytes: &[u8]) -> serde_json::Value {
    json!({ "mediaType": media_type, "digest": sha256_digest(bytes), "size": bytes.len() })
}

fn sha256_digest(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256_hex(bytes))
}

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// This machine's architecture, as images name it.
#[must_use]
pub fn image_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The image of the probe, the program given, which it runs as `/probe`.
///
/// # Errors
/// [`Error::Write`].
pub fn probe_archive(program: &[u8]) -> Result<Vec<u8>, Error> {
    let file = ImageFile {
        bytes: program,
        mode: 0o755,
    };
    let files = BTreeMap::from([("/probe".to_owned(), file)]);
    write_archive(PROBE_IMAGE, &files, &["/probe"])
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn example() -> BTreeMap<String, ImageFile<'static>> {
        let file = |bytes| ImageFile { bytes, mode: 0o755 };
        BTreeMap::from([
            ("/b".to_owned(), file(b"two".as_slice())),
            ("/a".to_owned(), file(b"one".as_slice())),
        ])
    }

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        let one = write_archive("example.local/x:1", &example(), &["/a"]).unwrap();
        assert_eq!(
            one,
            write_archive("example.local/x:1", &example(), &["/a"]).unwrap()
        );
        assert_ne!(
            one,
            write_archive("example.local/x:2", &example(), &["/a"]).unwrap()
        );
    }

    #[test]
    fn every_blob_has_its_digest_for_a_name() {
        let bytes = write_archive("example.local/x:1", &example(), &["/a"]).unwrap();
        let mut blobs = 0;
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            if let Some(name) = path.strip_prefix("blobs/sha256/") {
                assert_eq!(name, sha256_hex(&content));
                blobs += 1;
            }
        }
        assert_eq!(blobs, 3);
    }

    #[test]
    fn a_relative_path_is_refused() {
        let files = BTreeMap::from([(
            "a".to_owned(),
            ImageFile {
                bytes: b"",
                mode: 0o644,
            },
        )]);
        assert!(write_archive("example.local/x:1", &files, &[]).is_err());
    }
}
