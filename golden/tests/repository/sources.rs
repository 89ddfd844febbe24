//! Files and names of the crates that were gone through: none is long, no constant is one word. No
//! file of tests is long in any crate.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::root;

/// The folders of their sources.
const GONE_THROUGH: [&str; 22] = [
    "benches/figures",
    "golden/src",
    "harness/addons/src",
    "harness/agent/src",
    "harness/api/src",
    "harness/artifact/src",
    "harness/cli/src",
    "harness/cluster/src",
    "harness/components/src",
    "harness/enforcer/src",
    "harness/engine/src",
    "harness/error-chain/src",
    "harness/kms/src",
    "harness/model/src",
    "harness/native/src",
    "harness/oracle/src",
    "harness/probe/src",
    "harness/probe-image/src",
    "harness/probe-protocol/src",
    "harness/redact/src",
    "harness/runner/src",
    "harness/wait/src",
];

/// The most lines of a file, its tests left out.
const MOST_LINES: usize = 400;

/// What each file of several gives to the one table that is made of them.
const TABLE_ENTRIES: [&str; 3] = ["ADDON", "LIVE", "WAYS"];

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(source_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files
}

/// Each file with its text up to its tests.
fn sources() -> Vec<(PathBuf, String)> {
    let tests = Regex::new(r"(?m)^#\[cfg\(test\)\]\n(?:pub\(crate\) )?mod tests \{").unwrap();
    let files = GONE_THROUGH
        .iter()
        .flat_map(|folder| source_files(&root().join(folder)));
    files
        .filter(|path| !path.to_str().unwrap().ends_with("tests.rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let end = tests.find(&text).map_or(text.len(), |tests| tests.start());
            (path, text[..end].to_owned())
        })
        .collect()
}

#[test]
fn no_file_is_long() {
    let sources = sources();
    assert!(sources.len() > 100, "{} files", sources.len());
    let long: Vec<_> = sources
        .iter()
        .filter(|(_, text)| text.lines().count() > MOST_LINES)
        .map(|(path, _)| path)
        .collect();
    assert!(long.is_empty(), "split these by what they hold: {long:#?}");
}

/// The files that hold tests alone, of every crate.
fn test_files() -> Vec<PathBuf> {
    let folders = ["benches", "golden", "harness"];
    let files = folders
        .iter()
        .flat_map(|folder| source_files(&root().join(folder)));
    files
        .filter(|path| {
            path.file_name().is_some_and(|name| name == "tests.rs")
                || path.components().any(|part| part.as_os_str() == "tests")
        })
        .collect()
}

#[test]
fn no_file_of_tests_is_long() {
    let files = test_files();
    assert!(files.len() > 50, "{} files", files.len());
    let count = |path: &PathBuf| fs::read_to_string(path).unwrap().lines().count();
    let long: Vec<_> = files
        .iter()
        .filter(|path| count(path) > MOST_LINES)
        .collect();
    assert!(long.is_empty(), "split these by what they hold: {long:#?}");
}

#[test]
fn constants_are_named_for_what_they_hold() {
    let one_word =
        Regex::new(r"(?m)^(?:pub(?:\([a-z]+\))? )?(?:const|static) ([A-Z][A-Z0-9]*):").unwrap();
    let found: Vec<String> = sources()
        .iter()
        .flat_map(|(path, text)| {
            one_word
                .captures_iter(text)
                .map(|name| (path.display().to_string(), name[1].to_owned()))
                .collect::<Vec<_>>()
        })
        .filter(|(_, name)| !TABLE_ENTRIES.contains(&name.as_str()))
        .map(|(path, name)| format!("{name} in {path}"))
        .collect();
    assert!(found.is_empty(), "one word does not say it: {found:#?}");
    assert!(one_word.is_match("pub(crate) const ALL: [u8; 1] = [1];"));
}
