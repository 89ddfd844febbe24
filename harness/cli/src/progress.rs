//! What is going on: a few lines that redraw themselves on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use cluster::ClusterProgress;
use components::BuildProgress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::ui;
pub(crate) use estimate::BuildEstimate;

mod estimate;

/// Between two plain lines about the same build.
const PLAIN_LINE_INTERVAL: Duration = Duration::from_secs(15);
const REDRAW_INTERVAL: Duration = Duration::from_millis(120);

/// The lines.
pub(crate) struct ProgressBoard {
    lines: Option<MultiProgress>,
    state: Mutex<LineState>,
}

#[derive(Default)]
struct LineState {
    bars: BTreeMap<String, ProgressBar>,
    said: BTreeMap<String, Duration>,
}

impl ProgressBoard {
    /// An empty one, for a terminal if standard error is one.
    pub(crate) fn new() -> Self {
        Self {
            lines: ui::is_terminal().then(MultiProgress::new),
            state: Mutex::default(),
        }
    }

    /// A build, and how far all of them are.
    pub(crate) fn show_build(&self, step: &BuildProgress, estimate: &mut BuildEstimate) {
        estimate.note_progress(step);
        match step {
            BuildProgress::Building {
                component,
                compiled,
                total,
                elapsed,
            } => {
                let text = format!(
                    "building {component}: {compiled} of {total} packages, {}; {estimate}",
                    format_seconds(*elapsed)
                );
                self.show_slow_state(component, &text, *elapsed);
            }
            BuildProgress::Built { component, elapsed } => {
                self.end_state(component);
                self.print_line(&format!(
                    "built {component} in {}; {estimate}",
                    format_seconds(*elapsed)
                ));
            }
            BuildProgress::Fetching { .. } | BuildProgress::WaitingForBuild { .. } => {
                self.component(step)
            }
        }
    }

    /// What is done for a component.
    pub(crate) fn component(&self, step: &BuildProgress) {
        match step {
            BuildProgress::Fetching {
                component,
                modules,
                elapsed,
            } => {
                self.show_slow_state(
                    component,
                    &format!(
                        "fetching {component}: {modules} modules, {}",
                        format_seconds(*elapsed)
                    ),
                    *elapsed,
                );
            }
            BuildProgress::Building {
                component,
                compiled,
                total,
                elapsed,
            } => {
                let text = format!(
                    "building {component}: {compiled} of {total} packages, {}",
                    format_seconds(*elapsed)
                );
                self.show_slow_state(component, &text, *elapsed);
            }
            BuildProgress::WaitingForBuild { component } => {
                self.show_state(
                    component,
                    &format!("waiting: another program builds {component}"),
                );
            }
            BuildProgress::Built { component, elapsed } => {
                self.end_state(component);
                self.print_line(&format!(
                    "built {component} in {}",
                    format_seconds(*elapsed)
                ));
            }
        }
    }

    /// What the cluster of this name does.
    pub(crate) fn show_machine(&self, name: &str, step: &ClusterProgress) {
        match step {
            ClusterProgress::Build(step) => self.component(step),
            ClusterProgress::Waiting(what) => self.show_state(name, what),
            ClusterProgress::Reached(what) => {
                self.redraw(name, &format!("box {name}: {what}"));
            }
        }
    }

    /// A part of the result, among lines that redraw themselves.
    pub(crate) fn print_result(&self, print: impl FnOnce()) {
        match &self.lines {
            Some(lines) => lines.suspend(print),
            None => print(),
        }
    }

    /// A line that stays.
    pub(crate) fn print_line(&self, text: &str) {
        match &self.lines {
            Some(lines) => lines.suspend(|| ui::print_note(text)),
            None => ui::print_note(text),
        }
    }

    /// The current state of `key`: redrawn on a terminal, a separate line elsewhere.
    pub(crate) fn show_state(&self, key: &str, text: &str) {
        if !self.redraw(key, text) {
            ui::print_note(text);
        }
    }

    /// The current state of `key` on a terminal; nothing elsewhere. Says whether it was shown.
    pub(crate) fn redraw(&self, key: &str, text: &str) -> bool {
        let (Some(lines), Ok(mut state)) = (&self.lines, self.state.lock()) else {
            return false;
        };
        let bar = state
            .bars
            .entry(key.to_owned())
            .or_insert_with(|| spinner(lines));
        bar.set_message(text.to_owned());
        true
    }

    /// `key` has come to its end.
    pub(crate) fn end_state(&self, key: &str) {
        if let Ok(mut state) = self.state.lock()
            && let Some(bar) = state.bars.remove(key)
        {
            bar.finish_and_clear();
        }
    }

    /// Everything has.
    pub(crate) fn clear(&self) {
        if let Ok(mut state) = self.state.lock() {
            std::mem::take(&mut state.bars)
                .values()
                .for_each(ProgressBar::finish_and_clear);
        }
    }

    /// Like [`ProgressBoard::show_state`], but a plain line only now and then.
    fn show_slow_state(&self, key: &str, text: &str, elapsed: Duration) {
        if self.redraw(key, text) {
            return;
        }
        let Ok(mut state) = self.state.lock() else {
            return;
        };
        let due = state
            .said
            .get(key)
            .is_none_or(|last| elapsed.saturating_sub(*last) >= PLAIN_LINE_INTERVAL);
        if due {
            state.said.insert(key.to_owned(), elapsed);
            ui::print_note(text);
        }
    }
}

fn spinner(lines: &MultiProgress) -> ProgressBar {
    let bar = lines.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(REDRAW_INTERVAL);
    bar
}

/// `4.2 s`, or `3 min 20 s`.
pub(crate) fn format_seconds(time: Duration) -> String {
    let all = time.as_secs_f64();
    if all < 120.0 {
        format!("{all:.1} s")
    } else {
        format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(format_seconds(Duration::from_millis(4230)), "4.2 s");
        assert_eq!(format_seconds(Duration::from_secs(200)), "3 min 20 s");
    }
}
