//! Lists the sources of the probe, the program of the box's own image, so that this crate carries
//! them inside itself and can build it as a component. It is not built here: a cargo within a cargo
//! does not find what the outer one has not fetched. It lists the recipes in the folders of
//! components as well.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The package whose program is the probe.
const PROBE: &str = "probe";

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
    let workspace =
        fs::read_to_string(root.join("Cargo.toml")).expect("the workspace has a manifest");
    let members = members(&root, &workspace);
    let mut files = vec!["Cargo.lock".to_owned()];
    for member in &members {
        files.push(format!("{member}/Cargo.toml"));
        list_files(&root, &format!("{member}/src"), &mut files);
        println!(
            "cargo::rerun-if-changed={}",
            root.join(member).join("src").display()
        );
    }
    let mut code = format!(
        "&[(\"Cargo.toml\", {:?}),",
        manifest(&root.join("Cargo.toml"), &members)
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
        pinned_table(&root.join("harness/components/modules")),
    )
    .expect("it can be written");
}

/// The folders of the probe and of every package of this workspace that it is built from, however
/// far away: what its manifest names, and what theirs name.
fn members(root: &Path, workspace: &str) -> Vec<String> {
    let mut found = vec![folder_of(workspace, PROBE).expect("the probe is in the workspace")];
    let mut at = 0;
    while let Some(folder) = found.get(at) {
        let path = root.join(folder).join("Cargo.toml");
        let manifest = fs::read_to_string(path).expect("a package has a manifest");
        for name in dependencies(&manifest) {
            if let Some(folder) = folder_of(workspace, name)
                && !found.contains(&folder)
            {
                found.push(folder);
            }
        }
        at += 1;
    }
    found
}

/// The folder of a package, if it is one of this workspace: `probe` has no line in the table of
/// dependencies.
fn folder_of(workspace: &str, package: &str) -> Option<String> {
    let line = |line: &&str| line.split(['.', ' ', '=']).next() == Some(package);
    let path = workspace.lines().find(line).and_then(|line| {
        line.split("path = \"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
    });
    let own = (package == PROBE).then_some("harness/probe");
    path.or(own).map(str::to_owned)
}

/// The names under the headings of what a package is built from.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_wanted = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_wanted = line.contains("dependencies") && !line.contains("dev-dependencies");
        } else if is_wanted && let Some(name) = line.split(['.', ' ', '=']).next() {
            names.push(name);
        }
    }
    names
}

/// The list of the recipes in folders, in the order of their turns.
fn pinned_table(components: &Path) -> String {
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

/// The workspace's manifest with these members alone. Dependencies that only others use may stay in
/// its table.
fn manifest(path: &Path, members: &[String]) -> String {
    println!("cargo::rerun-if-changed={}", path.display());
    let text = fs::read_to_string(path).expect("the workspace has a manifest");
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("default-members"));
    let lines = lines.map(|line| match line.starts_with("members") {
        true => format!("members = {members:?}"),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The files below a folder, in order.
fn list_files(root: &Path, folder: &str, files: &mut Vec<String>) {
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
            true => list_files(root, &path, files),
            false => files.push(path),
        }
    }
}
