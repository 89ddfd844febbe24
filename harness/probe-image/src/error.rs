//! What cannot be an image.

use std::io;

/// Why an image or a layer was not made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file's path is not absolute, or too long for a tar archive.
    #[error("failed to write {what}")]
    Write {
        /// What was to be written, as in "a layer".
        what: String,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// For `map_err` on what is written.
    pub(crate) fn write(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Write { what, source }
    }
}
