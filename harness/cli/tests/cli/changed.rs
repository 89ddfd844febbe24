//! `--changed` and `--rotate`: what a change touches, whose turn it is, and that an empty choice is
//! not a fault.

use std::fs;
use std::process::Command;

use crate::support::{PRIVILEGED, Ran, Scratch};

/// Two scenarios in a repository with one commit.
fn repository() -> Scratch {
    let scratch = Scratch::privileged();
    scratch.write("rbac/escalate", PRIVILEGED);
    scratch.write("rbac/pod-reader", PRIVILEGED);
    fs::write(scratch.path(".gitignore"), "cache/\n*.snap.new\n").unwrap();
    git(&scratch, &["init", "--quiet", "--initial-branch=main"]);
    commit(&scratch);
    scratch
}

fn git(scratch: &Scratch, args: &[&str]) {
    let mut git = Command::new("git");
    git.args([
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.org",
        "-c",
        "commit.gpgsign=false",
    ])
    .args(args);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null");
    let output = git
        .current_dir(scratch.path("."))
        .output()
        .expect("git runs: these tests need it");
    assert!(output.status.success(), "git {args:?}: {output:?}");
}

fn commit(scratch: &Scratch) {
    git(scratch, &["add", "--all"]);
    git(scratch, &["commit", "--quiet", "--message", "a change"]);
}

