//! What all clusters of a run share: where things are, and what the board shows of their worlds.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use engine::{Event, Options, Turns, Workshop};
use model::{Cell, CellStatus, Loaded, Outcome, WorldOutcome};
use native::Cache;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::progress::{Board, seconds};
use crate::report::ClusterFacts;

/// How many worlds do something at a time, on all clusters together: this keeps two cores busy, and with
/// more of them what is timed has to wait.
const SIDE_BY_SIDE: usize = 10;

/// The evidence of this many runs is kept.
const RUNS_KEPT: usize = 20;

/// The key of the board's line about cells.
const CELLS: &str = "~cells";

/// What all clusters of a run share.
pub(crate) struct Job {
    pub(crate) cache: Cache,
    /// Where failures are documented, if they are.
    pub(crate) evidence: Option<PathBuf>,
    pub(crate) keep: bool,
    pub(crate) board: Arc<Board>,
    /// Who is told of a scenario in which every cell is as intended, as soon as it is done.
    announce: Option<Announce>,
    workshop: Arc<Workshop>,
    turns: Turns,
    /// What shows events, a task for each cluster.
    shown: Mutex<Vec<JoinHandle<()>>>,
    count: Mutex<Count>,
}

/// Tells of a scenario that is done, with its outcome; says whether there was something to tell.
pub(crate) type Announce = Box<dyn Fn(&Board, &Arc<Loaded>, Outcome) -> bool + Send + Sync>;

#[derive(Default)]
struct Count {
    cells: usize,
    of: usize,
    bad: usize,
    /// Scenarios that are not done.
    open: BTreeMap<String, Open>,
    scenarios: usize,
    namespaces: Vec<(String, String, String)>,
    /// What worlds left behind.
    left: Vec<String>,
}

/// A scenario that is not done: the outcomes of those of its worlds that are.
struct Open {
    scenario: Arc<Loaded>,
    worlds: BTreeMap<String, WorldOutcome>,
}

impl Open {
    fn is_done(&self) -> bool {
        self.scenario.scenario.worlds.keys().all(|world| self.worlds.contains_key(world))
    }

    /// Its outcome, worlds in the file's order.
    fn outcome(&mut self) -> Outcome {
        let worlds = self.scenario.scenario.worlds.keys();
        let worlds = worlds.filter_map(|world| Some((world.clone(), self.worlds.remove(world)?)));
        Outcome { id: self.scenario.id.clone(), worlds: worlds.collect() }
    }
}

impl Job {
    pub(crate) fn new(
        cache: &Cache,
        chosen: &[Arc<Loaded>],
        evidence: Option<PathBuf>,
        keep: bool,
        announce: Option<Announce>,
    ) -> Self {
        let open = |loaded: &Arc<Loaded>| Open { scenario: Arc::clone(loaded), worlds: BTreeMap::new() };
        let count = Count {
            of: chosen.iter().map(|loaded| loaded.scenario.count_cells()).sum(),
            open: chosen.iter().map(|loaded| (loaded.id.clone(), open(loaded))).collect(),
            scenarios: chosen.len(),
            ..Count::default()
        };
        let (board, workshop) = (Arc::new(Board::new()), Arc::new(Workshop::default()));
        Self {
            cache: cache.clone(),
            evidence,
            keep,
            board,
            announce,
            workshop,
            turns: Turns::new(SIDE_BY_SIDE),
            shown: Mutex::default(),
            count: Mutex::new(count),
        }
    }

    pub(crate) fn options(&self) -> Options {
        let (evidence, workshop) = (self.evidence.clone(), Arc::clone(&self.workshop));
        Options { keep: self.keep, evidence, turns: self.turns.clone(), workshop }
    }

