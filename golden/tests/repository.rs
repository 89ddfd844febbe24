//! What keeps this repository honest beside its outcomes: what CI may take, which dependencies
//! there are, what the documents count.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

#[path = "repository/budget.rs"]
mod budget;
#[path = "repository/changes.rs"]
mod changes;
#[path = "repository/counts.rs"]
mod counts;
#[path = "repository/dependencies.rs"]
mod dependencies;
#[path = "repository/layers.rs"]
mod layers;
#[path = "repository/programs.rs"]
mod programs;
#[path = "repository/put_through.rs"]
mod put_through;
#[path = "repository/sources.rs"]
mod sources;

use std::path::{Path, PathBuf};

/// The repository's top folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The text of one of its files.
fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}
