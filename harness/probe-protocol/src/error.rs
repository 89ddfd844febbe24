//! What is not a line of this protocol.

/// Why a line was not understood.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not what was waited for.
    #[error("`{line}` is not {what}")]
    Line {
        /// What was waited for, as in "a report of the probe".
        what: &'static str,
        /// How the line begins.
        line: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}