    /// Where a cluster's events go: to the board, for as long as somebody sends.
    pub(crate) fn events(self: &Arc<Self>) -> UnboundedSender<Event> {
        let (sender, mut events) = unbounded_channel();
        let job = Arc::clone(self);
        let shown = tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                job.show(event);
            }
        });
        if let Ok(mut all) = self.shown.lock() {
            all.push(shown);
        }
        sender
    }

    /// Waits until every event is shown. The clusters have said all that they have to say.
    pub(crate) async fn show_all(&self) {
        let shown = self.shown.lock().map(|mut all| std::mem::take(&mut *all)).unwrap_or_default();
        for task in shown {
            let _ = task.await;
        }
    }

    /// A cluster answers.
    pub(crate) fn started(&self, facts: &ClusterFacts) {
        let text = format!("{}: Kubernetes {}, up in {}", facts.name, facts.version, seconds(facts.start));
        let installs = facts.milestones.iter().filter(|(name, _)| model::is_addon_milestone(name));
        let installs: Vec<String> = installs.map(|(name, at)| format!("{name} {}", seconds(*at))).collect();
        let installs = if installs.is_empty() { String::new() } else { format!(" ({})", installs.join(", ")) };
        self.board.line(&format!("{text}{installs}; {} to try", worlds(facts.worlds)));
    }

    fn show(&self, event: Event) {
        let Ok(mut count) = self.count.lock() else { return };
        match event {
            Event::WorldStarted { id, world, namespace } => count.namespaces.push((id, world, namespace)),
            Event::CellDone { cell, .. } => {
                count.cells += 1;
                count.bad += usize::from(cell.status() != CellStatus::Passed);
                let bad = if count.bad > 0 { format!(", {} not as intended", count.bad) } else { String::new() };
                self.board.redraw(CELLS, &format!("{} of {} cells{bad}", count.cells, count.of));
            }
            Event::Waiting { id, world, what, elapsed } => {
                self.board.redraw(&format!("{id} {world}"), &format!("{id} in {world}: {what} ({})", seconds(elapsed)));
            }
            Event::LeftBehind { id, world, what } => count.left.push(format!("{id} in {world}: {what}")),
            Event::SecondLook { id, world } => self.board.line(&format!("{id} in {world}: looking a second time")),
            Event::WorldDone { id, world, outcome } => self.world_done(&mut count, &id, &world, outcome),
        }
    }

    fn world_done(&self, count: &mut Count, id: &str, world: &str, outcome: WorldOutcome) {
        self.board.end(&format!("{id} {world}"));
        let Some(open) = count.open.get_mut(id) else { return };
        // The first look counts: a second one is taken only where the first was not as intended.
        open.worlds.entry(world.to_owned()).or_insert(outcome);
        if !open.is_done() {
            return;
        }
        let Some(mut open) = count.open.remove(id) else { return };
        let outcome = open.outcome();
        let is_told = outcome.worlds.values().all(passed)
            && self.announce.as_ref().is_some_and(|announce| announce(&self.board, &open.scenario, outcome));
        if !is_told {
            let done = count.scenarios - count.open.len();
            self.board.line(&format!("tried {id} ({done} of {})", count.scenarios));
        }
    }

    /// The namespaces that were kept: those of worlds in which something is not as intended.
    pub(crate) fn kept(&self, outcomes: &[(String, String, WorldOutcome)]) -> Vec<(String, String, String)> {
        if !self.keep {
            return Vec::new();
        }
        let is_bad = |id: &str, world: &str| {
            let found = outcomes.iter().find(|(one, its, _)| one == id && its == world);
            found.is_some_and(|(_, _, outcome)| !passed(outcome))
        };
        let Ok(count) = self.count.lock() else { return Vec::new() };
        count.namespaces.iter().filter(|(id, world, _)| is_bad(id, world)).cloned().collect()
    }

    /// What worlds left behind. Every event is shown.
    pub(crate) fn left(&self) -> Vec<String> {
        self.count.lock().map(|mut count| std::mem::take(&mut count.left)).unwrap_or_default()
    }

    /// Every namespace that a world has had so far.
    pub(crate) fn namespaces(&self) -> Vec<String> {
        let Ok(count) = self.count.lock() else { return Vec::new() };
        count.namespaces.iter().map(|(_, _, namespace)| namespace.clone()).collect()
    }

    /// Takes the evidence folder away if nothing is in it, and those of runs long past.
    pub(crate) fn tidy(&self) {
        let Some(evidence) = &self.evidence else { return };
        let _ = fs::remove_dir(evidence);
        let Some(all) = evidence.parent() else { return };
        let names = fs::read_dir(all).into_iter().flatten().flatten();
        let mut runs: Vec<String> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        runs.retain(|name| is_run(name));
        runs.sort();
        for old in runs.iter().rev().skip(RUNS_KEPT) {
            let _ = fs::remove_dir_all(all.join(old));
        }
    }
}

/// `SECONDS-PID`, as every run names its evidence.
fn is_run(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.split_once('-').is_some_and(|(seconds, pid)| digits(seconds) && digits(pid))
}

fn passed(outcome: &WorldOutcome) -> bool {
    let good = |cell: &Cell| cell.status() == CellStatus::Passed;
    matches!(outcome, WorldOutcome::Tried(cells) if cells.values().all(good))
}

fn worlds(number: usize) -> String {
    if number == 1 { "1 world".into() } else { format!("{number} worlds") }
}
