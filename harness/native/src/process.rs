//! What a box is given: files, and processes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A file of the box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoxFile {
    /// Below [`crate::places::BOX_HOME`].
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// A process of the box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoxProcess {
    /// Its name, which is its log's name too.
    pub(crate) name: String,
    /// An absolute path inside the box.
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// A socket inside the box that must take connections first.
    pub(crate) after_socket: Option<PathBuf>,
    /// Whether it does its work and ends; every other process's end is a fault.
    pub(crate) ends: bool,
}
