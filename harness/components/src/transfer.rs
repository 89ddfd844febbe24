//! Taking the built components elsewhere: one archive with the SHA-256 of every file, so that a
//! machine without Go or network can use them. Nothing of an archive gets a place in the cache
//! before all of it was checked.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tar::{Archive, Builder, EntryType, Header};

use crate::component::{PinnedComponent, is_data, part_path, pinned_components};
use crate::lock::FileLock;
use crate::stamp::{self, ComponentStamp};
use crate::{BoxCache, Error, build, digest};

const MANIFEST_FILE: &str = "manifest.json";
const FORMAT_VERSION: u32 = 1;

/// The first file of an archive.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArchiveManifest {
    format: u32,
    /// By the component's id.
    components: BTreeMap<String, ComponentStamp>,
}

impl BoxCache {
    /// Writes every built component into one gzipped tar archive; the file appears when it is
    /// whole. Returns their ids.
    ///
    /// # Errors
    /// Files that cannot be read or written, a full disk.
    pub fn export_components(&self, archive: &Path) -> Result<Vec<String>, Error> {
        let built: Vec<&PinnedComponent> = pinned_components()
            .iter()
            .filter(|component| self.is_built(component))
            .collect();
        let mut manifest = ArchiveManifest {
            format: FORMAT_VERSION,
            components: BTreeMap::new(),
        };
        for component in &built {
            manifest.components.insert(
                component.id(),
                stamp::read_stamp(&self.component_dir(component))?,
            );
        }
        let dir = archive
            .parent()
            .filter(|dir| !dir.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let file = tempfile::NamedTempFile::new_in(dir).map_err(Error::file("create", archive))?;
        self.write_archive(&manifest, file.as_file())
            .map_err(Error::file("write", archive))?;
        file.persist(archive)
            .map_err(|fault| Error::file("write", archive)(fault.error))?;
        Ok(manifest.components.into_keys().collect())
    }

    fn write_archive(&self, manifest: &ArchiveManifest, file: &File) -> io::Result<()> {
        let mut tar = Builder::new(GzEncoder::new(
            io::BufWriter::new(file),
            Compression::fast(),
        ));
        let text = serde_json::to_vec_pretty(manifest)?;
        tar.append_data(
            &mut tar_header(text.len() as u64, 0o644),
            MANIFEST_FILE,
            text.as_slice(),
        )?;
        for (id, stamp) in &manifest.components {
            for (part, entry) in stamp {
                let path = format!("{id}/{}", part_path(part));
                let from = File::open(self.components_folder().join(&path))?;
                tar.append_data(&mut tar_header(entry.size, file_mode(part)), path, from)?;
            }
        }
        tar.into_inner()?.finish()?.flush()
    }

    /// Takes the components of an archive into the cache. All or nothing: every file must be in the
    /// archive's list, with its sum, and belong to a component that is pinned here. Returns their
    /// ids.
    ///
    /// # Errors
    /// [`Error::Archive`] for anything that is not as the list says; files that cannot be read or
    /// written.
    pub fn import_components(&self, archive: &Path) -> Result<Vec<String>, Error> {
        let components = self.components_folder();
        fs::create_dir_all(&components).map_err(Error::file("create", &components))?;
        let file = File::open(archive).map_err(Error::file("read", archive))?;
        let temp = tempfile::Builder::new()
            .prefix(".import-")
            .tempdir_in(&components)
            .map_err(Error::file("create", &components))?;
        let manifest =
            unpack_archive(file, temp.path()).map_err(|fault| fault.with_name(archive))?;
        for component in pinned_components()
            .iter()
            .filter(|component| manifest.components.contains_key(&component.id()))
        {
            let lock = FileLock::take_lock(&components.join(format!("{}.lock", component.id())))?;
            if !self.is_built(component) {
                build::put_in_place(
                    &temp.path().join(component.id()),
                    &self.component_dir(component),
                )?;
            }
            lock.remove_file();
        }
        Ok(manifest.components.into_keys().collect())
    }
}

/// Why an archive was not taken.
enum ArchiveFault {
    Bad(String),
    Io(io::Error),
}

impl ArchiveFault {
    fn with_name(self, archive: &Path) -> Error {
        match self {
            Self::Bad(why) => Error::Archive {
                archive: archive.to_owned(),
                why,
            },
            Self::Io(source) if source.kind() == io::ErrorKind::StorageFull => Error::DiskFull {
                path: archive.to_owned(),
            },
            Self::Io(source) => Error::Archive {
                archive: archive.to_owned(),
                why: source.to_string(),
            },
        }
    }
}

impl From<io::Error> for ArchiveFault {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}

fn bad_archive<T>(why: impl Into<String>) -> Result<T, ArchiveFault> {
    Err(ArchiveFault::Bad(why.into()))
}

fn unpack_archive(file: File, into: &Path) -> Result<ArchiveManifest, ArchiveFault> {
    let mut tar = Archive::new(GzDecoder::new(io::BufReader::new(file)));
    let mut entries = tar.entries()?;
    let manifest = match entries.next() {
        Some(first) => read_manifest(&mut first?)?,
        None => return bad_archive("it is empty"),
    };
    let mut missing = expected_paths(&manifest)?;
    for entry in entries {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let Some((mode, wanted)) = missing.remove(&path) else {
            return bad_archive(format!("`{path}` is not in its list"));
        };
        if entry.header().entry_type() != EntryType::Regular {
            return bad_archive(format!("`{path}` is not a plain file"));
        }
        if store_file(&mut entry, &into.join(&path), mode, wanted.size)? != wanted.sha256 {
            return bad_archive(format!("`{path}` has another SHA-256 than its list says"));
        }
    }
    if let Some(path) = missing.keys().next() {
        return bad_archive(format!("`{path}` is in its list and not in it"));
    }
    for (id, stamp) in &manifest.components {
        fs::write(
            into.join(id).join(stamp::STAMP_FILE),
            serde_json::to_vec_pretty(stamp).map_err(io::Error::from)?,
        )?;
    }
    Ok(manifest)
}

fn read_manifest(entry: &mut tar::Entry<impl Read>) -> Result<ArchiveManifest, ArchiveFault> {
    if entry.path()?.as_os_str() != MANIFEST_FILE {
        return bad_archive(format!("it does not begin with `{MANIFEST_FILE}`"));
    }
    let mut text = Vec::new();
    entry.take(1 << 20).read_to_end(&mut text)?;
    let manifest: ArchiveManifest = serde_json::from_slice(&text)
        .map_err(|why| ArchiveFault::Bad(format!("its list: {why}")))?;
    if manifest.format == FORMAT_VERSION {
        Ok(manifest)
    } else {
        bad_archive(format!("format {} is not known", manifest.format))
    }
}

/// The paths that the archive must hold. They come from the pinned components alone, so none can
/// leave its folder.
fn expected_paths(
    manifest: &ArchiveManifest,
) -> Result<BTreeMap<String, (u32, stamp::StampEntry)>, ArchiveFault> {
    let mut paths = BTreeMap::new();
    for (id, stamp) in &manifest.components {
        let Some(component) = pinned_components()
            .iter()
            .find(|component| component.id() == *id)
        else {
            return bad_archive(format!("`{id}` is not pinned by this version of gauntlet"));
        };
        let parts = component.parts();
        if !stamp.keys().eq(&parts) {
            return bad_archive(format!("`{id}` does not consist of {}", parts.join(", ")));
        }
        paths.extend(stamp.iter().map(|(part, entry)| {
            (
                format!("{id}/{}", part_path(part)),
                (file_mode(part), entry.clone()),
            )
        }));
    }
    Ok(paths)
}

/// Writes a file and returns its SHA-256.
fn store_file(
    from: &mut impl Read,
    path: &PathBuf,
    mode: u32,
    size: u64,
) -> Result<String, ArchiveFault> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut limited = from.take(size + 1);
    loop {
        let read = limited.read(&mut buffer)?;
        if read == 0 {
            return Ok(digest::to_hex(&hash.finalize()));
        }
        hash.update(&buffer[..read]);
        file.write_all(&buffer[..read])?;
    }
}

fn file_mode(part: &str) -> u32 {
    if is_data(part) { 0o644 } else { 0o755 }
}

fn tar_header(size: u64, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_entry_type(EntryType::Regular);
    header
}

#[cfg(test)]
mod tests;
