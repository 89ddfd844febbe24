//! Building the probe: with cargo, from the sources that this program holds, as one static program.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::build::{BuildFolder, run_fed};
use crate::component::BIN_FOLDER;
use crate::feed::BuildFeed;
use crate::{BoxCache, Error, contain};

/// The platform that this program was built for, and that the probe is.
const TARGET_TRIPLE: &str = env!("GAUNTLET_TARGET");

/// Small, and without what only a debugger reads: every pod maps this program, and every box keeps
/// it in memory.
const PROFILE_SETTINGS: [(&str, &str); 6] = [
    (
        "RUSTFLAGS",
        "-C target-feature=+crt-static -C relocation-model=static",
    ),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "symbols"),
    ("CARGO_PROFILE_RELEASE_LTO", "true"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s"),
];

/// What a caller that was itself started by cargo has in its environment, and what is not meant for
/// this build.
const NOT_OURS: [&str; 5] = [
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
];

/// Builds the component's programs, each a binary of that name in the workspace that `files` are.
pub(crate) fn compile_rust(
    workshop: &BuildFolder<'_>,
    files: &[(&str, &str)],
    feed: &mut BuildFeed,
) -> Result<(), Error> {
    let (source, bin) = (
        workshop.temp.join("src"),
        workshop.output_folder().join(BIN_FOLDER),
    );
    fs::create_dir_all(&bin).map_err(Error::file("create", &bin))?;
    for (path, text) in files {
        let path = source.join(path);
        let folder = path.parent().unwrap_or(&source);
        fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
        fs::write(&path, text).map_err(Error::file("write", &path))?;
    }
    let mut list = cargo_command(workshop.launcher, &source);
    list.args([
        "tree",
        "--target",
        TARGET_TRIPLE,
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--no-dedupe",
    ]);
    let listing = run_fed(workshop.component, feed, list)?;
    feed.set_total(count_packages(&listing));
    let built = workshop.cache.cargo_builds();
    for program in workshop.component.binaries {
        let mut build = cargo_command(workshop.launcher, &source);
        build
            .args([
                "build",
                "--release",
                "--target",
                TARGET_TRIPLE,
                "--bin",
                program,
                "--target-dir",
            ])
            .arg(&built);
        build.envs(PROFILE_SETTINGS);
        run_fed(workshop.component, feed, build)?;
        let from = built.join(TARGET_TRIPLE).join("release").join(program);
        fs::copy(&from, bin.join(program)).map_err(Error::file("copy", &from))?;
    }
    Ok(())
}

/// Not `--locked`: the lock file is that of the whole workspace, and cargo drops from it what the
/// probe does not use. What it does use keeps its version and checksum.
fn cargo_command(launcher: &Path, source: &Path) -> Command {
    let mut command = contain::contained_command(launcher, "cargo");
    command.current_dir(source);
    for variable in NOT_OURS {
        command.env_remove(variable);
    }
    command
}

/// How many packages a listing by `cargo tree` names.
fn count_packages(listing: &str) -> usize {
    let lines: std::collections::BTreeSet<&str> =
        listing.lines().filter(|line| !line.is_empty()).collect();
    lines.len()
}

impl BoxCache {
    /// Where cargo keeps what it compiled, so that a changed probe does not compile its
    /// dependencies again.
    fn cargo_builds(&self) -> std::path::PathBuf {
        self.root.join("cargo")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_counts_once() {
        assert_eq!(
            count_packages("probe v0.1.0\nring v0.17\nagent v0.1.0\nring v0.17\n\n"),
            3
        );
    }
}
