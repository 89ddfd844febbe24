//! What is kept of a run that a signal ends.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use model::LoadedScenario;

use super::display::RunDisplay;
use super::outputs;
use crate::args::RunArguments;
use crate::folders;

/// Writes the reports on what is done, once, unless the run has written its own.
#[derive(Clone)]
pub(super) struct InterruptedReport {
    pub(super) args: RunArguments,
    pub(super) chosen: Vec<Arc<LoadedScenario>>,
    pub(super) display: Arc<RunDisplay>,
    pub(super) evidence: PathBuf,
    pub(super) began: Instant,
    pub(super) is_written: Arc<AtomicBool>,
}

impl InterruptedReport {
    /// The run writes its own reports from here on.
    pub(super) fn withdraw(&self) {
        self.is_written.store(true, Ordering::Relaxed);
    }

    /// Writes them all.
    pub(super) fn write(&self) {
        if self.is_written.swap(true, Ordering::Relaxed) {
            return;
        }
        self.display.clear();
        let mut report = self.display.report_finished(&self.chosen);
        report.folders = folders::folder_options(&self.args.folders);
        report.nodes = self.args.nodes;
        report.told = self.display.told_scenarios();
        report.elapsed = self.began.elapsed();
        outputs::write_reports(&self.args, &mut report, &self.evidence);
    }
}
