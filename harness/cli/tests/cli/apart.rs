//! Worlds of one cluster are apart: each of these scenarios once met what a world before it had
//! left.

use std::path::Path;
use std::process::Command;

use crate::support::{GAUNTLET, Ran, Scratch, can_start_boxes, names};

#[test]
fn no_world_meets_what_another_left() {
    if !can_start_boxes("no_world_meets_what_another_left") {
        return;
    }
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let count = names(&cases.join("apart")).len();
    let scratch = Scratch::new();
    let mut command = Command::new(GAUNTLET);
    command
        .args(["run", "--tables", "--scenarios"])
        .arg(&cases)
        .current_dir(scratch.path("."));
    let ran = Ran::of(&command.output().unwrap());
    // Nothing is recorded for them, so that none passes.
    assert_eq!(ran.code, Some(6), "{ran:#?}");
    let summary = ran.out.lines().last().unwrap_or_default();
    let (cells, passed) = summary
        .split_once(" scenarios, ")
        .and_then(|(_, rest)| rest.split_once(" cells: "))
        .unwrap_or_else(|| panic!("{ran:#?}"));
    let expected = format!("{cells} passed; new: {count} scenarios;");
    assert!(passed.starts_with(&expected), "{ran:#?}");
}
