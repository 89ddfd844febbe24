//! Every way in which a component can be missing.

use std::io;
use std::path::PathBuf;

/// What went wrong. The text is the fact; [`Error::hint`] says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither `GAUNTLET_CACHE`, `XDG_CACHE_HOME` nor `HOME` says where the cache is.
    #[error(
        "no place for the cache: none of GAUNTLET_CACHE, XDG_CACHE_HOME and HOME is set to an absolute path"
    )]
    NoCache,
    /// A file or folder could not be used.
    #[error("failed to {doing} `{path}`", path = .path.display())]
    File {
        /// What was tried, as an infinitive: "read", "create".
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// No pinned component answers to this.
    #[error("no such pinned component: `{0}`")]
    UnknownComponent(String),
    /// A Kubernetes release that is not pinned.
    #[error("Kubernetes `{wanted}` is not pinned; pinned are {pinned}")]
    UnknownRelease {
        /// What was asked for.
        wanted: String,
        /// What there is, as a list for people.
        pinned: String,
    },
    /// A tool is missing from the machine.
    #[error("`{tool}` not found (needed to {purpose})")]
    MissingTool {
        /// The program's name.
        tool: &'static str,
        /// What for, as an infinitive.
        purpose: String,
    },
    /// A component did not build.
    #[error("`{component}` did not build ({status}); the end of what the build said:\n{tail}")]
    Build {
        /// `NAME-VERSION`.
        component: String,
        /// How the tool ended.
        status: String,
        /// Its last lines.
        tail: String,
    },
    /// The disk is full.
    #[error("the disk that holds `{path}` is full", path = .path.display())]
    DiskFull {
        /// A path on that disk.
        path: PathBuf,
    },
    /// An archive of components that cannot be trusted or read.
    #[error("`{archive}` is not a good archive of components: {why}", archive = .archive.display())]
    Archive {
        /// The archive.
        archive: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A system call failed.
    #[error("failed to {doing}")]
    System {
        /// What was tried, as an infinitive.
        doing: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Text that is not what it should be.
    #[error("{what} is not well formed: {why}")]
    Malformed {
        /// What was read.
        what: String,
        /// The reader's complaint.
        why: String,
    },
}

impl Error {
    /// What to do about it, where there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoCache => Some("set GAUNTLET_CACHE to a folder of your own".into()),
            Self::UnknownRelease { .. } => {
                Some("name one of those, as in `1.36`; `gauntlet components` lists them".into())
            }
            Self::MissingTool { .. } => {
                Some("`gauntlet doctor` names the command that installs it".into())
            }
            Self::DiskFull { .. } => {
                Some("make room, or set GAUNTLET_CACHE to a folder on another disk".into())
            }
            Self::Archive { .. } => {
                Some("make it again with `gauntlet components export FILE`".into())
            }
            Self::File { source, .. } if is_read_only(source) => {
                Some("the cache must be writable: set GAUNTLET_CACHE to a folder that is".into())
            }
            Self::File { .. }
            | Self::UnknownComponent(_)
            | Self::Build { .. }
            | Self::System { .. }
            | Self::Malformed { .. } => None,
        }
    }

    /// For `map_err` on file operations; a full disk gets its own error.
    pub(crate) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull => Self::DiskFull { path },
            _ => Self::File {
                doing,
                path,
                source,
            },
        }
    }

    /// For `map_err` on system calls.
    pub(crate) fn system<E: Into<io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        let doing = doing.into();
        move |source| Self::System {
            doing,
            source: source.into(),
        }
    }
}

fn is_read_only(source: &io::Error) -> bool {
    matches!(
        source.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
    )
}
