//! The body of a golden file.

use golden::{OutcomeTable, render_outcome};
use model::{Answer, Figure, FigureName, Verdict, WorldOutcome};

use super::{cell, code, outcome};

#[test]
fn worlds_with_the_same_cell_share_a_line_and_times_are_left_out() {
    let body = render_outcome(&outcome("pods \"p\" is forbidden: in gauntlet-a1b2c3d4e5"));
    let wanted = "\
privileged-pod:
  bare: admitted (201)
  label-warn:
    verdict: admitted (201)
    warnings:
      - would violate
  label-enforce:
    verdict: denied by pod-security (403 Forbidden)
    message: 'pods \"p\" is forbidden: in <namespace>'
plain-pod:
  bare, label-warn, label-enforce: admitted (201)
";
    assert_eq!(body, wanted);
}

#[test]
fn a_table_reads_back_as_it_was_written() {
    let table = OutcomeTable::from_outcome(&outcome("line one\n  line two: x\nline three"));
    assert_eq!(OutcomeTable::parse(&table.body()), Ok(table));
}

#[test]
fn facts_and_changes_are_written_in_order() {
    let mut outcome = outcome("x");
    let Some(WorldOutcome::Tried(cells)) = outcome.worlds.get_mut("bare") else {
        panic!("tried")
    };
    let mut full = cell(Answer::Admitted, code(200));
    full.detail.changed = vec!["/spec/x: 1 -> 2".into()];
    full.detail.facts = [
        ("output".to_owned(), "a\nb".to_owned()),
        ("exit".to_owned(), "0".to_owned()),
    ]
    .into();
    full.detail.figures = [(FigureName::Took, Figure::Count(4711))].into();
    cells.insert("privileged-pod".into(), full);
    let body = render_outcome(&outcome);
    assert!(!body.contains("took") && !body.contains("4711"), "{body}");
    assert!(
        body.contains("    changed:\n      - '/spec/x: 1 -> 2'\n"),
        "{body}"
    );
    assert!(
        body.contains("    facts:\n      output: |-\n        a\n        b\n      exit: '0'\n"),
        "{body}"
    );
    assert_eq!(
        OutcomeTable::parse(&body),
        Ok(OutcomeTable::from_outcome(&outcome))
    );
}

#[test]
fn the_verdicts_can_be_listed() {
    let table = OutcomeTable::from_outcome(&outcome("x"));
    let denied: Vec<_> = table
        .verdicts()
        .filter(|(_, _, verdict)| verdict.starts_with("denied"))
        .collect();
    assert_eq!(
        denied,
        [(
            "privileged-pod",
            "label-enforce",
            "denied by pod-security (403 Forbidden)"
        )]
    );
}

#[test]
fn a_broken_cell_shows_as_broken() {
    let mut outcome = outcome("x");
    let Some(WorldOutcome::Tried(cells)) = outcome.worlds.get_mut("bare") else {
        panic!("tried")
    };
    cells[0].verdict = Verdict::broken("no reply: reset");
    assert!(
        render_outcome(&outcome).contains("bare: 'broken: no reply: reset (201)'"),
        "{}",
        render_outcome(&outcome)
    );
}
