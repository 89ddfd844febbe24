//! Filters: one that matches nothing is a fault, even beside one that does.

use crate::support::{PRIVILEGED, Scratch};

fn three() -> Scratch {
    let scratch = Scratch::privileged();
    scratch.write("rbac/pod-reader", PRIVILEGED);
    scratch.write("rbac/escalate", PRIVILEGED);
    scratch
}

#[test]
fn a_filter_that_matches_nothing_ends_the_run() {
    let scratch = three();
    let ran = scratch.gauntlet(&["run", "rbac/pod-raeder"]);
    ran.fails(
        4,
        &[
            "error: no scenario matches `rbac/pod-raeder`\n",
            "\nhint: did you mean `rbac/pod-reader`?",
        ],
    );
    let ran = scratch.gauntlet(&["run", "rbac/escalate", "zzz/*"]);
    ran.fails(
        4,
        &[
            "error: no scenario matches `zzz/*`\n",
            "\nhint: `gauntlet list` prints every id",
        ],
    );
    let ran = scratch.gauntlet(&["run", "--area", "rbca"]);
    ran.fails(
        4,
        &[
            "error: no scenario is in the area `rbca`\n",
            "\nhint: there are `pod-security`, `rbac`",
        ],
    );
    let ran = scratch.gauntlet(&["run", "rbac/*", "--area", "pod-security"]);
    ran.fails(4, &["error: no scenario matches both"]);
    scratch.is_untouched();
}

#[test]
fn an_empty_shard_ends_the_run() {
    let scratch = three();
    scratch
        .gauntlet(&["run", "--shard", "4/4"])
        .fails(4, &["error: shard 4/4 is empty: 3 scenarios were chosen\n"]);
    scratch.is_untouched();
}

#[test]
fn bad_usage_is_2() {
    let scratch = three();
    for args in [
        vec!["run", "--shard", "0/4"],
        vec!["run", "--shard", "x"],
        vec!["run", "--nonsense"],
        vec!["run", "["],
        vec!["run", "--json", "-", "--junit", "-"],
        vec!["nonsense"],
        vec![],
    ] {
        let ran = scratch.gauntlet(&args);
        assert_eq!(ran.code, Some(2), "{args:?} {ran:#?}");
        assert_ne!(ran.err, "", "{args:?}");
    }
    scratch.is_untouched();
}

#[test]
fn globs_and_areas_choose() {
    let scratch = three();
    let ids = |args: &[&str]| {
        let ran = scratch.gauntlet(&[&["list", "--json"], args].concat());
        let all: Vec<serde_json::Value> = serde_json::from_str(&ran.out).unwrap();
        all.iter()
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(&[]),
        [
            "pod-security/privileged",
            "rbac/escalate",
            "rbac/pod-reader"
        ]
    );
    assert_eq!(ids(&["rbac/*"]), ["rbac/escalate", "rbac/pod-reader"]);
    assert_eq!(ids(&["--area", "rbac", "*/*er"]), ["rbac/pod-reader"]);
}

#[test]
fn what_is_not_built_is_left_out_and_named() {
    let scratch = three();
    let left = "left out: 3 of 3 scenarios, for what is not built: kubernetes-1.36.3";
    let ran = scratch.gauntlet(&["run", "--built"]);
    ran.fails(
        4,
        &[
            left,
            "(3 scenarios)",
            "error: no chosen scenario has its components built",
            "hint: ",
        ],
    );
    let ran = scratch.gauntlet(&["prove", "--built", "--rotate", "1/1"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    ran.says_in_order(&ran.err, &["turn 1/1 has 3", left]);
    scratch.is_untouched();
}
