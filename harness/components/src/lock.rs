//! A lock file that may be taken away by its holder: the one that gets the lock makes sure that it
//! still is the file of that name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// Held until dropped, or until the process dies.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
    path: PathBuf,
}

impl FileLock {
    /// Takes the lock if it is free.
    pub fn try_take(path: &Path) -> Result<Option<Self>, Error> {
        loop {
            let file = open_lock(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(source)) => return Err(Error::file("lock", path)(source)),
            }
            if is_still(path, &file) {
                return Ok(Some(Self {
                    _file: file,
                    path: path.to_owned(),
                }));
            }
        }
    }

    /// Takes the lock, waiting for its holder.
    pub fn take_lock(path: &Path) -> Result<Self, Error> {
        loop {
            let file = open_lock(path)?;
            file.lock().map_err(Error::file("lock", path))?;
            if is_still(path, &file) {
                return Ok(Self {
                    _file: file,
                    path: path.to_owned(),
                });
            }
        }
    }

    /// Takes the file away while the lock is still held: the next one makes it again.
    pub fn remove_file(self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn open_lock(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(Error::file("create", path))
}

fn is_still(path: &Path, file: &File) -> bool {
    match (fs::metadata(path), file.metadata()) {
        (Ok(named), Ok(held)) => named.ino() == held.ino() && named.dev() == held.dev(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = FileLock::try_take(&path).unwrap().unwrap();
        assert!(FileLock::try_take(&path).unwrap().is_none());
        held.remove_file();
        assert!(!path.exists());
        assert!(FileLock::try_take(&path).unwrap().is_some());
    }
}
