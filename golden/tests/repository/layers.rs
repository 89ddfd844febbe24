//! The dependencies between crates are those of docs/design.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use regex::Regex;

use crate::dependencies::{code, members, sections};
use crate::text;

/// What each crate may use, from the table; `None` where it may use all.
fn told() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let design = text("docs/design.md");
    let table = design
        .split("## Who may use whom")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let name = Regex::new("`([a-z-]+)`").unwrap();
    let names = |cell: &str| -> BTreeSet<String> {
        name.captures_iter(cell)
            .map(|name| name[1].to_owned())
            .collect()
    };
    let mut told = BTreeMap::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').collect();
        let may = if cells[3].trim() == "all of them" {
            None
        } else {
            Some(names(cells[3]))
        };
        told.extend(names(cells[1]).into_iter().map(|one| (one, may.clone())));
    }
    told
}

#[test]
fn crates_use_what_the_design_lets_them_use() {
    let told = told();
    let folders: Vec<_> = members();
    let ours: BTreeSet<String> = folders
        .iter()
        .map(|dir| dir.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        told.keys().cloned().collect::<BTreeSet<_>>(),
        ours,
        "the crates of the table"
    );
    for dir in folders {
        let name = dir.file_name().unwrap().to_str().unwrap().to_owned();
        let manifest = sections(&fs::read_to_string(dir.join("Cargo.toml")).unwrap());
        let used = manifest
            .get("dependencies")
            .into_iter()
            .flat_map(BTreeMap::keys);
        let used: BTreeSet<String> = used.filter(|one| ours.contains(*one)).cloned().collect();
        if let Some(may) = &told[&name] {
            assert_eq!(&used, may, "what {name} uses, and what docs/design.md says");
        }
    }
}

/// Who re-exports a whole crate gives it to all who use it, past the manifests.
#[test]
fn no_crate_passes_another_one_on() {
    let names: Vec<String> = members()
        .iter()
        .map(|dir| dir.file_name().unwrap().to_str().unwrap().replace('-', "_"))
        .collect();
    let whole = Regex::new(&format!(
        r"pub(\([a-z]+\))? use ({})(;|::\{{self|::\*| as )",
        names.join("|")
    ))
    .unwrap();
    let example = format!("pub {} components::{{self, BoxCache}};", "use");
    assert!(whole.is_match(&example));
    for dir in members() {
        let code = code(&dir);
        let found: Vec<&str> = whole.find_iter(&code).map(|found| found.as_str()).collect();
        assert_eq!(found, Vec::<&str>::new(), "{}", dir.display());
    }
}
