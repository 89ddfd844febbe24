//! Telling of a scenario as soon as it is done, where all that there is to say is known by then.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use golden::Comparison;
use model::{Loaded, Outcome};

use super::clusters::Announce;
use super::print;
use crate::args::Run;
use crate::fault::Fault;
use crate::folders::Found;
use crate::report::{Golden, Tried, text};

/// The scenarios that were told of, by id.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<BTreeSet<String>>>);

impl Told {
    pub(super) fn ids(&self) -> BTreeSet<String> {
        self.0.lock().map(|ids| ids.clone()).unwrap_or_default()
    }

    fn add(&self, id: &str) {
        if let Ok(mut ids) = self.0.lock() {
            ids.insert(id.to_owned());
        }
    }
}

/// How a scenario is shown.
pub(super) struct Style {
    width: usize,
    tables: bool,
    /// Whether standard output is taken by a report for programs.
    taken: bool,
}

impl Style {
    pub(super) fn of(args: &Run, chosen: &[Arc<Loaded>]) -> Self {
        let width = chosen.iter().map(|loaded| loaded.id.len()).max().unwrap_or_default();
        Self { width, tables: args.tables, taken: args.takes_output() }
    }
}

/// Tells of scenarios that met every intent and agree with what was recorded. The rest waits for the report: a second look
/// may change it, and its table belongs beside what is wrong.
pub(super) fn announce(found: &Found, told: Told, style: Style) -> Result<Announce, Fault> {
    let store = found.store()?;
    Ok(Box::new(move |board, scenario, outcome: Outcome| {
        let mut tried = Tried { scenario: Arc::clone(scenario), outcome, golden: Golden::NotCompared };
        match store.compare(&tried.outcome) {
            Ok(Comparison::Same) => tried.golden = Golden::Same,
            Ok(Comparison::New | Comparison::Differs { .. }) | Err(_) => return false,
        }
        board.result(|| print(&text::line(&tried, style.width, style.tables), style.taken));
        told.add(&tried.scenario.id);
        true
    }))
}
