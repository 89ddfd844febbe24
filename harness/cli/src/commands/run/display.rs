//! What goes on in a run, on the board. It owns nothing that the report needs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::EngineEvent;
use model::{CellStatus, LoadedScenario, OutcomeCell};
use runner::{ClusterFacts, RunEvent, RunObserver};

use crate::commands::lint::count_scenarios;
use crate::progress::{BuildEstimate, ProgressBoard, format_seconds};

/// The key of the board's line about cells.
const CELLS_LINE: &str = "~cells";

/// Shows the events of a run on a board.
pub(crate) struct RunDisplay {
    board: ProgressBoard,
    /// Whether each step gets a line, and each of its requests.
    shows_steps: bool,
    state: Mutex<DisplayState>,
}

#[derive(Default)]
struct DisplayState {
    cells: usize,
    of: usize,
    bad: usize,
    builds: BuildEstimate,
}

impl RunDisplay {
    pub(crate) fn new(chosen: &[Arc<LoadedScenario>], times: u16) -> Self {
        let once: usize = chosen
            .iter()
            .map(|loaded| loaded.scenario.count_cells())
            .sum();
        let of = once * usize::from(times);
        Self {
            board: ProgressBoard::new(),
            shows_steps: false,
            state: Mutex::new(DisplayState {
                of,
                ..DisplayState::default()
            }),
        }
    }

    /// The same with lines for each step, if it is to have them.
    pub(crate) fn showing_steps(self, shows_steps: bool) -> Self {
        Self {
            shows_steps,
            ..self
        }
    }

    /// A line that stays.
    pub(crate) fn print_line(&self, text: &str) {
        self.board.print_line(text);
    }

    /// Takes away the lines that redraw themselves.
    pub(crate) fn clear(&self) {
        self.board.clear();
    }

    /// Prints what goes to standard output, past the lines that redraw themselves.
    pub(super) fn print_result(&self, print: impl FnOnce()) {
        self.board.print_result(print);
    }

    fn show_world(&self, state: &mut DisplayState, event: &EngineEvent) {
        match event {
            EngineEvent::RequestDone {
                id,
                world,
                step,
                request,
                code,
                took,
            } => {
                if self.shows_steps {
                    let place = format!("{id} in {world}: {step}");
                    self.board
                        .print_line(&request_line(&place, request, *code, *took));
                }
            }
            EngineEvent::CellDone {
                id,
                world,
                step,
                cell,
            } => {
                if self.shows_steps {
                    self.board.print_line(&step_line(id, world, step, cell));
                }
                state.cells += 1;
                state.bad += usize::from(cell.status() != CellStatus::Passed);
                let bad = if state.bad > 0 {
                    format!(", {} not as intended", state.bad)
                } else {
                    String::new()
                };
                self.board.redraw(
                    CELLS_LINE,
                    &format!("{} of {} cells{bad}", state.cells, state.of),
                );
            }
            EngineEvent::Waiting {
                id,
                world,
                what,
                elapsed,
            } => {
                self.board.redraw(
                    &format!("{id} {world}"),
                    &format!("{id} in {world}: {what} ({})", format_seconds(*elapsed)),
                );
            }
            EngineEvent::SecondLook { id, world } => self
                .board
                .print_line(&format!("{id} in {world}: looking a second time")),
            EngineEvent::WorldDone { id, world, .. } => {
                self.board.end_state(&format!("{id} {world}"))
            }
            EngineEvent::WorldStarted { .. }
            | EngineEvent::LeftBehind { .. }
            | EngineEvent::SentinelLeft { .. } => {}
        }
    }

    fn show_cluster(&self, facts: &ClusterFacts) {
        let text = format!(
            "{}: Kubernetes {}, up in {}",
            facts.name,
            facts.version,
            format_seconds(facts.start)
        );
        let installs = facts
            .milestones
            .iter()
            .filter(|(name, _)| model::is_addon_milestone(name));
        let installs: Vec<String> = installs
            .map(|(name, at)| format!("{name} {}", format_seconds(*at)))
            .collect();
        let installs = if installs.is_empty() {
            String::new()
        } else {
            format!(" ({})", installs.join(", "))
        };
        self.board.print_line(&format!(
            "{text}{installs}; {} to try",
            count_scenarios(facts.worlds, "world")
        ));
    }
}

/// What a step asked of the API server, what was answered, and after how long.
fn request_line(place: &str, request: &str, code: Option<u16>, took: Duration) -> String {
    let code = code.map_or_else(|| "no reply".to_owned(), |code| code.to_string());
    let millis = took.as_secs_f64() * 1000.0;
    format!("{place}: > {request} ({code}, {millis:.0} ms)")
}

/// What came of a step: its verdict, the status of the reply and the time.
fn step_line(id: &str, world: &str, step: &str, cell: &OutcomeCell) -> String {
    let mark = match cell.status() {
        CellStatus::Passed => "",
        CellStatus::Failed | CellStatus::Flaky | CellStatus::Broken => "!! ",
    };
    let code = cell
        .detail
        .code
        .map(|code| format!("{code}, "))
        .unwrap_or_default();
    format!(
        "{id} in {world}: {step}: {mark}{} ({code}{:.0} ms)",
        cell.verdict, cell.millis
    )
}

impl RunObserver for RunDisplay {
    fn observe_event(&self, event: RunEvent) {
        let Ok(mut state) = self.state.lock() else {
            return;
        };
        match event {
            RunEvent::BuildsBegin(components) => {
                state.builds = BuildEstimate::from_components(&components)
            }
            RunEvent::Build(step) => self.board.show_build(&step, &mut state.builds),
            RunEvent::BoxStarting {
                name,
                kubernetes,
                nodes,
            } => {
                self.board.show_state(
                    &name,
                    &format!("box {name}: starting Kubernetes {kubernetes}, {nodes} node(s)"),
                );
            }
            RunEvent::BoxProgress { name, step } => self.board.show_machine(&name, &step),
            RunEvent::BoxStartEnded { name } => self.board.end_state(&name),
            RunEvent::ClusterReady(facts) => self.show_cluster(&facts),
            RunEvent::World(event) => self.show_world(&mut state, &event),
            RunEvent::ScenarioDone {
                scenario, done, of, ..
            } => self
                .board
                .print_line(&format!("tried {} ({done} of {of})", scenario.id)),
            RunEvent::Sweeping => self.board.print_line("interrupted: taking everything down"),
        }
    }
}
