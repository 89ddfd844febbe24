//! Ready-made first states: etcd's data after a first start, with the keys it was made with. They
//! save a later start the making of roles, namespaces and ServiceAccounts.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use model::ClusterSpec;
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use crate::Error;
use crate::pki::PkiAuthority;
use components::BoxCache;
use components::PinnedComponent;
use components::cache;

const AUTHORITY_FILE: &str = "authority.json";
const BLOCK_BYTES: usize = 4096;

/// A first state in the cache.
pub(crate) struct ClusterTemplate {
    dir: PathBuf,
    pub(crate) authority: PkiAuthority,
}

impl ClusterTemplate {
    /// Where the template for this component and cluster is, or would be. Only the number of nodes,
    /// the families of addresses and the name of the first state are part of it: all else in a
    /// cluster is decided by flags.
    pub(crate) fn template_path(
        cache: &BoxCache,
        kubernetes: &PinnedComponent,
        cluster: &ClusterSpec,
        first_state: Option<&str>,
    ) -> PathBuf {
        let more = first_state.map_or_else(String::new, |name| format!("-{name}"));
        let families = if cluster.dual_stack { "-dual" } else { "" };
        cache.templates_folder().join(format!(
            "{}-n{}{families}{more}",
            kubernetes.id(),
            cluster.nodes
        ))
    }

    /// The template there is; one that cannot be read counts as none.
    pub(crate) fn find_template(
        cache: &BoxCache,
        kubernetes: &PinnedComponent,
        cluster: &ClusterSpec,
        first_state: Option<&str>,
    ) -> Option<Self> {
        let dir = Self::template_path(cache, kubernetes, cluster, first_state);
        let text = fs::read(dir.join(AUTHORITY_FILE)).ok()?;
        let authority = serde_json::from_slice(&text).ok()?;
        dir.join("etcd/member/wal")
            .is_dir()
            .then_some(Self { dir, authority })
    }

    /// etcd's data.
    pub(crate) fn etcd_data(&self) -> PathBuf {
        self.dir.join("etcd")
    }
}

/// Gives a folder with etcd's data in `etcd` its place as a template.
pub(crate) fn keep_template(
    made: &Path,
    place: &Path,
    authority: &PkiAuthority,
) -> Result<(), Error> {
    let malformed = |why: serde_json::Error| Error::Malformed {
        what: "the template's keys".into(),
        why: why.to_string(),
    };
    let text = serde_json::to_vec(authority).map_err(malformed)?;
    cache::write_atomically(&made.join(AUTHORITY_FILE), &text)?;
    if let Some(templates) = place.parent() {
        cache::private_dir(templates)?;
    }
    cache::remove_dir(place)?;
    fs::rename(made, place).map_err(Error::file("create", place))
}

/// Copies a folder; runs of zeros become holes, so that a log's unused tail costs nothing.
pub(crate) fn copy_without_holes(from: &Path, to: &Path) -> Result<(), Error> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(to)
        .map_err(Error::file("create", to))?;
    for entry in fs::read_dir(from).map_err(Error::file("list", from))? {
        let entry = entry.map_err(Error::file("list", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(Error::file("read", &source))?;
        if kind.is_dir() {
            copy_without_holes(&source, &target)?;
        } else if kind.is_file() {
            copy_file(&source, &target).map_err(Error::file("copy", &source))?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut source = File::open(from)?;
    let mut target = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(to)?;
    let length = source.metadata()?.len();
    target.set_len(length)?;
    let mut buffer = vec![0; 256 * BLOCK_BYTES];
    let mut at = 0;
    while let Some(data) = next_data(&source, at)? {
        source.seek(SeekFrom::Start(data))?;
        let read = source.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        write_blocks(&mut target, data, &buffer[..read])?;
        at = data + read as u64;
    }
    Ok(())
}

/// Where data begins, at `at` or after it.
fn next_data(file: &File, at: u64) -> io::Result<Option<u64>> {
    let at = i64::try_from(at).map_err(io::Error::other)?;
    match lseek(file, at, Whence::SeekData) {
        Ok(found) => u64::try_from(found).map(Some).map_err(io::Error::other),
        Err(Errno::ENXIO) => Ok(None),
        Err(Errno::EINVAL) => Ok(Some(at.unsigned_abs())),
        Err(errno) => Err(errno.into()),
    }
}

fn write_blocks(target: &mut File, at: u64, bytes: &[u8]) -> io::Result<()> {
    for (index, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
        if block.iter().any(|byte| *byte != 0) {
            target.seek(SeekFrom::Start(at + (index * BLOCK_BYTES) as u64))?;
            target.write_all(block)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_copy_has_the_same_bytes_and_no_room_for_zeros() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("member/wal")).unwrap();
        let mut bytes = vec![0; 8 << 20];
        bytes[5] = 1;
        bytes[5_000_000] = 2;
        fs::write(from.join("member/wal/0.wal"), &bytes).unwrap();
        fs::write(from.join("empty"), "").unwrap();
        copy_without_holes(&from, &to).unwrap();
        let copy = to.join("member/wal/0.wal");
        assert!(fs::read(&copy).unwrap() == bytes);
        assert!(fs::metadata(&copy).unwrap().blocks() * 512 < 1 << 20);
        assert_eq!(fs::read(to.join("empty")).unwrap(), b"");
    }
}
