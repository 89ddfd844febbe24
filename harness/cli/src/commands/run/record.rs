//! What the report needs of a run's events. Whoever shows the events owns none of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::LoadedScenario;
use runner::{RunEvent, RunObserver};

use super::announcer::RunAnnouncer;
use super::display::RunDisplay;
use super::finished::FinishedWorlds;
use crate::report::RunReport;

/// What is known of a run while it goes on.
#[derive(Default)]
pub(super) struct RunRecord(Mutex<RecordedEvents>);

#[derive(Default)]
struct RecordedEvents {
    finished: FinishedWorlds,
    /// The scenarios that were reported, by id.
    told: BTreeSet<String>,
    is_interrupted: bool,
}

impl RunRecord {
    /// Whether the run was interrupted on a cluster that stays.
    pub(super) fn was_interrupted(&self) -> bool {
        self.events().is_interrupted
    }

    /// The report on what is done so far.
    pub(super) fn report_finished(&self, chosen: &[Arc<LoadedScenario>]) -> RunReport {
        self.events().finished.report(chosen)
    }

    /// The scenarios that were reported, by id.
    pub(super) fn told_scenarios(&self) -> BTreeSet<String> {
        self.events().told.clone()
    }

    fn note_event(&self, event: &RunEvent) {
        match event {
            RunEvent::World(event) => self.events().finished.note_event(event),
            RunEvent::Sweeping => self.events().is_interrupted = true,
            RunEvent::BuildsBegin(_)
            | RunEvent::Build(_)
            | RunEvent::BoxStarting { .. }
            | RunEvent::BoxProgress { .. }
            | RunEvent::BoxStartEnded { .. }
            | RunEvent::ClusterReady(_)
            | RunEvent::ScenarioDone { .. } => {}
        }
    }

    fn note_told(&self, id: &str) {
        self.events().told.insert(id.to_owned());
    }

    fn events(&self) -> MutexGuard<'_, RecordedEvents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records a run's events, and has them shown.
pub(super) struct RunRecorder {
    pub(super) record: Arc<RunRecord>,
    pub(super) display: Arc<RunDisplay>,
    /// Reports a scenario in which every cell is as intended, as soon as it is done.
    pub(super) announcer: Option<RunAnnouncer>,
}

impl RunRecorder {
    /// Reports a scenario that is done, if there is nothing more to come. Says whether it did.
    fn announce(&self, event: &RunEvent) -> bool {
        let RunEvent::ScenarioDone {
            scenario, outcome, ..
        } = event
        else {
            return false;
        };
        let Some(announcer) = &self.announcer else {
            return false;
        };
        let Some(tried) = announcer.settled_result(scenario, outcome) else {
            return false;
        };
        self.display
            .print_result(|| announcer.print_scenario(&tried));
        self.record.note_told(&scenario.id);
        true
    }
}

impl RunObserver for RunRecorder {
    fn observe_event(&self, event: RunEvent) {
        self.record.note_event(&event);
        if !self.announce(&event) {
            self.display.observe_event(event);
        }
    }
}