fn listed(scratch: &Scratch, args: &[&str]) -> Vec<(String, Vec<String>)> {
    let ran = scratch.gauntlet(&[&["list", "--json"], args].concat());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let all: Vec<serde_json::Value> = serde_json::from_str(&ran.out).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    all.iter()
        .map(|one| {
            (
                text(&one["id"]),
                one["touched-by"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(text)
                    .collect(),
            )
        })
        .collect()
}

fn touched(scratch: &Scratch, revision: &str) -> Vec<(String, Vec<String>)> {
    listed(scratch, &["--changed", revision])
}

fn one(id: &str, why: &str) -> Vec<(String, Vec<String>)> {
    vec![(id.to_owned(), vec![why.to_owned()])]
}

#[test]
fn a_change_is_seen_committed_staged_written_and_untracked() {
    let scratch = repository();
    assert_eq!(touched(&scratch, "HEAD"), []);
    fs::write(scratch.file("more.yaml"), "a: b\n").unwrap();
    assert_eq!(
        touched(&scratch, "HEAD"),
        one("pod-security/privileged", "more.yaml"),
        "untracked"
    );
    git(&scratch, &["add", "--all"]);
    assert_eq!(
        touched(&scratch, "HEAD"),
        one("pod-security/privileged", "more.yaml"),
        "staged"
    );
    commit(&scratch);
    assert_eq!(touched(&scratch, "HEAD"), []);
    assert_eq!(
        touched(&scratch, "HEAD~1"),
        one("pod-security/privileged", "more.yaml"),
        "committed"
    );
    fs::remove_file(scratch.file("more.yaml")).unwrap();
    assert_eq!(
        touched(&scratch, "HEAD"),
        one("pod-security/privileged", "more.yaml"),
        "deleted"
    );
    assert_eq!(touched(&scratch, "HEAD~1"), [], "and so as it was before");
}

#[test]
fn what_moves_touches_both_ends() {
    let scratch = repository();
    fs::rename(
        scratch.file("map.yaml"),
        scratch.path("scenarios/rbac/escalate/map-of-another.yaml"),
    )
    .unwrap();
    let ids: Vec<_> = touched(&scratch, "HEAD")
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    assert_eq!(ids, ["pod-security/privileged", "rbac/escalate"]);
}

#[test]
fn a_golden_outcome_touches_its_own_scenario_and_other_files_all_or_none() {
    let scratch = repository();
    fs::create_dir_all(scratch.path("golden/outcomes/rbac")).unwrap();
    fs::write(scratch.path("golden/outcomes/rbac/escalate.snap"), "x\n").unwrap();
    assert_eq!(
        touched(&scratch, "HEAD"),
        one("rbac/escalate", "its golden outcome")
    );
    commit(&scratch);
    fs::write(scratch.path("README.md"), "x\n").unwrap();
    assert_eq!(touched(&scratch, "HEAD"), []);
    fs::write(scratch.path("unheard-of"), "x\n").unwrap();
    assert_eq!(touched(&scratch, "HEAD").len(), 3);
    scratch
        .gauntlet(&["list", "--changed", "HEAD"])
        .passes(&["rbac/escalate ", "everything: unheard-of  A privileged"]);
}

#[test]
fn a_file_outside_a_scenarios_folder_touches_those_that_name_it() {
    let scratch = repository();
    fs::create_dir(scratch.path("policies")).unwrap();
    fs::rename(
        scratch.file("namespace.yaml"),
        scratch.path("policies/namespace.yaml"),
    )
    .unwrap();
    let named = PRIVILEGED.replace("[namespace.yaml]", "[../../../policies/namespace.yaml]");
    fs::write(scratch.file("scenario.yaml"), named).unwrap();
    commit(&scratch);
    fs::write(scratch.path("policies/namespace.yaml"), "a: b\n").unwrap();
    let below = |root: &str| listed(&scratch, &["--changed", "HEAD", "--root", root]);
    let named = one("pod-security/privileged", "policies/namespace.yaml");
    assert_eq!(below("policies"), named);
    assert_eq!(below("."), named);
    assert_eq!(touched(&scratch, "HEAD").len(), 3, "nothing is known of it");
    fs::write(scratch.path("policies/another.yaml"), "a: b\n").unwrap();
    assert_eq!(below("policies").len(), 3, "nor of another one");
}

#[test]
fn files_of_another_repository_may_have_changed() {
    let (scratch, other) = (repository(), Scratch::new());
    fs::rename(scratch.file("namespace.yaml"), other.path("namespace.yaml")).unwrap();
    let ups = "../".repeat(
        scratch
            .file("")
            .canonicalize()
            .unwrap()
            .components()
            .count(),
    );
    let real = other.path("namespace.yaml").canonicalize().unwrap();
    let name = format!(
        "{ups}{}",
        real.display().to_string().trim_start_matches('/')
    );
    fs::write(
        scratch.file("scenario.yaml"),
        PRIVILEGED.replace("namespace.yaml", &name),
    )
    .unwrap();
    commit(&scratch);
    let root = other.path(".").display().to_string();
    let why = format!("{}, which is not in this repository", real.display());
    assert_eq!(
        listed(&scratch, &["--changed", "HEAD", "--root", &root]),
        one("pod-security/privileged", &why)
    );
}

#[test]
fn a_branch_is_compared_with_where_it_began() {
    let scratch = repository();
    git(&scratch, &["checkout", "--quiet", "-b", "side"]);
    fs::write(scratch.file("side.yaml"), "a: b\n").unwrap();
    commit(&scratch);
    git(&scratch, &["checkout", "--quiet", "main"]);
    fs::write(scratch.path("scenarios/rbac/escalate/main.yaml"), "a: b\n").unwrap();
    commit(&scratch);
    assert_eq!(touched(&scratch, "side"), one("rbac/escalate", "main.yaml"));
}

#[test]
fn filters_and_shards_narrow_what_is_touched_and_a_name_that_matches_nothing_is_still_a_fault() {
    let scratch = repository();
    fs::write(scratch.path("unheard-of"), "x\n").unwrap();
    let ids = |args: &[&str]| {
        listed(&scratch, args)
            .into_iter()
            .map(|(id, _)| id)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(&["--changed", "HEAD", "--area", "rbac"]),
        ["rbac/escalate", "rbac/pod-reader"]
    );
    assert_eq!(
        ids(&["--changed", "HEAD", "*/p*", "--area", "rbac"]),
        ["rbac/pod-reader"]
    );
    scratch
        .gauntlet(&["lint", "--changed", "HEAD", "rbac/*"])
        .passes(&["2 scenarios, no findings"]);
    let ran = scratch.gauntlet(&["list", "--changed", "HEAD", "rbac/pod-raeder"]);
    ran.fails(4, &["error: no scenario matches `rbac/pod-raeder`\n"]);
}

#[test]
fn nothing_touched_is_no_fault_and_starts_nothing() {
    let scratch = repository();
    let told = "chosen: 0 of 3 scenarios; what changed since HEAD touches 0";
    for command in ["run", "prove", "list", "lint"] {
        let ran = scratch.gauntlet(&[command, "--changed", "HEAD"]);
        assert_eq!(ran.code, Some(0), "{command}: {ran:#?}");
        ran.says_in_order(&ran.err, &[told]);
    }
    let ran = scratch.gauntlet(&[
        "run",
        "--changed",
        "HEAD",
        "--json",
        "-",
        "--junit",
        "junit.xml",
        "--shard",
        "2/2",
    ]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (
            json["exit"]["code"].as_u64(),
            json["scenarios"].as_array().map(Vec::len)
        ),
        (Some(0), Some(0))
    );
    assert!(
        fs::read_to_string(scratch.path("junit.xml"))
            .unwrap()
            .contains(r#"tests="0""#)
    );
    scratch.is_untouched();
}

#[test]
fn every_scenario_has_one_turn_and_turns_add_to_what_is_touched() {
    let scratch = repository();
    fs::write(scratch.file("more.yaml"), "a: b\n").unwrap();
    let mut all = Vec::new();
    for index in 1..=10 {
        let turn = format!("{index}/10");
        let (turns, both) = (
            listed(&scratch, &["--rotate", &turn]),
            listed(&scratch, &["--changed", "HEAD", "--rotate", &turn]),
        );
        let ids = |list: &[(String, Vec<String>)]| {
            list.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>()
        };
        let mut wanted = ids(&turns);
        all.extend(wanted.clone());
        if !wanted.contains(&"pod-security/privileged".to_owned()) {
            wanted.insert(0, "pod-security/privileged".to_owned());
        }
        assert_eq!(ids(&both), wanted, "{turn}");
        assert!(
            turns
                .iter()
                .all(|(_, why)| *why == [format!("its turn, {turn}")]),
            "{turns:?}"
        );
    }
    all.sort();
    assert_eq!(
        all,
        [
            "pod-security/privileged",
            "rbac/escalate",
            "rbac/pod-reader"
        ]
    );
}

#[test]
fn common_code_is_left_to_the_turns() {
    let scratch = repository();
    fs::write(scratch.path("unheard-of"), "x\n").unwrap();
    let ran = scratch.gauntlet(&["list", "--changed", "HEAD", "--rotate", "1/1"]);
    ran.passes(&["3 scenarios"]);
    ran.says_in_order(
        &ran.err,
        &[
            "touches 0, turn 1/1 has 3 more",
            "left to the turns, for it touches more than half: everything: unheard-of",
        ],
    );
}

#[test]
fn what_git_cannot_answer_is_said_with_a_way_out() {
    let scratch = repository();
    for revision in ["nope", "HEAD~9", "", "--all", "HEAD:.gitignore"] {
        let ran = scratch.gauntlet(&["list", &format!("--changed={revision}")]);
        ran.fails(
            2,
            &[
                &format!("error: `{revision}` is not a revision of `"),
                "\nhint: name a commit",
            ],
        );
    }
    git(&scratch, &["checkout", "--quiet", "--orphan", "other"]);
    fs::write(scratch.file("other.yaml"), "a: b\n").unwrap();
    commit(&scratch);
    scratch
        .gauntlet(&["list", "--changed", "main"])
        .fails(2, &["no commit in common", "\nhint: a clone without"]);
    let none = Scratch::privileged();
    none.gauntlet(&["list", "--changed", "HEAD"])
        .fails(2, &["is not in a git repository", "caused by", "\nhint: "]);
    let mut command = none.command(&["list", "--changed", "HEAD"]);
    let ran = Ran::of(&command.env("PATH", "/nonexistent").output().unwrap());
    ran.fails(
        3,
        &[
            "error: the program `git` is not found",
            "\nhint: install git",
        ],
    );
    let ran = none.gauntlet(&["list", "--boxes", "--changed", "HEAD"]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
}
