//! Builds `probe`, the program of the box's own image, as a static binary that `native` carries inside itself.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let probe = here.join("../probe");
    println!("cargo::rerun-if-changed=build.rs");
    for part in [&probe, &here.join("../agent")] {
        println!("cargo::rerun-if-changed={}", part.join("src").display());
        println!("cargo::rerun-if-changed={}", part.join("Cargo.toml").display());
    }
    let binary = build(&probe, &out.join("probe"), &target);
    println!("cargo::rustc-env=GAUNTLET_PROBE={}", binary.display());
}

/// Calls cargo once more: the outer build's flags and wrappers are not for this one.
fn build(probe: &Path, target_dir: &Path, target: &str) -> PathBuf {
    let status = Command::new(env::var_os("CARGO").expect("cargo sets CARGO"))
        .args(["build", "--release", "--quiet", "--locked", "--offline", "--bin", "probe", "--target", target])
        .arg("--manifest-path")
        .arg(probe.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target_dir)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C relocation-model=static")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .env("CARGO_PROFILE_RELEASE_LTO", "true")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s")
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the static probe does not build");
    target_dir.join(target).join("release/probe")
}
