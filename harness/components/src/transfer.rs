//! Taking the built components elsewhere: one archive with the SHA-256 of every file, so that a machine without Go or
//! network can use them. Nothing of an archive gets a place in the cache before all of it was checked.

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

use crate::component::{Component, is_data, pinned, place};
use crate::lock::Lock;
use crate::stamp::{self, Stamp};
use crate::{Cache, Error, build, digest};

const MANIFEST: &str = "manifest.json";
const FORMAT: u32 = 1;

/// The first file of an archive.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    /// By the component's id.
    components: BTreeMap<String, Stamp>,
}

impl Cache {
    /// Writes every built component into one gzipped tar archive; the file appears when it is whole. Returns their
    /// ids.
    ///
    /// # Errors
    /// Files that cannot be read or written, a full disk.
    pub fn export(&self, archive: &Path) -> Result<Vec<String>, Error> {
        let built: Vec<&Component> = pinned()
            .iter()
            .filter(|component| self.built(component))
            .collect();
        let mut manifest = Manifest {
            format: FORMAT,
            components: BTreeMap::new(),
        };
        for component in &built {
            manifest
                .components
                .insert(component.id(), stamp::read(&self.component_dir(component))?);
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

    fn write_archive(&self, manifest: &Manifest, file: &File) -> io::Result<()> {
        let mut tar = Builder::new(GzEncoder::new(
            io::BufWriter::new(file),
            Compression::fast(),
        ));
        let text = serde_json::to_vec_pretty(manifest)?;
        tar.append_data(
            &mut header(text.len() as u64, 0o644),
            MANIFEST,
            text.as_slice(),
        )?;
        for (id, stamp) in &manifest.components {
            for (part, entry) in stamp {
                let path = format!("{id}/{}", place(part));
                let from = File::open(self.components().join(&path))?;
                tar.append_data(&mut header(entry.size, mode(part)), path, from)?;
            }
        }
        tar.into_inner()?.finish()?.flush()
    }

    /// Takes the components of an archive into the cache. All or nothing: every file must be in the archive's list,
    /// with its sum, and belong to a component that is pinned here. Returns their ids.
    ///
    /// # Errors
    /// [`Error::Archive`] for anything that is not as the list says; files that cannot be read or written.
    pub fn import(&self, archive: &Path) -> Result<Vec<String>, Error> {
        let components = self.components();
        fs::create_dir_all(&components).map_err(Error::file("create", &components))?;
        let file = File::open(archive).map_err(Error::file("read", archive))?;
        let temp = tempfile::Builder::new()
            .prefix(".import-")
            .tempdir_in(&components)
            .map_err(Error::file("create", &components))?;
        let manifest = unpack(file, temp.path()).map_err(|fault| fault.named(archive))?;
        for component in pinned()
            .iter()
            .filter(|component| manifest.components.contains_key(&component.id()))
        {
            let lock = Lock::take(&components.join(format!("{}.lock", component.id())))?;
            if !self.built(component) {
                build::put_in_place(
                    &temp.path().join(component.id()),
                    &self.component_dir(component),
                )?;
            }
            lock.remove();
        }
        Ok(manifest.components.into_keys().collect())
    }
}

/// Why an archive was not taken.
enum Fault {
    Bad(String),
    Io(io::Error),
}

impl Fault {
    fn named(self, archive: &Path) -> Error {
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

impl From<io::Error> for Fault {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}

fn bad<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Bad(why.into()))
}

fn unpack(file: File, into: &Path) -> Result<Manifest, Fault> {
    let mut tar = Archive::new(GzDecoder::new(io::BufReader::new(file)));
    let mut entries = tar.entries()?;
    let manifest = match entries.next() {
        Some(first) => read_manifest(&mut first?)?,
        None => return bad("it is empty"),
    };
    let mut missing = expected(&manifest)?;
    for entry in entries {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let Some((mode, wanted)) = missing.remove(&path) else {
            return bad(format!("`{path}` is not in its list"));
        };
        if entry.header().entry_type() != EntryType::Regular {
            return bad(format!("`{path}` is not a plain file"));
        }
        if store(&mut entry, &into.join(&path), mode, wanted.size)? != wanted.sha256 {
            return bad(format!("`{path}` has another SHA-256 than its list says"));
        }
    }
    if let Some(path) = missing.keys().next() {
        return bad(format!("`{path}` is in its list and not in it"));
    }
    for (id, stamp) in &manifest.components {
        fs::write(
            into.join(id).join(stamp::FILE),
            serde_json::to_vec_pretty(stamp).map_err(io::Error::from)?,
        )?;
    }
    Ok(manifest)
}

fn read_manifest(entry: &mut tar::Entry<impl Read>) -> Result<Manifest, Fault> {
    if entry.path()?.as_os_str() != MANIFEST {
        return bad(format!("it does not begin with `{MANIFEST}`"));
    }
    let mut text = Vec::new();
    entry.take(1 << 20).read_to_end(&mut text)?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|why| Fault::Bad(format!("its list: {why}")))?;
    if manifest.format == FORMAT {
        Ok(manifest)
    } else {
        bad(format!("format {} is not known", manifest.format))
    }
}

/// The paths that the archive must hold. They come from the pinned components alone, so none can leave its folder.
fn expected(manifest: &Manifest) -> Result<BTreeMap<String, (u32, stamp::Entry)>, Fault> {
    let mut paths = BTreeMap::new();
    for (id, stamp) in &manifest.components {
        let Some(component) = pinned().iter().find(|component| component.id() == *id) else {
            return bad(format!("`{id}` is not pinned by this version of gauntlet"));
        };
        let parts = component.parts();
        if !stamp.keys().eq(&parts) {
            return bad(format!("`{id}` does not consist of {}", parts.join(", ")));
        }
        paths.extend(
            stamp.iter().map(|(part, entry)| {
                (format!("{id}/{}", place(part)), (mode(part), entry.clone()))
            }),
        );
    }
    Ok(paths)
}

/// Writes a file and returns its SHA-256.
fn store(from: &mut impl Read, path: &PathBuf, mode: u32, size: u64) -> Result<String, Fault> {
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
            return Ok(digest::hex(&hash.finalize()));
        }
        hash.update(&buffer[..read]);
        file.write_all(&buffer[..read])?;
    }
}

fn mode(part: &str) -> u32 {
    if is_data(part) { 0o644 } else { 0o755 }
}

fn header(size: u64, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_entry_type(EntryType::Regular);
    header
}

#[cfg(test)]
mod tests;
