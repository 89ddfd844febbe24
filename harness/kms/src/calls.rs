//! The record of calls.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Error;

/// What a plugin can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KmsOperation {
    /// How it is, and which key is the current one.
    Status,
    /// To seal.
    Encrypt,
    /// To open.
    Decrypt,
}

/// One call that the plugin has had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KmsCallRecord {
    /// What it was asked for.
    pub call: KmsOperation,
    /// The id of the key that it was about; empty where the settings did not say.
    pub key: String,
    /// Whether it did what was requested. `false` as well where the caller did not wait for it.
    pub ok: bool,
}

/// The calls that the plugin of this folder has had so far.
///
/// # Errors
/// When its record cannot be read. One that has had no call yet has no record, which is none.
pub fn read_calls(folder: &Path) -> Result<Vec<KmsCallRecord>, Error> {
    let path = calls_path(folder);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::file("read", path)(source)),
    };
    // What comes after the last newline is still being written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).map_err(Error::malformed(&path)))
        .collect()
}

/// A call that is going on. It is recorded when this is dropped, so a call that its caller gave up
/// is there too.
pub(crate) struct OpenCall<'a> {
    folder: &'a Path,
    pub(crate) call: KmsCallRecord,
}

impl<'a> OpenCall<'a> {
    pub(crate) fn begin_call(folder: &'a Path, call: KmsOperation, key: &str) -> Self {
        Self {
            folder,
            call: KmsCallRecord {
                call,
                key: key.to_owned(),
                ok: false,
            },
        }
    }
}

impl Drop for OpenCall<'_> {
    /// There is no caller to report a failure to; a test then misses the line.
    fn drop(&mut self) {
        let Ok(mut line) = serde_json::to_vec(&self.call) else {
            return;
        };
        line.push(b'\n');
        let record = OpenOptions::new()
            .create(true)
            .append(true)
            .open(calls_path(self.folder));
        let _ = record.and_then(|mut record| record.write_all(&line));
    }
}

fn calls_path(folder: &Path) -> PathBuf {
    folder.join("calls.jsonl")
}
