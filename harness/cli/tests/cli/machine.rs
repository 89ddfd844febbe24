//! Machines that cannot run a box: exit 3, what is missing by name, and the way out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::support::{GAUNTLET, Ran, Scratch, is_root};

const NOBODY: u32 = 65534;

#[test]
fn components_that_are_not_built_are_named_with_the_command_that_builds_them() {
    let scratch = Scratch::privileged();
    let ran = scratch.gauntlet(&["run"]);
    ran.fails(
        3,
        &[
            "error: this machine cannot run a box yet\n",
            "kubernetes-1.36",
            "fix: gauntlet components build kubernetes-1.36",
            "\nhint: `gauntlet run --setup`",
        ],
    );
    scratch.is_untouched();
    scratch
        .gauntlet(&["up"])
        .fails(3, &["error: this machine cannot run a box yet\n"]);
    scratch.is_untouched();
}

#[test]
fn without_tools_they_are_named() {
    let scratch = Scratch::privileged();
    for args in [["run"], ["doctor"]] {
        let output = scratch.command(&args).env("PATH", "").output().unwrap();
        Ran::of(&output).fails(
            3,
            &[
                "error: this machine cannot run a box yet\n",
                "  ip: ",
                "; fix: apt-get install ",
                "\nhint: ",
            ],
        );
    }
    scratch.is_untouched();
}

#[test]
fn a_build_that_would_lack_a_program_is_not_begun() {
    let scratch = Scratch::privileged();
    let args = ["components", "build", "runtime"];
    let output = scratch.command(&args).env("PATH", "").output().unwrap();
    Ran::of(&output).fails(
        3,
        &[
            "error: this machine cannot build these components yet\n",
            "  go: ",
            "  pkg-config: ",
            "\nhint: `gauntlet run --setup`",
        ],
    );
    let args = ["components", "build", "coredns"];
    let output = scratch.command(&args).env("PATH", "").output().unwrap();
    let ran = Ran::of(&output);
    ran.fails(3, &["  go: not found"]);
    assert!(!ran.err.contains("pkg-config"), "{}", ran.err);
    scratch.is_untouched();
}

#[test]
fn without_root_it_says_so() {
    if !is_root("without_root_it_says_so") {
        return;
    }
    let scratch = Scratch::privileged();
    let copy = scratch.path("gauntlet");
    fs::copy(GAUNTLET, &copy).unwrap();
    for path in [scratch.path("."), scratch.path("scenarios"), copy.clone()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(&copy);
    command
        .arg("run")
        .current_dir(scratch.path("."))
        .env("GAUNTLET_CACHE", scratch.path("cache"))
        .uid(NOBODY)
        .gid(NOBODY);
    Ran::of(&command.output().unwrap()).fails(
        3,
        &[
            "error: this machine cannot run a box yet\n",
            "  rights: ",
            "\nhint: ",
        ],
    );
    scratch.is_untouched();
}

#[test]
fn without_a_place_for_the_cache_it_says_so() {
    let scratch = Scratch::privileged();
    let mut command = scratch.command(&["run"]);
    command
        .env_remove("GAUNTLET_CACHE")
        .env_remove("XDG_CACHE_HOME")
        .env_remove("HOME");
    Ran::of(&command.output().unwrap()).fails(
        3,
        &[
            "error: no place for the cache",
            "\nhint: set GAUNTLET_CACHE",
        ],
    );
}

#[test]
fn a_report_that_cannot_be_written_is_found_out_before_anything_starts() {
    let scratch = Scratch::privileged();
    for flag in ["--json", "--junit"] {
        let ran = scratch.gauntlet(&["run", flag, "no/such/file"]);
        ran.fails(
            3,
            &[
                "error: cannot write `no/such/file`\n  caused by: ",
                "\nhint: name a file that can be written, or `-`",
            ],
        );
    }
    scratch.is_untouched();
}

#[test]
fn a_read_only_cache_is_named() {
    if !is_root("a_read_only_cache_is_named") {
        return;
    }
    let scratch = Scratch::privileged();
    let ran = with_mount(&scratch, "ro", &["doctor"]);
    assert_eq!(ran.code, Some(3), "{ran:#?}");
    ran.says_in_order(
        &ran.out,
        &[
            "missing  cache at `",
            "Read-only file system",
            "fix: export GAUNTLET_CACHE=",
        ],
    );
}

#[test]
fn a_cluster_that_does_not_answer_is_3() {
    let scratch = Scratch::privileged();
    let kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: gauntlet-gone\n\
        clusters: [{name: c, cluster: {server: 'https://127.0.0.1:9'}}]\n\
        users: [{name: u, user: {}}]\ncontexts: [{name: gauntlet-gone, context: {cluster: c, user: u}}]\n";
    fs::write(scratch.path("kubeconfig"), kubeconfig).unwrap();
    let ran = scratch.gauntlet(&["run", "--kubeconfig", "kubeconfig"]);
    ran.fails(
        3,
        &[
            "error: ",
            "127.0.0.1:9",
            "\nhint: start a cluster with `gauntlet up`",
        ],
    );
    scratch
        .gauntlet(&["run", "--kubeconfig", "nowhere"])
        .fails(3, &["error: ", "nowhere", "\nhint: "]);
}

#[test]
fn a_context_that_is_not_plainly_disposable_is_refused() {
    let scratch = Scratch::privileged();
    let kubeconfig = "apiVersion: v1\nkind: Config\ncurrent-context: production\n\
        clusters: [{name: c, cluster: {server: 'https://127.0.0.1:9'}}]\n\
        users: [{name: u, user: {}}]\ncontexts: [{name: production, context: {cluster: c, user: u}}]\n";
    fs::write(scratch.path("kubeconfig"), kubeconfig).unwrap();
    let ran = scratch.gauntlet(&["run", "--kubeconfig", "kubeconfig"]);
    ran.fails(
        2,
        &[
            "error: ",
            "`production`",
            "\nhint: ",
            "`--disposable production`",
        ],
    );
    let ran = scratch.gauntlet(&[
        "run",
        "--kubeconfig",
        "kubeconfig",
        "--disposable",
        "production",
    ]);
    assert_eq!(ran.code, Some(3), "it is tried then: {ran:#?}");
}

/// Runs the command with a small file system in the cache's place; it goes with the command.
fn with_mount(scratch: &Scratch, options: &str, args: &[&str]) -> Ran {
    let script = "mount -t tmpfs -o \"$1\" tmpfs \"$2\" && shift 2 && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script, "sh", options])
        .arg(scratch.path("cache"))
        .arg(GAUNTLET)
        .args(args);
    command
        .current_dir(scratch.path("."))
        .env("GAUNTLET_CACHE", scratch.path("cache"));
    Ran::of(&command.output().unwrap())
}
