//! Recorded outcomes: redaction, comparison, and the tests that keep them honest.
//!
//! A golden file holds the *detail* of a scenario's cells: code, message, warnings, what was
//! changed. What is *intended* stands in the scenario alone. A file is only ever written from an
//! outcome whose every cell met its intent, so that accepting one can never turn a refusal into an
//! admission.

mod diff;
mod error;
mod snapshot;
mod store;
mod table;
mod yaml;

pub use diff::changed_lines;
pub use error::{Error, TableError};
pub use snapshot::GoldenFile;
pub use store::{GoldenStore, OutcomeComparison, OutcomeSource, PendingFile, first_sentence};
pub use table::{OutcomeTable, render_cell, render_outcome};
