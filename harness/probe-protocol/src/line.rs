//! Lines of JSON, and nothing else on them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// How much of a line is shown that was not understood.
const SHOWN_CHARACTERS: usize = 200;

/// Reads one line, with or without its end; `what` says what it has to be.
///
/// # Errors
/// [`Error::Line`], when it is something else.
pub fn read_line<T: DeserializeOwned>(what: &'static str, line: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(line).map_err(|source| Error::Line {
        what,
        line: String::from_utf8_lossy(line)
            .trim()
            .chars()
            .take(SHOWN_CHARACTERS)
            .collect(),
        source,
    })
}

/// One line, with its end.
#[must_use]
pub fn write_line(said: &impl Serialize) -> String {
    // No type of this crate has a key that is not text, or a number that is not one.
    let mut line = serde_json::to_string(said).unwrap_or_default();
    line.push('\n');
    line
}
