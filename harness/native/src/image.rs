//! OCI images, written by our own code from static binaries: the same input gives the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use components::Cache;
use components::cache::write_atomically;
use serde_json::json;
use tar::{Builder, EntryType, Header};

use crate::{Error, PROBE_IMAGE, names};

/// The media type of an image's manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The media type of an image's configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// The media type of a layer that is not compressed.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

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
/// `name` is the full reference, `files` go by their absolute path, `entrypoint` is what a container runs.
///
/// # Errors
/// A path that is not absolute, or too long for a tar archive.
pub fn archive(
    name: &str,
    files: &BTreeMap<String, ImageFile<'_>>,
    entrypoint: &[&str],
) -> Result<Vec<u8>, Error> {
    write(name, files, entrypoint).map_err(Error::system(format!("write the image `{name}`")))
}

fn write(
    name: &str,
    files: &BTreeMap<String, ImageFile<'_>>,
    entrypoint: &[&str],
) -> io::Result<Vec<u8>> {
    let layer = tarred(files)?;
    let config = serde_json::to_vec(&json!({
        "architecture": architecture(),
        "os": "linux",
        "config": { "Entrypoint": entrypoint, "Env": ["PATH=/"] },
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    }))?;
    let manifest = serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, &config),
        "layers": [descriptor(LAYER, &layer)],
    }))?;
    let mut entry = descriptor(MANIFEST, &manifest);
    entry["annotations"] =
        json!({ "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name });
    let index = serde_json::to_vec(&json!({ "schemaVersion": 2, "manifests": [entry] }))?;
    let mut tar = Builder::new(Vec::new());
    add(
        &mut tar,
        "oci-layout",
        br#"{"imageLayoutVersion":"1.0.0"}"#,
        0o644,
    )?;
    add(&mut tar, "index.json", &index, 0o644)?;
    let mut blobs = [&layer, &config, &manifest]
        .map(|blob| (format!("blobs/sha256/{}", names::sha256(blob)), blob));
    blobs.sort();
    for (path, blob) in blobs {
        add(&mut tar, &path, blob, 0o644)?;
    }
    tar.into_inner()
}

/// One layer: a tar with `files` by their absolute path, owned by root, of no time.
///
/// # Errors
/// A path that is not absolute, or too long for a tar archive.
pub fn layer(files: &BTreeMap<String, ImageFile<'_>>) -> Result<Vec<u8>, Error> {
    tarred(files).map_err(Error::system("write a layer"))
}

fn tarred(files: &BTreeMap<String, ImageFile<'_>>) -> io::Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for (path, file) in files {
        let path = path
            .strip_prefix('/')
            .ok_or_else(|| io::Error::other(format!("`{path}` is not absolute")))?;
        add(&mut tar, path, file.bytes, file.mode)?;
    }
    tar.into_inner()
}

fn add(tar: &mut Builder<Vec<u8>>, path: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_mtime(0);
    tar.append_data(&mut header, path, bytes)
}

fn descriptor(media_type: &str, bytes: &[u8]) -> serde_json::Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", names::sha256(bytes))
}

/// This machine's architecture, as images name it.
#[must_use]
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The static program `probe`, for this machine's architecture.
///
/// # Errors
/// When it is not built, or cannot be read.
pub fn probe_program(cache: &Cache) -> Result<Vec<u8>, Error> {
    let path = cache.binary(components::probe(), "probe");
    fs::read(&path).map_err(Error::file("read", path))
}

/// The folder that holds the test image as `probe.tar` and its program as `probe`, made if it is not there; its
/// name is the image's digest.
pub(crate) fn probe_image(cache: &Cache) -> Result<PathBuf, Error> {
    let probe = probe_program(cache)?;
    let files = BTreeMap::from([(
        "/probe".to_owned(),
        ImageFile {
            bytes: &probe,
            mode: 0o755,
        },
    )]);
    let bytes = archive(PROBE_IMAGE, &files, &["/probe"])?;
    let dir = cache.images().join(&names::sha256(&bytes)[..12]);
    let (program, path) = (dir.join("probe"), dir.join("probe.tar"));
    let is_there = |path: &PathBuf, length: usize| {
        fs::metadata(path).is_ok_and(|meta| meta.len() == length as u64)
    };
    if is_there(&path, bytes.len()) && is_there(&program, probe.len()) {
        return Ok(dir);
    }
    fs::create_dir_all(&dir).map_err(Error::file("create", &dir))?;
    write_atomically(&path, &bytes)?;
    write_atomically(&program, &probe)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
        .map_err(Error::file("write", &program))?;
    Ok(dir)
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
        let one = archive("example.local/x:1", &example(), &["/a"]).unwrap();
        assert_eq!(
            one,
            archive("example.local/x:1", &example(), &["/a"]).unwrap()
        );
        assert_ne!(
            one,
            archive("example.local/x:2", &example(), &["/a"]).unwrap()
        );
    }

    #[test]
    fn every_blob_has_its_digest_for_a_name() {
        let bytes = archive("example.local/x:1", &example(), &["/a"]).unwrap();
        let mut blobs = 0;
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            if let Some(name) = path.strip_prefix("blobs/sha256/") {
                assert_eq!(name, names::sha256(&content));
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
        assert!(archive("example.local/x:1", &files, &[]).is_err());
    }
}
