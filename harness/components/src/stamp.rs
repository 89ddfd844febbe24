//! The stamp of a built component: the size and the SHA-256 of every file in it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::component::{Component, place};
use crate::{Error, digest};

pub(crate) const FILE: &str = "stamp.json";

/// A file as it was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

/// By the part's name.
pub(crate) type Stamp = BTreeMap<String, Entry>;

/// Reads every part in `dir` and writes the stamp.
pub(crate) fn write(dir: &Path, component: &Component) -> Result<Stamp, Error> {
    let mut stamp = Stamp::new();
    for part in component.parts() {
        let entry = measure(&dir.join(place(&part)))?;
        stamp.insert(part, entry);
    }
    let text = serde_json::to_vec_pretty(&stamp).map_err(|why| malformed(dir, &why))?;
    fs::write(dir.join(FILE), text).map_err(Error::file("write", dir.join(FILE)))?;
    Ok(stamp)
}

pub(crate) fn read(dir: &Path) -> Result<Stamp, Error> {
    let path = dir.join(FILE);
    let text = fs::read(&path).map_err(Error::file("read", &path))?;
    serde_json::from_slice(&text).map_err(|why| malformed(dir, &why))
}

/// Whether everything is there at its size. Content is checked where it comes from outside: at an import.
pub(crate) fn is_whole(dir: &Path, component: &Component) -> bool {
    let Ok(stamp) = read(dir) else { return false };
    let there = |part: &String| {
        let size = fs::metadata(dir.join(place(part))).map(|meta| meta.len());
        stamp
            .get(part)
            .is_some_and(|entry| size.is_ok_and(|size| size == entry.size))
    };
    component.parts().iter().all(there)
}

fn measure(path: &Path) -> Result<Entry, Error> {
    let mut file = File::open(path).map_err(Error::file("read", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer).map_err(Error::file("read", path))?;
        if read == 0 {
            return Ok(Entry {
                size,
                sha256: digest::hex(&hash.finalize()),
            });
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
}

fn malformed(dir: &Path, why: &serde_json::Error) -> Error {
    Error::Malformed {
        what: format!("`{}`", dir.join(FILE).display()),
        why: why.to_string(),
    }
}
