//! What can stand between us and a box with addons, and between an addon's objects and their being
//! in force.

use std::io;
use std::path::PathBuf;

use api::reply_message;
use error_chain::error_chain;
use model::ApiReply;
use thiserror::Error;
use wait::{TimedOut, WaitLook};

/// No box with what was asked for in it, or nothing that shows what an addon goes by.
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
        source: components::Error,
    },
    /// A part of an addon is asked for without the addon.
    #[error("`{part}` is a part of `{whole}`, which is not installed")]
    PartAlone {
        /// The part.
        part: &'static str,
        /// What it is a part of.
        whole: &'static str,
    },
    /// It could not be installed, or was never seen to do what it has to.
    #[error("{addon} could not be installed")]
    Install {
        /// Its name.
        addon: &'static str,
        /// The reason.
        #[source]
        source: Box<Self>,
    },
    /// What was waited for did not come about.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// The API server did not answer, or did not give what it was asked for.
    #[error(transparent)]
    Api(#[from] api::Error),
    /// It, or an addon, refused something that had to be done.
    #[error("{failed}: {said}")]
    UnexpectedReply {
        /// What came to nothing by it.
        failed: String,
        /// The words.
        said: String,
    },
    /// A manifest, ours or a release's, is not in the form that it has to be.
    #[error("the manifest `{manifest}` cannot be read")]
    Manifest {
        /// Which.
        manifest: String,
        /// Why not.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// A release lacks what we take from it.
    #[error("`{manifest}` {lack}")]
    Release {
        /// Its manifest.
        manifest: String,
        /// What it lacks, as in "the manifest …".
        lack: String,
    },
    /// A patch of ours is not for this release.
    #[error("the patch `{name}` ({why}) does not fit the release: there is no {missing}")]
    Patch {
        /// Its name.
        name: String,
        /// What it is for.
        why: String,
        /// What it would change, and is not there.
        missing: String,
    },
    /// A key or a certificate could not be made.
    #[error("no {what} could be made")]
    Unmade {
        /// What.
        what: &'static str,
        /// Why not, where there is a word on it.
        #[source]
        source: Option<rcgen::Error>,
    },
    /// A file of a component, or of ours, cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file that helps to use it cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A socket in the box's network.
    #[error("the socket broke")]
    Socket {
        /// How.
        #[source]
        source: io::Error,
    },
    /// A thread of our own ended before its work was done.
    #[error("a thread of our own was ended")]
    Thread {
        /// How.
        #[from]
        source: tokio::task::JoinError,
    },
}

impl Error {
    /// A reply that is not what was asked for, and what came to nothing by it.
    pub(crate) fn refused(failed: impl Into<String>, reply: &ApiReply) -> Self {
        Self::UnexpectedReply {
            failed: failed.into(),
            said: reply_message(reply),
        }
    }

    pub(crate) fn misread(manifest: impl Into<String>, source: serde_saphyr::Error) -> Self {
        Self::Manifest {
            manifest: manifest.into(),
            source: Box::new(source),
        }
    }

    /// What could not be made, without a word on why.
    pub(crate) fn unmade(what: &'static str) -> Self {
        Self::Unmade { what, source: None }
    }

    pub(crate) fn unmade_by(what: &'static str, source: rcgen::Error) -> Self {
        Self::Unmade {
            what,
            source: Some(source),
        }
    }

    /// A way out, where there is a plain one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Cluster(source) => source.hint(),
            Self::Component { source, .. } => source.hint(),
            Self::Install { source, .. } => source.hint(),
            Self::PartAlone { part, whole } => Some(format!("install {whole} and {part}")),
            Self::TimedOut(_)
            | Self::Api(_)
            | Self::UnexpectedReply { .. }
            | Self::Manifest { .. }
            | Self::Release { .. }
            | Self::Patch { .. }
            | Self::Unmade { .. }
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Socket { .. }
            | Self::Thread { .. } => None,
        }
    }
}

/// One look that failed shows that the condition does not hold yet.
impl<T> From<Error> for WaitLook<T> {
    fn from(fault: Error) -> Self {
        Self::NotYet(error_chain(&fault))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_stood_in_the_way_of_an_addon_is_kept_whole() {
        let late = TimedOut {
            what: "Vault to answer".into(),
            within: Duration::from_secs(60),
            last_seen: Some("503".into()),
        };
        let failed = Error::Install {
            addon: "vault",
            source: Box::new(late.into()),
        };
        assert_eq!(
            error_chain(&failed),
            "vault could not be installed: waited 60 s for Vault to answer; last seen: 503"
        );
    }

    #[test]
    fn the_way_out_is_that_of_the_cause() {
        let source = cluster::Error::NoContext { path: "k".into() };
        let hint = source.hint();
        let failed = Error::Install {
            addon: "vault",
            source: Box::new(source.into()),
        };
        assert!(hint.is_some());
        assert_eq!(failed.hint(), hint);
    }
}
