//! What can be wrong with a scenario's files.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::library::{OutsideFault, SCENARIO_FILE};

use thiserror::Error;

/// Where in a file something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlace {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
}

impl fmt::Display for FilePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// A word of a scenario that is not what stands at its place.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` {fault}")]
pub struct ParseWordError {
    /// The word.
    text: String,
    /// What is wrong with it, and what to write, as in "`x` is not …".
    fault: &'static str,
}

impl ParseWordError {
    pub(crate) fn new(text: &str, fault: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            fault,
        }
    }
}

/// A scenario or manifest that cannot be used.
#[derive(Debug, Error)]
pub enum Error {
    /// A file or folder could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// It.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// An object that cannot be a part of a set of policies.
    #[error("`{}`: {fault}", path.display())]
    Policy {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// A path is something else than was needed, such as a folder in a file's place.
    #[error("`{}` is {found}, not {wanted}", path.display())]
    Not {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: &'static str,
        /// What should be.
        wanted: &'static str,
    },
    /// A file is larger than any scenario has reason to be.
    #[error("`{}` has {size} bytes; at most {limit} are read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file is not UTF-8.
    #[error("{place}: not valid UTF-8")]
    Utf8 {
        /// The first bad byte.
        place: FilePlace,
    },
    /// A file holds nothing.
    #[error("`{}` is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A file does not parse.
    #[error("{place}: {what}\n{snippet}")]
    Parse {
        /// Where.
        place: FilePlace,
        /// The fault in one line.
        what: String,
        /// The lines around it, with a caret.
        snippet: String,
    },
    /// A scenario where none is read from: it would never be tried.
    #[error("`{}` is not read: a scenario is a file AREA/NAME/scenario.yaml", path.display())]
    Misplaced {
        /// The file.
        path: PathBuf,
    },
    /// A link in the place of a scenario's file or folder. What it leads to can change without it.
    #[error("`{}` is a symbolic link", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// A file that a scenario names and may not read.
    #[error("`{name}` {fault}")]
    Outside {
        /// As the scenario names it.
        name: String,
        /// Why not.
        fault: OutsideFault,
    },
    /// No scenario in a folder.
    #[error("no scenario under `{}`", path.display())]
    NoScenario {
        /// The folder.
        path: PathBuf,
    },
}

impl Error {
    /// A way out, where there is a plain one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoScenario { .. } => {
                "a scenario is a file AREA/NAME/scenario.yaml below this folder".into()
            }
            Self::TooLarge { .. } => {
                "keep manifests small; a scenario needs no data files of this size".into()
            }
            Self::Empty { path } if path.file_name().is_some_and(|name| name == SCENARIO_FILE) => {
                "a scenario begins with `scenario: v2`".into()
            }
            Self::Empty { .. } => "write an object into it, or delete it".into(),
            Self::Misplaced { .. } => "move it to its place, or take it out of this folder".into(),
            Self::Link { .. } => "copy what it leads to: a scenario's files are plain files".into(),
            Self::Outside { fault, .. } => fault.hint().into(),
            Self::Utf8 { .. } => "save the file as UTF-8".into(),
            Self::Not { .. } => "check the path in the scenario file".into(),
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "a path in a file is relative to that file's own folder".into()
            }
            _ => return None,
        })
    }
}
