//! Lists the sources of the probe, the program of the box's own image, so that `native` carries them inside itself and can
//! build it as a component. It is not built here: a cargo within a cargo does not find what the outer one has not fetched.
//! It lists the recipes in the folders of components as well.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The packages of the probe's workspace.
const MEMBERS: [&str; 3] = ["harness/probe", "harness/agent", "harness/probe-protocol"];

fn main() {
    let root =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"))
            .join("../..");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    println!(
        "cargo::rustc-env=GAUNTLET_TARGET={}",
        env::var("TARGET").expect("cargo sets TARGET")
    );
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = vec!["Cargo.lock".to_owned()];
    for member in MEMBERS {
        files.push(format!("{member}/Cargo.toml"));
        list(&root, &format!("{member}/src"), &mut files);
        println!(
            "cargo::rerun-if-changed={}",
            root.join(member).join("src").display()
        );
    }
    let mut code = format!(
        "&[(\"Cargo.toml\", {:?}),",
        manifest(&root.join("Cargo.toml"))
    );
    for file in files {
        let path = root.join(&file);
        println!("cargo::rerun-if-changed={}", path.display());
        write!(
            code,
            "({file:?}, include_str!({:?})),",
            path.display().to_string()
        )
        .expect("a string takes all");
    }
    code.push(']');
    fs::write(out.join("probe_source.rs"), code).expect("the output folder can be written");
    fs::write(
        out.join("pinned.rs"),
        pinned(&root.join("harness/native/components")),
    )
    .expect("it can be written");
}

/// The list of the recipes in folders, in the order of their turns.
fn pinned(components: &Path) -> String {
    println!("cargo::rerun-if-changed={}", components.display());
    let entries = fs::read_dir(components).expect("the components are there");
    let recipes = entries.map(|entry| {
        entry
            .expect("a folder can be listed")
            .path()
            .join("recipe.rs")
    });
    let mut recipes: Vec<(u16, String)> = recipes
        .filter_map(|path| {
            let text = fs::read_to_string(&path).ok()?;
            let turn = text
                .split("turn: ")
                .nth(1)
                .and_then(|rest| rest.split(',').next());
            let turn = turn
                .and_then(|turn| turn.parse().ok())
                .expect("each recipe has a turn");
            Some((turn, path.display().to_string()))
        })
        .collect();
    recipes.sort();
    let list: Vec<String> = recipes
        .iter()
        .map(|(_, path)| format!("include!({path:?})"))
        .collect();
    format!("pinned!({})", list.join(", "))
}

/// The workspace's manifest with these members alone. Dependencies that only others use may stay in its table.
fn manifest(path: &Path) -> String {
    println!("cargo::rerun-if-changed={}", path.display());
    let text = fs::read_to_string(path).expect("the workspace has a manifest");
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("default-members"));
    let lines = lines.map(|line| match line.starts_with("members") {
        true => format!("members = {MEMBERS:?}"),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The files below a folder, in order.
fn list(root: &Path, folder: &str, files: &mut Vec<String>) {
    let entries = fs::read_dir(root.join(folder)).expect("the sources are there");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("a folder can be listed"))
        .collect();
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let path = format!(
            "{folder}/{}",
            entry
                .file_name()
                .to_str()
                .expect("sources have plain names")
        );
        match entry.path().is_dir() {
            true => list(root, &path, files),
            false => files.push(path),
        }
    }
}
