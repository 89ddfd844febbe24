//! Faults in a person's files: one clear error with place and way out, exit 2, nothing started,
//! nothing left.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{PRIVILEGED, Ran, Scratch};

/// Runs a scenario of which one text was replaced; nothing may start.
#[track_caller]
fn run_with(from: &str, to: &str) -> Ran {
    assert!(PRIVILEGED.contains(from));
    let scratch = Scratch::new();
    scratch.write("pod-security/privileged", &PRIVILEGED.replacen(from, to, 1));
    run(&scratch)
}

#[track_caller]
fn run(scratch: &Scratch) -> Ran {
    let ran = scratch.gauntlet(&["run"]);
    scratch.is_untouched();
    assert_eq!(ran.out, "");
    ran
}

const PLACE: &str = "scenarios/pod-security/privileged/scenario.yaml";

#[test]
fn an_unknown_key_is_shown_with_a_caret() {
    let ran = run_with(
        "    do: { create: pod.yaml }",
        "    bye: 1\n    do: { create: pod.yaml }",
    );
    ran.fails(
        2,
        &[
            "error: ",
            PLACE,
            ":9:5: ",
            "unknown key `bye`",
            "9 |     bye: 1\n",
            "    ^",
            "hint: ",
        ],
    );
}

#[test]
fn a_wrong_type_is_shown_with_a_caret() {
    let ran = run_with("worlds:\n", "worlds: 3\nother:\n");
    ran.fails(2, &["error: ", PLACE, ":4:9: ", "worlds: 3\n", "^"]);
}

#[test]
fn a_duplicate_key_is_shown_with_a_caret() {
    let ran = run_with("  bare: {}\n", "  bare: {}\n  bare: {}\n");
    ran.fails(
        2,
        &["error: ", PLACE, ":6:3: ", "duplicate", "bare: {}\n", "^"],
    );
}

#[test]
fn a_verdict_that_nobody_may_intend_is_refused() {
    run_with("expect: admitted", "expect: { broken: { why: x } }")
        .fails(2, &["error: ", PLACE, "broken"]);
}

#[test]
fn a_release_that_is_not_pinned_is_refused_before_anything_starts() {
    let ran = run_with("{ nodes: 0 }", "{ kubernetes: '1.99' }");
    ran.fails(
        2,
        &[
            "error: ",
            PLACE,
            "Kubernetes `1.99` is not pinned",
            "hint: ",
            "gauntlet components",
        ],
    );
}

#[test]
fn what_is_not_yaml_is_shown_with_its_place() {
    run_with("scenario: v2", "scenario: [v1").fails(2, &["error: ", PLACE]);
}

#[test]
fn an_empty_file_is_named() {
    let scratch = Scratch::privileged();
    fs::write(scratch.file("scenario.yaml"), " \n").unwrap();
    run(&scratch).fails(
        2,
        &[
            "error: `",
            PLACE,
            "` is empty\n",
            "\nhint: a scenario begins with `scenario: v2`",
        ],
    );
}

#[test]
fn ten_megabytes_are_not_read() {
    let scratch = Scratch::privileged();
    for name in ["scenario.yaml", "pod.yaml"] {
        fs::write(scratch.file(name), "#".repeat(10 << 20)).unwrap();
        run(&scratch).fails(
            2,
            &[
                "error: `",
                name,
                "` has 10485760 bytes; at most 1048576 are read\n",
                "\nhint: ",
            ],
        );
        fs::write(scratch.file("scenario.yaml"), PRIVILEGED).unwrap();
    }
}

#[test]
fn what_is_not_utf_8_is_shown_with_its_place() {
    let scratch = Scratch::privileged();
    fs::write(scratch.file("scenario.yaml"), b"scenario: v2\nwhy: \xff\n").unwrap();
    run(&scratch).fails(
        2,
        &[
            "error: ",
            PLACE,
            ":2:6: not valid UTF-8\n",
            "\nhint: save the file as UTF-8",
        ],
    );
}

#[test]
fn a_manifest_that_does_not_exist_is_pointed_at() {
    let scratch = Scratch::privileged();
    fs::remove_file(scratch.file("pod.yaml")).unwrap();
    let texts = [
        "error: ",
        PLACE,
        ":9:19: there is no file `pod.yaml`\n",
        "do: { create: pod.yaml }\n",
        "^^^^^^^^\n",
        "\nhint: paths are",
    ];
    run(&scratch).fails(2, &texts);
}

#[test]
fn a_folder_in_a_manifests_place_is_named() {
    let scratch = Scratch::privileged();
    fs::remove_file(scratch.file("pod.yaml")).unwrap();
    fs::create_dir(scratch.file("pod.yaml")).unwrap();
    run(&scratch).fails(
        2,
        &[
            "error: `",
            "pod.yaml` is a folder, not a file\n",
            "\nhint: check the path",
        ],
    );
}

