//! What can go wrong between us and a registry.

use std::path::PathBuf;

/// Why an image could not be made, fetched or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry answered, and not with what was asked for.
    #[error("the registry answered {code} to {asked}: {said}")]
    Refused {
        /// Method and path.
        asked: String,
        /// The status code.
        code: u16,
        /// The beginning of the body.
        said: String,
    },
    /// The registry's answer ended too early.
    #[error("the registry broke off in its answer to {asked}")]
    BrokenOff {
        /// Method and path.
        asked: String,
        /// What happened.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The registry did not answer.
    #[error("the registry did not answer {asked}")]
    Transport {
        /// Method and path.
        asked: String,
        /// What happened.
        #[source]
        source: Box<ureq::Error>,
    },
    /// What came does not have the digest under which it was asked for.
    #[error("{asked} gave other bytes than were asked for: they have the digest {got}")]
    Altered {
        /// Method and path.
        asked: String,
        /// The digest of what came.
        got: String,
    },
    /// A manifest, configuration or bundle in the registry is not what it should be.
    #[error("{what} cannot be read: {why}")]
    Malformed {
        /// What it is.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// An image cannot be made of these files.
    #[error("failed to make an image")]
    Image(#[source] probe_image::Error),
    /// A file cannot be written.
    #[error("failed to write `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the registry answered, and withheld what was asked for.
    #[must_use]
    pub fn is_withheld(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. } | Self::BrokenOff { .. } | Self::Altered { .. }
        )
    }

    pub(crate) fn malformed(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Malformed {
            what: what.into(),
            why: why.to_string(),
        }
    }
}
