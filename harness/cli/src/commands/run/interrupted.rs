//! What is kept of a run that a signal ends.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use model::LoadedScenario;

use super::display::RunDisplay;
use super::outputs;
use super::record::RunRecord;
use crate::args::RunArguments;
use crate::folders;

/// Writes the reports on what is done, once, unless the run has written its own.
#[derive(Clone)]
pub(super) struct InterruptedReport {
    pub(super) args: RunArguments,
    pub(super) chosen: Vec<Arc<LoadedScenario>>,
    pub(super) record: Arc<RunRecord>,
    pub(super) display: Arc<RunDisplay>,
    pub(super) evidence: PathBuf,
    pub(super) began: Instant,
    pub(super) is_written: Arc<Mutex<bool>>,
}

impl InterruptedReport {
    /// Writes the run's own reports in their place. A signal waits until they are written.
    pub(super) fn replace_by(&self, write: impl FnOnce()) {
        let mut is_written = self
            .is_written
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *is_written = true;
        write();
    }

    /// Writes them all.
    pub(super) fn write(&self) {
        let mut is_written = self
            .is_written
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *is_written, true) {
            return;
        }
        self.display.clear();
        let mut report = self.record.report_finished(&self.chosen);
        report.folders = folders::folder_options(&self.args.folders);
        report.nodes = self.args.nodes;
        report.told = self.record.told_scenarios();
        report.elapsed = self.began.elapsed();
        outputs::write_reports(&self.args, &mut report, &self.evidence);
    }
}
