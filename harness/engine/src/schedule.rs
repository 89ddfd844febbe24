//! The order of trials: those that nobody notices side by side, then the others one at a time; and a second look.

use futures::StreamExt;
use futures::stream;
use indexmap::IndexMap;
use model::{Cell, CellStatus, Reach, Verdict, WorldOutcome};

use crate::lab::Lab;
use crate::world::World;
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
        let world = World { again, turn, ..World::new(lab, &trial.scenario, &trial.world) };
        (*index, world.run().await)
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
