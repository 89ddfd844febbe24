//! `gauntlet accept`, without a cluster: pending files are put there by the store that writes them.

use golden::{GoldenStore, OutcomeSource};
use indexmap::IndexMap;
use model::{Answer, AnswerDetail, OutcomeCell, RecordedOutcome, WorldOutcome};

use crate::support::{Ran, Scratch};

const ID: &str = "pod-security/privileged";

fn pend(scratch: &Scratch, message: &str) {
    let detail = AnswerDetail {
        code: Some(201),
        message: Some(message.into()),
        ..AnswerDetail::default()
    };
    let cell = OutcomeCell {
        intended: Answer::Admitted,
        verdict: Answer::Admitted.into(),
        second: None,
        detail,
        millis: 1.0,
    };
    let world = WorldOutcome::Tried(IndexMap::from([("privileged-pod".to_owned(), cell)]));
    let outcome = RecordedOutcome {
        id: ID.into(),
        worlds: IndexMap::from([("bare".to_owned(), world)]),
    };
    let store = GoldenStore::open(&scratch.path("golden/outcomes")).unwrap();
    store
        .write_pending(&outcome, &OutcomeSource::default())
        .unwrap();
}

fn golden(scratch: &Scratch) -> String {
    std::fs::read_to_string(scratch.path("golden/outcomes/pod-security/privileged.snap"))
        .unwrap_or_default()
}

#[test]
fn nothing_pending_is_4() {
    let ran = Scratch::privileged().gauntlet(&["accept"]);
    ran.fails(
        4,
        &[
            "error: nothing is pending\n",
            "\nhint: `gauntlet run` records",
        ],
    );
}

#[test]
fn without_a_terminal_it_shows_the_diff_and_wants_a_yes() {
    let scratch = Scratch::privileged();
    pend(&scratch, "first");
    let ran = scratch.gauntlet(&["accept"]);
    ran.fails(
        2,
        &[
            "error: cannot ask whether to accept this",
            "\nhint: after looking at the diff: `gauntlet accept --yes`",
        ],
    );
    ran.says_in_order(
        &ran.out,
        &["pod-security/privileged: new\n", "+    message: first\n"],
    );
    assert_eq!(golden(&scratch), "");
}

#[test]
fn accepting_moves_the_file_after_showing_the_diff() {
    let scratch = Scratch::privileged();
    pend(&scratch, "first");
    scratch
        .gauntlet(&["accept", "--yes"])
        .passes(&["+    message: first\n", "1 outcome accepted"]);
    assert!(golden(&scratch).contains("message: first"));
    pend(&scratch, "second");
    let ran = scratch.gauntlet(&["accept", "--yes", ID]);
    ran.passes(&[
        "pod-security/privileged: differs\n",
        "-    message: first\n",
        "+    message: second\n",
        "1 outcome accepted",
    ]);
    assert!(golden(&scratch).contains("message: second"));
    assert_eq!(scratch.gauntlet(&["accept", "--yes"]).code, Some(4));
}

#[test]
fn an_id_that_is_not_pending_is_4_and_nothing_is_accepted() {
    let scratch = Scratch::privileged();
    pend(&scratch, "first");
    let ran = scratch.gauntlet(&["accept", "--yes", ID, "rbac/reader"]);
    ran.fails(
        4,
        &[
            "error: nothing pending matches `rbac/reader`\n",
            "\nhint: pending: pod-security/privileged",
        ],
    );
    assert_eq!(golden(&scratch), "");
}

#[test]
fn a_link_out_of_the_folder_is_refused() {
    let scratch = Scratch::privileged();
    pend(&scratch, "first");
    std::fs::write(scratch.path("victim"), "precious").unwrap();
    let link = scratch.path("golden/outcomes/pod-security/privileged.snap");
    std::os::unix::fs::symlink(scratch.path("victim"), link).unwrap();
    let ran: Ran = scratch.gauntlet(&["accept", "--yes"]);
    ran.fails(
        2,
        &[
            "error: `",
            "privileged.snap` leads out of `",
            "` through a symbolic link\n",
            "\nhint: ",
        ],
    );
    assert_eq!(
        std::fs::read_to_string(scratch.path("victim")).unwrap(),
        "precious"
    );
}
