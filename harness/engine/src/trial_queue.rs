//! Trials that are still to come, shared out among the clusters that are good for them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use model::{ImpactScope, OutcomeCell, WorldOutcome};

use crate::{WorldTrial, scope};

/// Trials for which clusters of one kind are good. Each of them is taken once.
#[derive(Debug, Default)]
pub struct TrialQueue(Mutex<QueuedTrials>);

#[derive(Debug, Default)]
struct QueuedTrials {
    /// Those that share a cluster at the same time.
    beside: Vec<QueuedTrial>,
    /// Those that others could notice: each has its cluster to itself.
    alone: VecDeque<QueuedTrial>,
}

/// A trial, and where it stood among those that were queued.
#[derive(Clone, Debug)]
pub(crate) struct QueuedTrial {
    pub(crate) place: usize,
    pub(crate) trial: WorldTrial,
    /// What a first look showed that was not as intended: it waits for a second one.
    pub(crate) first: Option<FirstLook>,
}

/// What was recorded at a first look, by step.
pub(crate) type FirstLook = IndexMap<String, OutcomeCell>;

impl TrialQueue {
    /// A queue of these.
    #[must_use]
    pub fn new(trials: Vec<WorldTrial>) -> Self {
        let queued = trials
            .into_iter()
            .enumerate()
            .map(|(place, trial)| QueuedTrial {
                place,
                trial,
                first: None,
            });
        let queue = Self::default();
        queue.add_queued(queued);
        queue
    }

    pub(crate) fn add_queued(&self, queued: impl IntoIterator<Item = QueuedTrial>) {
        let mut trials = self.lock();
        for one in queued {
            match scope::world_scope(&one.trial.scenario, &one.trial.world) {
                ImpactScope::Cluster => trials.alone.push_back(one),
                ImpactScope::Confined => trials.beside.push(one),
            }
        }
    }

    /// How many nobody has taken yet.
    #[must_use]
    pub fn count_left(&self) -> usize {
        let trials = self.lock();
        trials.beside.len() + trials.alone.len()
    }

    /// How many nobody has taken yet of those that have a cluster to themselves.
    #[must_use]
    pub fn count_alone(&self) -> usize {
        self.lock().alone.len()
    }

    /// Takes all that are left, for whom no cluster comes any more: each with what a first look
    /// showed, where there was one.
    pub fn take_rest(&self) -> Vec<(WorldTrial, Option<WorldOutcome>)> {
        let rest = self.take_queued().into_iter();
        rest.map(|one| (one.trial, one.first.map(WorldOutcome::Tried)))
            .collect()
    }

    pub(crate) fn take_queued(&self) -> Vec<QueuedTrial> {
        let mut trials = self.lock();
        let mut rest = std::mem::take(&mut trials.beside);
        rest.extend(trials.alone.drain(..));
        rest
    }

    pub(crate) fn take_beside(&self) -> Vec<QueuedTrial> {
        std::mem::take(&mut self.lock().beside)
    }

    pub(crate) fn take_alone(&self) -> Option<QueuedTrial> {
        self.lock().alone.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, QueuedTrials> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::world::testing::parse_scenario;

    fn trial(id: &str, namespace: &str) -> WorldTrial {
        let text = format!(
            "scenario: v2
why: a test
worlds: {{bare: {{}}}}
steps: [{{id: one, namespace: {namespace}, do: {{delete: configmap/a}}, expect: admitted}}]"
        );
        let mut scenario = parse_scenario(&text, &[]);
        scenario.id = id.into();
        WorldTrial {
            scenario: Arc::new(scenario),
            world: "bare".into(),
        }
    }

    #[test]
    fn each_trial_is_taken_once_and_what_others_notice_alone() {
        let queue = TrialQueue::new(vec![
            trial("wide", "kube-system"),
            trial("narrow", "$(namespace)"),
            trial("wide-too", "kube-system"),
            trial("narrow-too", "$(namespace)"),
        ]);
        let name = |one: &QueuedTrial| (one.place, one.trial.scenario.id.clone());
        let beside: Vec<_> = queue.take_beside().iter().map(name).collect();
        assert_eq!(beside, [(1, "narrow".into()), (3, "narrow-too".into())]);
        assert!(queue.take_beside().is_empty());
        assert_eq!(queue.count_left(), 2);
        let first = queue.take_alone().map(|one| name(&one));
        assert_eq!(first, Some((0, "wide".into())));
        let rest: Vec<String> = queue
            .take_rest()
            .into_iter()
            .map(|(trial, _)| trial.scenario.id.clone())
            .collect();
        assert_eq!(rest, ["wide-too"]);
        assert_eq!((queue.count_left(), queue.count_alone()), (0, 0));
        assert!(queue.take_alone().is_none());
    }
}
