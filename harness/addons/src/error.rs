//! What can stand between us and a box with addons.

use thiserror::Error;

/// No box with what was asked for in it.
#[derive(Debug, Error)]
pub enum Error {
    /// There is no cluster to put it into, or it cannot be asked.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// A component is not pinned.
    #[error("the addon `{addon}` has no component")]
    Component {
        /// Its name.
        addon: &'static str,
        /// Why not.
        #[source]
        source: native::Error,
    },
    /// It could not be installed, or was never seen to do what it has to.
    #[error("{addon} could not be installed: {why}")]
    Install {
        /// Its name.
        addon: &'static str,
        /// What stood in the way.
        why: String,
    },
    /// A file that helps to use it cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: std::path::PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// A way out, where there is a plain one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Cluster(source) => source.hint(),
            Self::Component { source, .. } => source.hint(),
            Self::Install { .. } | Self::Write { .. } => None,
        }
    }
}
