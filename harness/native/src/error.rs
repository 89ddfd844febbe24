//! Every way in which a box, or the building of one, can fail.

use std::io;
use std::path::PathBuf;

use crate::inotify;

/// What went wrong. The text is the fact; [`Error::hint`] says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A component, or the cache, failed.
    #[error(transparent)]
    Component(#[from] components::Error),
    /// Components that are only to be used are not there.
    #[error("not built: {0}; run `cargo run --release -- run --setup` first")]
    NotBuilt(String),
    /// NetworkPolicies cannot be enforced, or nobody can say how far they are.
    #[error(transparent)]
    Enforcer(#[from] enforcer::Error),
    /// The probe's image could not be made.
    #[error(transparent)]
    Image(#[from] probe_image::Error),
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
    /// The disk is full.
    #[error("the disk that holds `{path}` is full", path = .path.display())]
    DiskFull {
        /// A path on that disk.
        path: PathBuf,
    },
    /// Not a name for a box.
    #[error("`{0}` is not a name for a box")]
    BadName(String),
    /// A node that is to enforce NetworkPolicies does not say what it enforces.
    #[error("{0} does not say what it enforces of NetworkPolicy")]
    NoEnforcer(String),
    /// A setting that is not supported.
    #[error("unsupported cluster configuration: {0}")]
    BadCluster(String),
    /// A box of that name is up, or is being started or taken down.
    #[error("a box named `{0}` is already up")]
    NameTaken(String),
    /// No box of that name is up.
    #[error("no box named `{0}` is up")]
    NoSuchBox(String),
    /// The processes of a detached box cannot be controlled.
    #[error("box `{0}` is detached: its processes cannot be controlled")]
    NotAttached(String),
    /// A box never had a process of that name.
    #[error("the box `{name}` has no process `{process}`")]
    NoSuchProcess {
        /// The box.
        name: String,
        /// What was asked for.
        process: String,
    },
    /// A box does not have a node of that name, or it is the first, which is left alone.
    #[error("the box `{name}` has no node `{node}` beyond the first: nothing can be done to it")]
    NoSuchNode {
        /// The box.
        name: String,
        /// What was asked for.
        node: String,
    },
    /// A box has fewer nodes than that.
    #[error("the box `{name}` has no node {number}")]
    NoNodeNumbered {
        /// The box.
        name: String,
        /// Which was asked for, from 1.
        number: u8,
    },
    /// A box without nodes has nowhere to put images.
    #[error("the box `{0}` has no node to give images to")]
    NoNodes(String),
    /// The rights to make namespaces, mounts and cgroups are missing.
    #[error("starting a box needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN)")]
    NotRoot,
    /// The launcher could not be run, or fell silent.
    #[error("the box's launcher failed: {0}")]
    Launcher(String),
    /// The box did not start.
    #[error("the box `{name}` did not start: {why}")]
    Start {
        /// The box.
        name: String,
        /// Which step or process failed, and the end of its log.
        why: String,
    },
    /// The box did not get the inotify instances that it needs.
    #[error("the box `{name}` did not start: {why}")]
    NoInotify {
        /// The box.
        name: String,
        /// What was waited for, and who holds the instances.
        why: String,
    },
    /// Taking the box down did not end in time.
    #[error("the box `{name}` is not gone: {why}")]
    Down {
        /// The box.
        name: String,
        /// What is left.
        why: String,
    },
    /// A wait ran past its deadline.
    #[error(transparent)]
    Wait(#[from] wait::TimedOut),
    /// A system call failed.
    #[error("failed to {doing}")]
    System {
        /// What was tried, as an infinitive.
        doing: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A command of the machine failed.
    #[error("`{command}` failed: {why}")]
    Command {
        /// The command as typed.
        command: String,
        /// What it said.
        why: String,
    },
    /// Keys or certificates could not be made.
    #[error("failed to make keys and certificates")]
    Pki(#[source] rcgen::Error),
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
            Self::Component(error) => error.hint(),
            Self::NotRoot => Some("run it as root, for example with `sudo`; `gauntlet doctor` checks the rest".into()),
            Self::DiskFull { .. } => Some("make room, or set GAUNTLET_CACHE to a folder on another disk".into()),
            Self::NoInotify { .. } => Some(inotify_hint()),
            Self::Start { why, .. } if inotify::is_exhausted(why) => Some(inotify_hint()),
            Self::NameTaken(name) => Some(format!("take it down with `gauntlet down {name}`, or choose another name")),
            Self::NoNodeNumbered { .. } => Some("`gauntlet up --nodes N` starts a box with N nodes".into()),
            Self::NoSuchBox(_) => Some("`gauntlet list --boxes` shows those that are up; `gauntlet up` starts one".into()),
            Self::BadName(_) => Some("1 to 40 of a-z, 0-9 and -, beginning and ending with a letter or digit".into()),
            Self::File { source, path, .. } if is_busy(source) && path.starts_with("/sys/fs/cgroup") => {
                Some("in a container, first move its processes out of the root control group into one below it".into())
            }
            Self::File { source, .. } if read_only(source) => {
                Some("the cache must be writable: set GAUNTLET_CACHE to a folder that is".into())
            }
            _ => None,
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

fn inotify_hint() -> String {
    format!(
        "take down boxes that are not needed (`gauntlet down`), end other programs that hold inotify \
         instances, or raise the kernel's limit: `{}`",
        inotify::RAISE_LIMIT
    )
}

fn read_only(source: &io::Error) -> bool {
    matches!(
        source.kind(),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied
    )
}

fn is_busy(source: &io::Error) -> bool {
    source.kind() == io::ErrorKind::ResourceBusy
}
