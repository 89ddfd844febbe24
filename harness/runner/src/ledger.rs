//! The account of a run while it goes on: which scenarios are done, which namespaces there were,
//! what was left behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::EngineEvent;
use model::{LoadedScenario, RecordedOutcome, WorldOutcome};

use crate::RunEvent;
use crate::outcome::{KeptNamespace, TriedWorld};

/// The account of one run.
#[derive(Default)]
pub(crate) struct RunLedger {
    /// Scenarios that are not done.
    open: BTreeMap<String, OpenScenario>,
    scenarios: usize,
    namespaces: Vec<KeptNamespace>,
    leaks: Vec<String>,
}

/// A scenario that is not done: the outcomes of those of its worlds that are.
struct OpenScenario {
    scenario: Arc<LoadedScenario>,
    worlds: BTreeMap<String, WorldOutcome>,
}

impl OpenScenario {
    fn is_done(&self) -> bool {
        self.scenario
            .scenario
            .worlds
            .keys()
            .all(|world| self.worlds.contains_key(world))
    }

    /// Its outcome, worlds in the file's order.
    fn outcome(&mut self) -> RecordedOutcome {
        let worlds = self.scenario.scenario.worlds.keys();
        let worlds = worlds.filter_map(|world| Some((world.clone(), self.worlds.remove(world)?)));
        RecordedOutcome {
            id: self.scenario.id.clone(),
            worlds: worlds.collect(),
        }
    }
}

impl RunLedger {
    pub(crate) fn new(scenarios: &[Arc<LoadedScenario>]) -> Self {
        let open = |loaded: &Arc<LoadedScenario>| OpenScenario {
            scenario: Arc::clone(loaded),
            worlds: BTreeMap::new(),
        };
        Self {
            open: scenarios
                .iter()
                .map(|loaded| (loaded.id.clone(), open(loaded)))
                .collect(),
            scenarios: scenarios.len(),
            ..Self::default()
        }
    }

    /// Takes one event in. Says so if a scenario is done with it.
    pub(crate) fn note_event(&mut self, event: &EngineEvent) -> Option<RunEvent> {
        match event {
            EngineEvent::WorldStarted {
                id,
                world,
                namespace,
            } => {
                let (id, world, namespace) = (id.clone(), world.clone(), namespace.clone());
                self.namespaces.push(KeptNamespace {
                    id,
                    world,
                    namespace,
                });
                None
            }
            EngineEvent::LeftBehind { id, world, what } => {
                self.leaks.push(format!("{id} in {world}: {what}"));
                None
            }
            EngineEvent::SentinelLeft { what } => {
                self.leaks.push(what.clone());
                None
            }
            EngineEvent::WorldDone { id, world, outcome } => self.close_world(id, world, outcome),
            EngineEvent::RequestDone { .. }
            | EngineEvent::CellDone { .. }
            | EngineEvent::Waiting { .. }
            | EngineEvent::SecondLook { .. } => None,
        }
    }

    fn close_world(&mut self, id: &str, world: &str, outcome: &WorldOutcome) -> Option<RunEvent> {
        let open = self.open.get_mut(id)?;
        // The first look counts: a second one is taken only where the first was not as intended.
        open.worlds
            .entry(world.to_owned())
            .or_insert_with(|| outcome.clone());
        if !open.is_done() {
            return None;
        }
        let mut open = self.open.remove(id)?;
        let done = self.scenarios - self.open.len();
        Some(RunEvent::ScenarioDone {
            outcome: open.outcome(),
            scenario: open.scenario,
            done,
            of: self.scenarios,
        })
    }

    /// The namespaces of worlds in which something is not as intended.
    pub(crate) fn find_kept(&self, worlds: &[TriedWorld]) -> Vec<KeptNamespace> {
        let is_bad = |one: &&KeptNamespace| {
            let found = worlds
                .iter()
                .find(|(id, world, _)| *id == one.id && *world == one.world);
            found.is_some_and(|(_, _, outcome)| !outcome.has_passed())
        };
        self.namespaces.iter().filter(is_bad).cloned().collect()
    }

    /// What worlds left behind so far.
    pub(crate) fn take_leaks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.leaks)
    }

    /// Every namespace that a world has had so far.
    pub(crate) fn namespaces(&self) -> Vec<String> {
        self.namespaces
            .iter()
            .map(|one| one.namespace.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::scenario;

    fn done(world: &str, why: &str) -> EngineEvent {
        let outcome = WorldOutcome::Broken { why: why.into() };
        EngineEvent::WorldDone {
            id: "a/b".into(),
            world: world.into(),
            outcome,
        }
    }

    #[test]
    fn a_scenario_is_done_with_the_first_look_at_its_last_world() {
        let loaded = scenario(
            "a/b",
            "worlds: { bare: {}, other: {} }",
            "[{ id: x, do: check-secrets, expect: intact }]",
        );
        let mut ledger = RunLedger::new(&[loaded]);
        assert!(ledger.note_event(&done("other", "first")).is_none());
        assert!(ledger.note_event(&done("other", "second")).is_none());
        let Some(RunEvent::ScenarioDone {
            outcome,
            done: 1,
            of: 1,
            ..
        }) = ledger.note_event(&done("bare", "first"))
        else {
            panic!("it is done");
        };
        let first = WorldOutcome::Broken {
            why: "first".into(),
        };
        assert_eq!(
            outcome.worlds.into_iter().collect::<Vec<_>>(),
            [
                ("bare".to_owned(), first.clone()),
                ("other".to_owned(), first)
            ]
        );
        assert!(ledger.note_event(&done("bare", "second")).is_none());
    }

    #[test]
    fn namespaces_of_worlds_that_did_not_pass_are_kept() {
        let mut ledger = RunLedger::default();
        for world in ["bad", "good", "unknown"] {
            let (id, namespace) = ("a/b".to_owned(), format!("ns-{world}"));
            ledger.note_event(&EngineEvent::WorldStarted {
                id,
                world: world.into(),
                namespace,
            });
        }
        ledger.note_event(&EngineEvent::LeftBehind {
            id: "a/b".into(),
            world: "bad".into(),
            what: "a role".into(),
        });
        let tried = |world: &str, outcome| ("a/b".to_owned(), world.to_owned(), outcome);
        let worlds = [
            tried("bad", WorldOutcome::Broken { why: "x".into() }),
            tried("good", WorldOutcome::Tried(indexmap::IndexMap::new())),
        ];
        let kept = ledger.find_kept(&worlds);
        assert_eq!(
            kept.iter()
                .map(|one| one.namespace.as_str())
                .collect::<Vec<_>>(),
            ["ns-bad"]
        );
        assert_eq!(ledger.namespaces().len(), 3);
        assert_eq!(ledger.take_leaks(), ["a/b in bad: a role"]);
    }
}