#[test]
fn a_pipe_in_a_manifests_place_is_not_waited_for() {
    let scratch = Scratch::privileged();
    fs::remove_file(scratch.file("pod.yaml")).unwrap();
    nix::unistd::mkfifo(&scratch.file("pod.yaml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    run(&scratch).fails(
        2,
        &["error: `", "pod.yaml` is a special file, not a file\n"],
    );
}

#[test]
fn a_cyclic_link_is_named() {
    for name in ["scenario.yaml", "pod.yaml"] {
        let scratch = Scratch::privileged();
        fs::remove_file(scratch.file(name)).unwrap();
        symlink(name, scratch.file(name)).unwrap();
        run(&scratch).fails(
            2,
            &[
                "error: `",
                name,
                "` is a symbolic link\n",
                "hint: copy what it leads to",
            ],
        );
    }
}

#[test]
fn a_manifest_that_does_not_parse_is_shown_with_its_place() {
    let scratch = Scratch::privileged();
    fs::write(scratch.file("map.yaml"), "kind: ConfigMap\nmetadata: [\n").unwrap();
    run(&scratch).fails(2, &["error: ", "map.yaml:", ":"]);
}

#[test]
fn a_world_that_changes_nothing_is_refused() {
    let ran = run_with(
        "bare: admitted, enforce: { denied: { by: pod-security } }",
        "bare: admitted, enforce: admitted",
    );
    ran.fails(
        2,
        &[
            "error: ",
            PLACE,
            ":6:3: world `enforce` changes no cell against `bare`\n",
            "^^^^^^^\n",
            "\nhint: a control that",
        ],
    );
}

#[test]
fn every_fault_is_said_before_the_end() {
    let scratch = Scratch::privileged();
    scratch.write("rbac/one", &PRIVILEGED.replace("why:", "because:"));
    fs::write(scratch.file("unused.yaml"), "kind: Pod\n").unwrap();
    let ran = run(&scratch);
    ran.fails(
        2,
        &[
            "unknown key `because`",
            "the file `unused.yaml` is not used",
            "error: 2 findings in 2 scenarios",
        ],
    );
}

#[test]
fn a_fault_elsewhere_does_not_stop_a_scenario_that_was_named() {
    let scratch = Scratch::privileged();
    scratch.write("rbac/one", "nonsense");
    scratch
        .gauntlet(&["lint", "pod-security/privileged"])
        .passes(&["1 scenario, no findings"]);
    scratch
        .gauntlet(&["lint"])
        .fails(2, &["rbac/one/scenario.yaml"]);
    scratch
        .gauntlet(&["lint", "rbac/one"])
        .fails(2, &["rbac/one/scenario.yaml"]);
}

#[test]
fn an_empty_folder_has_nothing_to_run() {
    let scratch = Scratch::new();
    run(&scratch).fails(
        4,
        &[
            "error: no scenario under `scenarios`\n",
            "\nhint: a scenario is a file AREA/NAME/scenario.yaml",
        ],
    );
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let scratch = Scratch::new();
    let ran = scratch.gauntlet(&["run", "--scenarios", "nowhere"]);
    ran.fails(
        2,
        &[
            "error: cannot read `nowhere`\n",
            "\nhint: name the folder of scenarios with `--scenarios DIR`",
        ],
    );
    fs::remove_dir(scratch.path("scenarios")).unwrap();
    run(&scratch).fails(
        2,
        &[
            "error: there is no folder `scenarios` in `",
            "\nhint: go to a checkout, or name one",
        ],
    );
}

#[test]
fn two_reports_do_not_go_to_one_file() {
    let scratch = Scratch::privileged();
    let ran = scratch.gauntlet(&["run", "--json", "report", "--junit", "report"]);
    scratch.is_untouched();
    ran.fails(2, &["error: both reports would go to the same file"]);
}

#[test]
fn a_pause_needs_a_terminal() {
    let scratch = Scratch::privileged();
    let ran = scratch.gauntlet(&["run", "--pause-on-failure"]);
    scratch.is_untouched();
    ran.fails(
        2,
        &[
            "error: `--pause-on-failure` needs a terminal",
            "\nhint: `--keep` keeps",
        ],
    );
}

#[test]
fn what_is_repeated_cannot_be_kept() {
    let scratch = Scratch::privileged();
    let ran = scratch.gauntlet(&["run", "--repeat", "2", "--keep"]);
    scratch.is_untouched();
    ran.fails(2, &["'--repeat <N>' cannot be used with '--keep'"]);
}

#[test]
fn images_that_no_node_could_get_are_refused_before_a_box_is_started() {
    let scratch = Scratch::new();
    let missing = scratch.gauntlet(&["up", "--image", "nowhere.tar"]);
    missing.fails(2, &["error: `nowhere.tar` is not a file"]);
    let no_node = scratch.gauntlet(&["up", "--nodes", "0", "--image", "nowhere.tar"]);
    no_node.fails(2, &["error: `--image` is for nodes", "hint: "]);
    scratch.is_untouched();
}

#[test]
fn what_is_no_pair_of_releases_is_not_compared() {
    let scratch = Scratch::privileged();
    let compare = |old: &str, new: &str, code: i32, said: &[&str]| {
        scratch.gauntlet(&["compare", old, new]).fails(code, said);
    };
    let known = "kubernetes@1.36";
    compare(
        "kubernetes",
        known,
        2,
        &["is neither a release nor a folder"],
    );
    compare(known, known, 2, &["compared with itself"]);
    compare("kubernetes@1.99", known, 2, &["`1.99` is not pinned"]);
    compare("gatekeeper@3.23", known, 2, &["releases of two things"]);
    scratch.is_untouched();
}
