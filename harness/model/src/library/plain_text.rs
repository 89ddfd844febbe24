//! Reads a text that a person wrote.

use std::fs;
use std::io::Read;
use std::path::Path;

use crate::Error;
use crate::error::FilePlace;

/// No scenario has reason for a larger file; 1 MiB.
const LARGEST_FILE: u64 = 1 << 20;

/// The text of a file that a person wrote: a plain file, UTF-8, within the limit.
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let facts = fs::metadata(path).map_err(failed)?;
    if !facts.is_file() {
        let found = if facts.is_dir() {
            "a folder"
        } else {
            "a special file"
        };
        return Err(Error::Not {
            path: path.to_owned(),
            found,
            wanted: "a file",
        });
    }
    if facts.len() > LARGEST_FILE {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            size: facts.len(),
            limit: LARGEST_FILE,
        });
    }
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|fault| {
        let good = &fault.as_bytes()[..fault.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count() as u64;
        let column = 1 + good.iter().rev().take_while(|byte| **byte != b'\n').count() as u64;
        Error::Utf8 {
            place: FilePlace {
                file: path.to_owned(),
                line,
                column,
            },
        }
    })?;
    if text.trim().is_empty() {
        Err(Error::Empty {
            path: path.to_owned(),
        })
    } else {
        Ok(text)
    }
}
