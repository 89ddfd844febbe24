//! The stamp of a built component: the size and the SHA-256 of every file in it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::component::{PinnedComponent, part_path};
use crate::{Error, digest};

pub(crate) const STAMP_FILE: &str = "stamp.json";

/// A file as it was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StampEntry {
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

/// By the part's name.
pub(crate) type ComponentStamp = BTreeMap<String, StampEntry>;

/// Reads every part in `dir` and writes the stamp.
pub(crate) fn write_stamp(
    dir: &Path,
    component: &PinnedComponent,
) -> Result<ComponentStamp, Error> {
    let mut stamp = ComponentStamp::new();
    for part in component.parts() {
        let entry = measure_part(&dir.join(part_path(&part)))?;
        stamp.insert(part, entry);
    }
    let text = serde_json::to_vec_pretty(&stamp).map_err(|why| malformed_stamp(dir, &why))?;
    fs::write(dir.join(STAMP_FILE), text).map_err(Error::file("write", dir.join(STAMP_FILE)))?;
    Ok(stamp)
}

pub(crate) fn read_stamp(dir: &Path) -> Result<ComponentStamp, Error> {
    let path = dir.join(STAMP_FILE);
    let text = fs::read(&path).map_err(Error::file("read", &path))?;
    serde_json::from_slice(&text).map_err(|why| malformed_stamp(dir, &why))
}

/// Whether everything is there at its size. Content is checked where it comes from outside: at an
/// import.
pub(crate) fn is_whole(dir: &Path, component: &PinnedComponent) -> bool {
    let Ok(stamp) = read_stamp(dir) else {
        return false;
    };
    let there = |part: &String| {
        let size = fs::metadata(dir.join(part_path(part))).map(|meta| meta.len());
        stamp
            .get(part)
            .is_some_and(|entry| size.is_ok_and(|size| size == entry.size))
    };
    component.parts().iter().all(there)
}

fn measure_part(path: &Path) -> Result<StampEntry, Error> {
    let mut file = File::open(path).map_err(Error::file("read", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer).map_err(Error::file("read", path))?;
        if read == 0 {
            return Ok(StampEntry {
                size,
                sha256: digest::to_hex(&hash.finalize()),
            });
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
}

fn malformed_stamp(dir: &Path, why: &serde_json::Error) -> Error {
    Error::Malformed {
        what: format!("`{}`", dir.join(STAMP_FILE).display()),
        why: why.to_string(),
    }
}
