//! Every declared dependency is used.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::{root, text};

/// Crates whose library has another name than they have.
const NAMED: [(&str, &str); 2] = [("md-5", "md5"), ("rustls-webpki", "webpki")];

/// The entries of each section of a manifest that is written a line an entry, as ours are.
pub(crate) fn sections(manifest: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut current = String::new();
    for line in manifest.lines() {
        if let Some(name) = line.strip_prefix('[') {
            current = name.trim_end_matches(']').to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            let name = key.trim().trim_end_matches(".workspace").to_owned();
            sections
                .entry(current.clone())
                .or_default()
                .insert(name, value.trim().to_owned());
        }
    }
    sections
}

/// The folders of the workspace's members.
pub(crate) fn members() -> Vec<PathBuf> {
    let crates = fs::read_dir(root().join("harness"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let all = crates.chain([root().join("golden"), root().join("benches")]);
    all.filter(|dir| dir.join("Cargo.toml").is_file()).collect()
}

/// The Rust text below a folder, without its comments.
pub(crate) fn code(dir: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all += &code(&path);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            all.extend(
                text.lines()
                    .map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n"),
            );
        }
    }
    all
}

fn is_named_in(code: &str, dependency: &str) -> bool {
    let library = NAMED
        .iter()
        .find(|(name, _)| *name == dependency)
        .map_or(dependency, |(_, library)| library);
    Regex::new(&format!(
        r"(^|[^\w:]){}(::|;| as )",
        library.replace('-', "_")
    ))
    .unwrap()
    .is_match(code)
}

const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

#[test]
fn every_dependency_of_a_member_is_named_in_its_code() {
    let mut unused = Vec::new();
    for member in members() {
        let sections = sections(&fs::read_to_string(member.join("Cargo.toml")).unwrap());
        let code = code(&member);
        for name in KINDS
            .iter()
            .filter_map(|kind| sections.get(*kind))
            .flat_map(BTreeMap::keys)
        {
            if !is_named_in(&code, name) {
                unused.push(format!("{name} of {}", member.display()));
            }
        }
    }
    assert!(
        unused.is_empty(),
        "nothing names these, take them out: {unused:#?}"
    );
}

#[test]
fn every_dependency_of_the_workspace_is_one_of_a_member() {
    let manifests: Vec<_> = members()
        .iter()
        .map(|member| sections(&fs::read_to_string(member.join("Cargo.toml")).unwrap()))
        .collect();
    let all = &sections(&text("Cargo.toml"))["workspace.dependencies"];
    assert!(all.len() > 50, "the manifest could not be read: {all:?}");
    let is_used = |name: &String| {
        manifests.iter().any(|sections| {
            KINDS
                .iter()
                .any(|kind| sections.get(*kind).is_some_and(|it| it.contains_key(name)))
        })
    };
    let unused: Vec<_> = all.keys().filter(|name| !is_used(name)).collect();
    assert!(
        unused.is_empty(),
        "no member uses these, take them out: {unused:?}"
    );
}

#[test]
fn no_dependency_of_tests_is_one_of_the_crate_as_well() {
    for member in members() {
        let sections = sections(&fs::read_to_string(member.join("Cargo.toml")).unwrap());
        let Some(own) = sections.get("dependencies") else {
            continue;
        };
        for (name, value) in sections.get("dev-dependencies").into_iter().flatten() {
            assert!(
                !own.contains_key(name) || value.contains("features"),
                "{name} of {}",
                member.display()
            );
        }
    }
}

#[test]
fn what_only_looks_like_a_name_is_none() {
    assert!(
        is_named_in("use time::Date;", "time")
            && is_named_in("#[derive(thiserror::Error)]", "thiserror")
    );
    assert!(
        is_named_in("use md5::Md5;", "md-5")
            && is_named_in("    {serde_json::json!(1)}", "serde_json")
    );
    for code in [
        "std::time::Duration",
        "let time = 1;",
        "mytime::x",
        "time_of::x",
    ] {
        assert!(!is_named_in(code, "time"), "{code}");
    }
}
