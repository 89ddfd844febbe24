//! What the plugin is told to do.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, KmsOperation};

/// How the plugin behaves. By default it works, with the key `k1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PluginSettings {
    /// The id of the key that it seals with, and names as the current one.
    pub key: String,
    /// How long every answer takes, in milliseconds. A caller that does not wait that long gets
    /// none.
    pub delay: u64,
    /// The calls that fail.
    pub fails: BTreeSet<KmsOperation>,
    /// Whether its status says that it is not well.
    pub unhealthy: bool,
    /// The ids of keys that it no longer has: nothing is sealed or opened with them.
    pub lost: BTreeSet<String>,
}

impl Default for PluginSettings {
    fn default() -> Self {
        Self {
            key: "k1".into(),
            delay: 0,
            fails: BTreeSet::new(),
            unhealthy: false,
            lost: BTreeSet::new(),
        }
    }
}

impl PluginSettings {
    /// Puts these settings into a plugin's folder, as a whole: its next call heeds them.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = settings_path(folder);
        let text = serde_json::to_vec_pretty(self).map_err(Error::malformed(&path))?;
        let mut file =
            tempfile::NamedTempFile::new_in(folder).map_err(Error::file("write", &path))?;
        file.write_all(&text).map_err(Error::file("write", &path))?;
        file.persist(&path)
            .map_err(|fault| Error::file("write", &path)(fault.error))?;
        Ok(())
    }

    /// The settings of a plugin's folder; the defaults where there are none.
    ///
    /// # Errors
    /// When they cannot be read, or are not settings.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = settings_path(folder);
        match fs::read(&path) {
            Ok(text) => parse_settings(&text).map_err(Error::malformed(path)),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(Error::file("read", path)(source)),
        }
    }
}

/// A list would do for a struct as well, an empty one for the defaults: it has to be an object.
fn parse_settings(text: &[u8]) -> serde_json::Result<PluginSettings> {
    serde_json::from_slice::<Map<String, Value>>(text)?;
    serde_json::from_slice(text)
}

fn settings_path(folder: &Path) -> PathBuf {
    folder.join("settings.json")
}
