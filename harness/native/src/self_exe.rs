//! This program, run again or shown in a box: always the file that it was started from, even if
//! another one has taken its place since.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, umount2};

use crate::Error;
use crate::rootfs::{bind_path, keep_as_it_is};

pub(crate) const SELF_EXE: &str = "/proc/self/exe";

/// A command that runs this program again.
pub(crate) fn own_command() -> Command {
    let mut command = Command::new(SELF_EXE);
    command.arg0("gauntlet");
    command
}

/// Shows this program at a place, where an empty file is. A file that has lost its own place can
/// still be read, but not bound: it is copied.
pub(crate) fn show_at(to: &Path) -> Result<(), Error> {
    let path = fs::read_link(SELF_EXE).map_err(Error::file("read", SELF_EXE))?;
    if bind_path(&path, to, MsFlags::empty()).is_ok() {
        if is_ours(to) {
            return keep_as_it_is(to);
        }
        umount2(to, MntFlags::MNT_DETACH)
            .map_err(Error::system(format!("unmount `{}`", to.display())))?;
    }
    fs::copy(SELF_EXE, to)
        .map(drop)
        .map_err(Error::file("create", to))
}

/// Whether a file is the one that this program was started from.
fn is_ours(path: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    identity(path).is_some_and(|found| Some(found) == identity(Path::new(SELF_EXE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_told_from_another() {
        let path = fs::read_link(SELF_EXE).unwrap();
        assert!(is_ours(&path));
        let other = tempfile::NamedTempFile::new().unwrap();
        fs::copy(&path, other.path()).unwrap();
        assert!(!is_ours(other.path()));
        assert!(!is_ours(Path::new("/nowhere")));
    }
}
