//! What can go wrong with golden files.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The body of a golden file that is not a table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TableError {
    /// It does not parse.
    #[error("{what}")]
    Yaml {
        /// The fault, in a few words.
        what: String,
    },
    /// A step names a world twice.
    #[error("step `{step}` names world `{world}` twice")]
    WorldTwice {
        /// The step.
        step: String,
        /// The world.
        world: String,
    },
}

/// A golden file that cannot be read, written or accepted.
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
    /// A file could not be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// It.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A path is a symbolic link, or leads out of the folder through one.
    #[error("`{}` leads out of `{}` through a symbolic link", path.display(), root.display())]
    Outside {
        /// The path.
        path: PathBuf,
        /// The folder of the golden files.
        root: PathBuf,
    },
    /// An id is not `AREA/NAME`.
    #[error("`{id}` is not the id of a scenario")]
    Id {
        /// It.
        id: String,
    },
    /// A golden file is not one.
    #[error("`{}` is not a recorded outcome: {what}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, in a few words.
        what: String,
    },
    /// Nothing is pending for this scenario.
    #[error("nothing is pending for `{id}`")]
    NotPending {
        /// The scenario.
        id: String,
    },
    /// An outcome with a cell that is not as intended, or that is incomplete, may not be recorded.
    #[error("`{id}` cannot be recorded: {why}")]
    Unfit {
        /// The scenario.
        id: String,
        /// Why not.
        why: String,
    },
}

impl Error {
    /// A way out, where there is a plain one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Outside { .. } => "keep golden files as plain files in their own folder".into(),
            Self::Id { .. } => "an id is AREA/NAME, as `gauntlet list` prints it".into(),
            Self::Format { .. } => {
                "restore it from version control, or delete it and record it again".into()
            }
            Self::NotPending { id } => format!("`gauntlet run {id}` records what differs"),
            Self::Write { source, .. } if is_read_only(source) => {
                "name a folder you can write, with `--golden DIR`".into()
            }
            Self::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space".into()
            }
            _ => return None,
        })
    }
}

fn is_read_only(source: &io::Error) -> bool {
    matches!(
        source.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}
