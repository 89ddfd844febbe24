//! The order of trials: those that nobody notices side by side, then the others one at a time; and a second look.

use futures::StreamExt;
use futures::stream;
use indexmap::IndexMap;
use model::{Cell, CellStatus, Reach, Verdict, WorldOutcome};

use crate::lab::Lab;
use crate::world::{Case, World};
use crate::{Event, Trial, reach};

/// Tries every trial; outcomes in the order of `trials`.
pub(crate) async fn all(lab: &Lab<'_>, trials: &[Trial]) -> Vec<WorldOutcome> {
    let everything: Vec<usize> = (0..trials.len()).collect();
    let mut outcomes: Vec<(usize, WorldOutcome)> = once(lab, trials, &everything, false).await;
    outcomes.sort_by_key(|(index, _)| *index);
    let mut outcomes: Vec<WorldOutcome> = outcomes.into_iter().map(|(_, outcome)| outcome).collect();
    if lab.options.evidence.is_some() {
        second_look(lab, trials, &mut outcomes).await;
    }
    outcomes
}

/// Tries the trials of these indices.
async fn once(lab: &Lab<'_>, trials: &[Trial], indices: &[usize], again: bool) -> Vec<(usize, WorldOutcome)> {
    let is_alone = |index: &&usize| reach::of(&trials[**index].scenario, &trials[**index].world) == Reach::Cluster;
    let (alone, beside): (Vec<&usize>, Vec<&usize>) = indices.iter().partition(is_alone);
    let one = async |index: &usize| {
        let trial = &trials[*index];
        let turn = lab.turns.begin().await;
        let outcome = match Case::find(&trial.scenario, &trial.world) {
            Ok(case) => World::new(lab, case, turn, again).try_out().await,
            Err(why) => WorldOutcome::Broken { why: why.in_one_line() },
        };
        (*index, outcome)
    };
    let mut outcomes: Vec<_> =
        stream::iter(beside).map(one).buffer_unordered(lab.turns.begun_at_once()).collect().await;
    for index in alone {
        outcomes.push(one(index).await);
    }
    outcomes
}

/// Worlds with a cell that is not as intended are tried once more; a cell that answers otherwise there says so.
async fn second_look(lab: &Lab<'_>, trials: &[Trial], outcomes: &mut [WorldOutcome]) {
    let fresh = |index: &usize| !changes_the_cluster(&trials[*index]);
    let doubtful: Vec<usize> =
        (0..outcomes.len()).filter(|index| is_doubtful(&outcomes[*index])).filter(fresh).collect();
    for index in &doubtful {
        let (id, world) = (trials[*index].scenario.id.clone(), trials[*index].world.clone());
        lab.tell(Event::SecondLook { id, world });
    }
    for (index, again) in once(lab, trials, &doubtful, true).await {
        if let (WorldOutcome::Tried(first), WorldOutcome::Tried(again)) = (&mut outcomes[index], again) {
            compare(first, &again);
        }
    }
}

/// Whether a second look would find another cluster than the first did.
fn changes_the_cluster(trial: &Trial) -> bool {
    trial.scenario.scenario.changes_cluster(&trial.world)
}

fn is_doubtful(outcome: &WorldOutcome) -> bool {
    matches!(outcome, WorldOutcome::Tried(cells) if cells.values().any(|cell| cell.status() != CellStatus::Passed))
}

fn compare(first: &mut IndexMap<String, Cell>, again: &IndexMap<String, Cell>) {
    for (step, cell) in first {
        let second = again.get(step).map(|cell| &cell.verdict);
        cell.second = second.filter(|second| !are_alike(second, &cell.verdict)).cloned();
    }
}

/// Whether two looks say the same; why a cell is broken may be told in other words each time.
fn are_alike(one: &Verdict, other: &Verdict) -> bool {
    one == other || matches!((one, other), (Verdict::Broken { .. }, Verdict::Broken { .. }))
}

#[cfg(test)]
mod tests {
    use model::{Answer, Detail};

    use super::*;

    fn cells(verdicts: &[(&str, Verdict)]) -> IndexMap<String, Cell> {
        let cell = |verdict: &Verdict| Cell {
            intended: Answer::Admitted,
            verdict: verdict.clone(),
            second: None,
            detail: Detail::default(),
            millis: 0.0,
        };
        verdicts.iter().map(|(step, verdict)| ((*step).to_owned(), cell(verdict))).collect()
    }

    #[test]
    fn only_what_is_not_as_expected_is_looked_at_again() {
        let admitted = || WorldOutcome::Tried(cells(&[("a", Answer::Admitted.into())]));
        assert!(!is_doubtful(&admitted()));
        let other = WorldOutcome::Tried(cells(&[("a", Answer::Admitted.into()), ("b", Answer::Seen.into())]));
        assert!(is_doubtful(&other));
        assert!(is_doubtful(&WorldOutcome::Tried(cells(&[("a", Verdict::broken("gone"))]))));
        assert!(!is_doubtful(&WorldOutcome::Broken { why: "no set-up".into() }));
        assert!(!is_doubtful(&WorldOutcome::Skipped { why: "no node".into() }));
    }

    #[test]
    fn a_second_look_says_where_it_differs() {
        let mut first = cells(&[
            ("same", Answer::Seen.into()),
            ("other", Answer::Seen.into()),
            ("broken", Verdict::broken("one way")),
            ("lost", Answer::Seen.into()),
        ]);
        let again = cells(&[
            ("same", Answer::Seen.into()),
            ("other", Answer::Unseen.into()),
            ("broken", Verdict::broken("another way")),
        ]);
        compare(&mut first, &again);
        let seconds: Vec<Option<Verdict>> = first.into_values().map(|cell| cell.second).collect();
        assert_eq!(seconds, [None, Some(Answer::Unseen.into()), None, None]);
    }
}
