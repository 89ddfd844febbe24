//! The cache: built components, ready-made first states, and the folders of boxes that are up. It
//! lies outside every checkout, and all of it may be deleted while no box is up.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// A cache, by its root folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxCache {
    /// The folder; it need not exist yet.
    pub root: PathBuf,
}

impl BoxCache {
    /// `$GAUNTLET_CACHE`, else `$XDG_CACHE_HOME/gauntlet`, else `~/.cache/gauntlet`.
    ///
    /// # Errors
    /// [`Error::NoCache`] when none of them is set. A relative `GAUNTLET_CACHE` is meant from the
    /// current folder; the others count only when they are absolute, as the base directory
    /// specification wants.
    pub fn from_env() -> Result<Self, Error> {
        let var = |name| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let ours = std::env::var_os("GAUNTLET_CACHE").filter(|path| !path.is_empty());
        let root = ours
            .and_then(|path| std::path::absolute(path).ok())
            .or_else(|| var("XDG_CACHE_HOME").map(|path| path.join("gauntlet")))
            .or_else(|| var("HOME").map(|path| path.join(".cache/gauntlet")));
        root.map(|root| Self { root }).ok_or(Error::NoCache)
    }

    /// Where built components are.
    #[must_use]
    pub fn components_folder(&self) -> PathBuf {
        self.root.join("components")
    }

    /// Where the ready-made first states are.
    #[must_use]
    pub fn templates_folder(&self) -> PathBuf {
        self.root.join("seeds")
    }

    /// Where images are, by digest.
    #[must_use]
    pub fn images_folder(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Where the boxes that are up have their folders, and beside each `NAME.lock`.
    #[must_use]
    pub fn boxes_folder(&self) -> PathBuf {
        self.root.join("boxes")
    }

    /// The folder of one box.
    #[must_use]
    pub fn box_dir(&self, name: &str) -> PathBuf {
        self.boxes_folder().join(name)
    }

    /// The file that whoever holds a box has locked.
    #[must_use]
    pub fn box_lock(&self, name: &str) -> PathBuf {
        self.boxes_folder().join(format!("{name}.lock"))
    }
}

/// Makes a folder and its parents, for the owner alone.
pub fn private_dir(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Error::file("create", path))
}

/// Writes a file beside its place and renames it there, so that no reader sees half of it.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let fault = |source| Error::file("write", path)(source);
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(dir)
        .map_err(fault)?;
    std::io::Write::write_all(&mut file, bytes).map_err(Error::file("write", path))?;
    file.persist(path)
        .map_err(|fault| Error::file("write", path)(fault.error))?;
    Ok(())
}

/// Takes a folder away with all that is in it; one that is not there is fine.
pub fn remove_dir(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("remove", path)(source))
        }
        _ => Ok(()),
    }
}
