//! The folder of golden files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use golden::{Error, GoldenStore, OutcomeComparison, OutcomeSource};
use model::{Answer, Verdict, WorldOutcome};
use tempfile::TempDir;

use super::outcome;

const ID: &str = "pod-security/privileged";
const WHY: &str = "A privileged container owns\nits node. More text.";

fn empty() -> (TempDir, GoldenStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = GoldenStore::open(&folder.path().join("outcomes")).unwrap();
    (folder, store)
}

fn source() -> OutcomeSource {
    OutcomeSource {
        command: format!("gauntlet run {ID}"),
        why: WHY.into(),
        file: format!("scenarios/{ID}/scenario.yaml"),
    }
}

fn recorded() -> (TempDir, GoldenStore) {
    let (folder, store) = empty();
    store.write_pending(&outcome("first"), &source()).unwrap();
    store.accept(ID).unwrap();
    (folder, store)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_new_waits_and_is_the_same_once_accepted() {
    let (folder, store) = empty();
    assert_eq!(
        store.compare(&outcome("first"), WHY).unwrap(),
        OutcomeComparison::New
    );
    let path = store.write_pending(&outcome("first"), &source()).unwrap();
    assert!(
        path.ends_with("pod-security/privileged.snap.new"),
        "{}",
        path.display()
    );
    let pending = store.pending().unwrap();
    assert_eq!(
        (pending.len(), pending[0].id.as_str(), pending[0].new),
        (1, ID, true)
    );
    assert!(
        pending[0].diff.contains("+  label-enforce:"),
        "{}",
        pending[0].diff
    );
    store.accept(ID).unwrap();
    assert_eq!(
        names(&folder.path().join("outcomes/pod-security")),
        ["privileged.snap"]
    );
    assert_eq!(
        store.compare(&outcome("first"), WHY).unwrap(),
        OutcomeComparison::Same
    );
    assert!(store.pending().unwrap().is_empty());
}

#[test]
fn the_header_says_where_it_came_from_and_why() {
    let (_folder, store) = recorded();
    let text = fs::read_to_string(store.path(ID).unwrap()).unwrap();
    let wanted = "---\nsource: gauntlet run pod-security/privileged\ndescription: A privileged container owns its node.\n\
        input_file: scenarios/pod-security/privileged/scenario.yaml\n---\nprivileged-pod:\n";
    assert!(text.starts_with(wanted), "{text}");
}

#[test]
fn other_detail_differs_with_a_diff() {
    let (_folder, store) = recorded();
    let OutcomeComparison::Differs { diff } = store.compare(&outcome("second"), WHY).unwrap()
    else {
        panic!("it differs")
    };
    assert!(
        diff.contains("-    message: first\n+    message: second\n"),
        "{diff}"
    );
}

#[test]
fn other_times_are_the_same() {
    let (_folder, store) = recorded();
    let mut later = outcome("first");
    let Some(WorldOutcome::Tried(cells)) = later.worlds.get_mut("bare") else {
        panic!("tried")
    };
    cells[0].millis = 9000.0;
    assert_eq!(store.compare(&later, WHY).unwrap(), OutcomeComparison::Same);
}

#[test]
fn an_intent_that_fails_is_never_written() {
    let (folder, store) = empty();
    for verdict in [
        Verdict::from(Answer::Forbidden),
        Verdict::broken("no reply"),
    ] {
        let mut bad = outcome("x");
        let Some(WorldOutcome::Tried(cells)) = bad.worlds.get_mut("label-enforce") else {
            panic!("tried")
        };
        cells[0].verdict = verdict;
        assert!(matches!(
            store.write_pending(&bad, &source()),
            Err(Error::Unfit { .. })
        ));
    }
    let mut flaky = outcome("x");
    let Some(WorldOutcome::Tried(cells)) = flaky.worlds.get_mut("bare") else {
        panic!("tried")
    };
    cells[0].second = Some(Answer::Forbidden.into());
    assert!(matches!(
        store.write_pending(&flaky, &source()),
        Err(Error::Unfit { .. })
    ));
    let mut broken = outcome("x");
    broken.worlds.insert(
        "bare".into(),
        WorldOutcome::Broken {
            why: "no cluster".into(),
        },
    );
    assert!(matches!(
        store.write_pending(&broken, &source()),
        Err(Error::Unfit { .. })
    ));
    assert!(names(&folder.path().join("outcomes")).is_empty());
}

#[test]
fn skipped_worlds_are_not_compared_and_not_recorded() {
    let (_folder, store) = recorded();
    let mut part = outcome("first");
    part.worlds.insert(
        "label-warn".into(),
        WorldOutcome::Skipped {
            why: "not for this cluster".into(),
        },
    );
    assert_eq!(store.compare(&part, WHY).unwrap(), OutcomeComparison::Same);
    assert!(store.write_pending(&part, &source()).is_err());
    let mut other = outcome("second");
    other.worlds.insert(
        "label-warn".into(),
        WorldOutcome::Skipped {
            why: "not for this cluster".into(),
        },
    );
    assert!(matches!(
        store.compare(&other, WHY).unwrap(),
        OutcomeComparison::Differs { .. }
    ));
}

#[test]
fn a_later_run_that_agrees_takes_the_pending_file_away() {
    let (_folder, store) = recorded();
    store.write_pending(&outcome("second"), &source()).unwrap();
    store.drop_pending(ID).unwrap();
    assert!(store.pending().unwrap().is_empty());
    store.drop_pending(ID).unwrap();
}

#[test]
fn orphans_and_missing_ones_are_found() {
    let (_folder, store) = recorded();
    assert_eq!(
        store.orphans(&[ID]).unwrap(),
        Vec::<std::path::PathBuf>::new()
    );
    assert_eq!(
        store.orphans(&["rbac/reader"]).unwrap(),
        [store.path(ID).unwrap()]
    );
    assert_eq!(
        store.missing(&[ID, "rbac/reader"]).unwrap(),
        ["rbac/reader"]
    );
}

#[test]
fn links_out_of_the_folder_are_refused() {
    let (folder, store) = recorded();
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, folder.path().join("outcomes/rbac")).unwrap();
    let mut linked = outcome("x");
    linked.id = "rbac/reader".into();
    assert!(matches!(
        store.write_pending(&linked, &source()),
        Err(Error::Outside { .. })
    ));
    assert!(names(&outside).is_empty());

    let victim = folder.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(
        &victim,
        folder.path().join("outcomes/pod-security/linked.snap"),
    )
    .unwrap();
    linked.id = "pod-security/linked".into();
    assert!(matches!(
        store.compare(&linked, WHY),
        Err(Error::Outside { .. })
    ));
    store.write_pending(&linked, &source()).unwrap();
    assert!(matches!(
        store.accept("pod-security/linked"),
        Err(Error::Outside { .. })
    ));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn ids_that_lead_elsewhere_are_refused() {
    let (_folder, store) = empty();
    for id in [
        "../x",
        "a/../b",
        "a",
        "",
        "/etc/passwd",
        "a/.hidden",
        "a/b/c",
    ] {
        assert!(matches!(store.path(id), Err(Error::Id { .. })), "{id}");
    }
}

#[test]
fn accepting_what_is_not_pending_says_so() {
    let (_folder, store) = recorded();
    let error = store.accept("rbac/reader").unwrap_err();
    assert_eq!(error.to_string(), "nothing is pending for `rbac/reader`");
    assert_eq!(
        error.hint().unwrap(),
        "`gauntlet run rbac/reader` records what differs"
    );
}

#[test]
fn a_file_that_is_not_a_snapshot_is_named() {
    let (_folder, store) = recorded();
    let path = store.path(ID).unwrap();
    fs::write(&path, "no header\n").unwrap();
    let error = store.compare(&outcome("first"), WHY).unwrap_err();
    assert!(
        matches!(&error, Error::Format { path: named, .. } if *named == path),
        "{error}"
    );
    assert!(error.hint().is_some());
}

#[test]
fn a_file_in_the_folders_place_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(
        GoldenStore::open(&file),
        Err(Error::Format { .. })
    ));
    let store = GoldenStore::open(&folder.path().join("outcomes")).unwrap();
    fs::write(folder.path().join("outcomes"), "").unwrap();
    assert!(matches!(
        store.write_pending(&outcome("x"), &source()),
        Err(Error::Write { .. })
    ));
}

#[test]
fn another_beginning_of_the_why_differs() {
    let (_folder, store) = recorded();
    let other = WHY.replace("More text", "Other text");
    assert_eq!(
        store.compare(&outcome("first"), &other).unwrap(),
        OutcomeComparison::Same
    );
    let OutcomeComparison::Differs { diff } = store
        .compare(&outcome("first"), "It is no longer so. More text.")
        .unwrap()
    else {
        panic!("a stale description was taken");
    };
    assert!(
        diff.contains("-description: A privileged container owns its node.")
            && diff.contains("+description: It is no longer so."),
        "{diff}"
    );
}
