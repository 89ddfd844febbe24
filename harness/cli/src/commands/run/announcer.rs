//! Telling of a scenario as soon as it is done, where all that there is to say is known by then.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use golden::{Comparison, Store};
use model::{Loaded, Outcome};

use super::print;
use crate::args::Run;
use crate::fault::Fault;
use crate::folders::Found;
use crate::progress::Board;
use crate::report::{Golden, Status, Tried, text};

/// Tells of scenarios that met every intent and agree with what was recorded. The rest waits for the report: a second look
/// may change it, and its table belongs beside what is wrong.
pub(crate) struct Announcer {
    store: Store,
    width: usize,
    tables: bool,
    /// Whether standard output is taken by a report for programs.
    taken: bool,
    /// The scenarios that were told of, by id.
    told: Mutex<BTreeSet<String>>,
}

impl Announcer {
    pub(super) fn new(found: &Found, args: &Run, chosen: &[Arc<Loaded>]) -> Result<Self, Fault> {
        let width = chosen
            .iter()
            .map(|loaded| loaded.id.len())
            .max()
            .unwrap_or_default();
        let taken = args.takes_output();
        Ok(Self {
            store: found.store()?,
            width,
            tables: args.tables,
            taken,
            told: Mutex::default(),
        })
    }

    /// Tells of a scenario, if there is nothing more to come. Says whether it did.
    pub(crate) fn announce(
        &self,
        board: &Board,
        scenario: &Arc<Loaded>,
        outcome: &Outcome,
    ) -> bool {
        let mut tried = Tried {
            scenario: Arc::clone(scenario),
            outcome: outcome.clone(),
            golden: Golden::NotCompared,
        };
        if tried.status() != Status::Passed {
            return false;
        }
        match self.store.compare(&tried.outcome) {
            Ok(Comparison::Same) => tried.golden = Golden::Same,
            Ok(Comparison::New | Comparison::Differs { .. }) | Err(_) => return false,
        }
        board.result(|| print(&text::line(&tried, self.width, self.tables), self.taken));
        if let Ok(mut told) = self.told.lock() {
            told.insert(scenario.id.clone());
        }
        true
    }

    pub(super) fn told(&self) -> BTreeSet<String> {
        self.told.lock().map(|ids| ids.clone()).unwrap_or_default()
    }
}
