//! `--root`: files that scenarios name outside their own folders.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{PRIVILEGED, Scratch};

const NAMED: &str = "../../../policies/namespace.yaml";

/// A scenario whose control is a file of a folder beside the scenarios.
fn sharing() -> Scratch {
    let scratch = Scratch::privileged();
    fs::create_dir(scratch.path("policies")).unwrap();
    fs::rename(
        scratch.file("namespace.yaml"),
        scratch.path("policies/namespace.yaml"),
    )
    .unwrap();
    name_file(&scratch, NAMED);
    scratch
}

fn name_file(scratch: &Scratch, name: &str) {
    let text = PRIVILEGED.replace("namespace.yaml", name);
    fs::write(scratch.file("scenario.yaml"), text).unwrap();
}

#[test]
fn a_file_below_the_root_is_a_scenarios_own() {
    let scratch = sharing();
    for root in ["policies", "."] {
        scratch
            .gauntlet(&["lint", "--root", root])
            .passes(&["1 scenario, no findings"]);
    }
    scratch
        .gauntlet(&["show", "pod-security/privileged", "--root", "policies"])
        .passes(&[
            "world enforce: ",
            NAMED,
            "kind: Namespace",
            "pod-security.kubernetes.io/enforce: baseline",
        ]);
    fs::write(scratch.path("policies/namespace.yaml"), "kind: [\n").unwrap();
    scratch
        .gauntlet(&["lint", "--root", "policies"])
        .fails(2, &["error: policies/namespace.yaml:"]);
}

#[test]
fn without_a_root_no_file_outside_is_read() {
    for command in ["lint", "run", "prove"] {
        sharing().gauntlet(&[command]).fails(
            2,
            &[
                "scenario.yaml:6:22: `../../../policies/namespace.yaml` is not a plain file name",
                "hint: ",
                "`--root DIR`",
            ],
        );
    }
}

#[test]
fn what_leaves_the_root_is_refused_with_its_place() {
    let scratch = sharing();
    fs::create_dir(scratch.path("policies/inner")).unwrap();
    symlink("..", scratch.path("policies/inner/up")).unwrap();
    let (root, lint) = ("policies/inner", |root: &str| {
        scratch.gauntlet(&["lint", "--root", root])
    });
    lint(root).fails(
        2,
        &[
            "scenario.yaml:6:22: `../../../policies/namespace.yaml` leads out of the root `policies/inner`\n",
            "hint: name a folder with `--root DIR`",
        ],
    );
    name_file(&scratch, "../../../policies/inner/up/namespace.yaml");
    lint(root).fails(
        2,
        &[
            "scenario.yaml:6:22: `",
            "policies/inner/up` is a symbolic link",
        ],
    );
    name_file(&scratch, "../../../policies/gone.yaml");
    lint("policies").fails(
        2,
        &["scenario.yaml:6:22: there is no file `../../../policies/gone.yaml`"],
    );
    for (root, what) in [
        ("nowhere", "error: cannot read `nowhere`"),
        ("policies/namespace.yaml", "is a file, not a folder"),
    ] {
        lint(root).fails(2, &[what, "hint: `--root DIR` names the folder"]);
    }
}
