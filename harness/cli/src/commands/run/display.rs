//! What goes on in a run, on the board.

use std::sync::{Arc, Mutex};

use engine::Event;
use model::{CellStatus, Loaded};
use runner::{ClusterFacts, RunEvent, RunObserver};

use super::announcer::Announcer;
use crate::commands::lint::count;
use crate::progress::{Board, Estimate, seconds};

/// The key of the board's line about cells.
const CELLS: &str = "~cells";

/// Shows on a board what it hears of a run.
pub(crate) struct RunDisplay {
    board: Board,
    /// Who tells of a scenario in which every cell is as intended, as soon as it is done.
    announcer: Option<Announcer>,
    state: Mutex<DisplayState>,
}

#[derive(Default)]
struct DisplayState {
    cells: usize,
    of: usize,
    bad: usize,
    builds: Estimate,
}

impl RunDisplay {
    pub(crate) fn new(chosen: &[Arc<Loaded>], announcer: Option<Announcer>) -> Self {
        let of = chosen
            .iter()
            .map(|loaded| loaded.scenario.count_cells())
            .sum();
        Self {
            board: Board::new(),
            announcer,
            state: Mutex::new(DisplayState {
                of,
                ..DisplayState::default()
            }),
        }
    }

    /// Takes away the lines that redraw themselves.
    pub(crate) fn clear(&self) {
        self.board.clear();
    }

    /// The scenarios that were told of, by id.
    pub(crate) fn told(&self) -> std::collections::BTreeSet<String> {
        self.announcer
            .as_ref()
            .map(Announcer::told)
            .unwrap_or_default()
    }

    fn show_world(&self, state: &mut DisplayState, event: &Event) {
        match event {
            Event::CellDone { cell, .. } => {
                state.cells += 1;
                state.bad += usize::from(cell.status() != CellStatus::Passed);
                let bad = if state.bad > 0 {
                    format!(", {} not as intended", state.bad)
                } else {
                    String::new()
                };
                self.board.redraw(
                    CELLS,
                    &format!("{} of {} cells{bad}", state.cells, state.of),
                );
            }
            Event::Waiting {
                id,
                world,
                what,
                elapsed,
            } => {
                self.board.redraw(
                    &format!("{id} {world}"),
                    &format!("{id} in {world}: {what} ({})", seconds(*elapsed)),
                );
            }
            Event::SecondLook { id, world } => self
                .board
                .line(&format!("{id} in {world}: looking a second time")),
            Event::WorldDone { id, world, .. } => self.board.end(&format!("{id} {world}")),
            Event::WorldStarted { .. } | Event::LeftBehind { .. } => {}
        }
    }

    fn show_cluster(&self, facts: &ClusterFacts) {
        let text = format!(
            "{}: Kubernetes {}, up in {}",
            facts.name,
            facts.version,
            seconds(facts.start)
        );
        let installs = facts
            .milestones
            .iter()
            .filter(|(name, _)| model::is_addon_milestone(name));
        let installs: Vec<String> = installs
            .map(|(name, at)| format!("{name} {}", seconds(*at)))
            .collect();
        let installs = if installs.is_empty() {
            String::new()
        } else {
            format!(" ({})", installs.join(", "))
        };
        self.board.line(&format!(
            "{text}{installs}; {} to try",
            count(facts.worlds, "world")
        ));
    }
}

impl RunObserver for RunDisplay {
    fn observe(&self, event: RunEvent) {
        let Ok(mut state) = self.state.lock() else {
            return;
        };
        match event {
            RunEvent::BuildsBegin(components) => state.builds = Estimate::of(&components),
            RunEvent::Build(step) => self.board.build(&step, &mut state.builds),
            RunEvent::BoxStarting {
                name,
                kubernetes,
                nodes,
            } => {
                self.board.now(
                    &name,
                    &format!("box {name}: starting Kubernetes {kubernetes}, {nodes} node(s)"),
                );
            }
            RunEvent::BoxProgress { name, step } => self.board.machine(&name, &step),
            RunEvent::BoxStartEnded { name } => self.board.end(&name),
            RunEvent::ClusterReady(facts) => self.show_cluster(&facts),
            RunEvent::World(event) => self.show_world(&mut state, &event),
            RunEvent::ScenarioDone {
                scenario,
                outcome,
                done,
                of,
            } => {
                let is_told =
                    |announcer: &Announcer| announcer.announce(&self.board, &scenario, &outcome);
                if !self.announcer.as_ref().is_some_and(is_told) {
                    self.board
                        .line(&format!("tried {} ({done} of {of})", scenario.id));
                }
            }
            RunEvent::Sweeping => self.board.line("interrupted: taking everything down"),
        }
    }
}
