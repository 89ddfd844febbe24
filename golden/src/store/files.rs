//! Reading and writing inside one folder: never through a symbolic link, never half a file.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::Error;

/// The text of a file, or nothing where there is none.
pub(super) fn read_text(root: &Path, path: &Path) -> Result<Option<String>, Error> {
    refuse_symlinks(root, path)?;
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Writes a file whole, or not at all; its folder is made.
pub(super) fn write_whole(root: &Path, path: &Path, text: &str) -> Result<(), Error> {
    refuse_symlinks(root, path)?;
    let failed = |source| Error::Write {
        path: path.to_owned(),
        source,
    };
    let folder = path.parent().unwrap_or(root);
    fs::create_dir_all(folder).map_err(failed)?;
    let mut half = path.as_os_str().to_owned();
    half.push(".tmp");
    let half = PathBuf::from(half);
    let done = write_new(&half, text).and_then(|()| fs::rename(&half, path));
    if done.is_err() {
        let _ = fs::remove_file(&half);
    }
    done.map_err(failed)
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Refuses a path that is a symbolic link itself, or whose area is one.
pub(super) fn refuse_symlinks(root: &Path, path: &Path) -> Result<(), Error> {
    let is_link = |at: &Path| at.symlink_metadata().is_ok_and(|facts| facts.is_symlink());
    if is_link(path)
        || path
            .parent()
            .is_some_and(|area| area != root && is_link(area))
    {
        return Err(Error::Outside {
            path: path.to_owned(),
            root: root.to_owned(),
        });
    }
    Ok(())
}

/// The names in a folder, sorted; none where there is no folder. Hidden ones are left out.
pub(super) fn sorted_names(dir: &Path) -> Result<Vec<String>, Error> {
    let failed = |source| Error::Read {
        path: dir.to_owned(),
        source,
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry
            .map_err(failed)?
            .file_name()
            .to_string_lossy()
            .into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
