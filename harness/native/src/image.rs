//! The probe and its image, as files that boxes are given.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use components::BoxCache;
use components::cache::write_atomically;
use components::digest::sha256_hex;
use probe_image::probe_archive;

use crate::Error;

/// The static program `probe`, for this machine's architecture.
///
/// # Errors
/// When it is not built, or cannot be read.
pub fn probe_program(cache: &BoxCache) -> Result<Vec<u8>, Error> {
    let path = cache.binary_path(components::probe_component(), "probe");
    fs::read(&path).map_err(Error::file("read", path))
}

/// The folder that holds the test image as `probe.tar` and its program as `probe`, made if it is
/// not there; its name is the image's digest.
pub(crate) fn probe_image(cache: &BoxCache) -> Result<PathBuf, Error> {
    let probe = probe_program(cache)?;
    let bytes = probe_archive(&probe)?;
    let dir = cache.images_folder().join(&sha256_hex(&bytes)[..12]);
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
