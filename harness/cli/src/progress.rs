//! What is going on: a few lines that redraw themselves on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use native::Progress;
use native::components::BuildProgress;

use crate::ui;
pub(crate) use estimate::Estimate;

mod estimate;

/// Between two plain lines about the same build.
const PLAIN_EVERY: Duration = Duration::from_secs(15);
const TICK: Duration = Duration::from_millis(120);

/// The lines.
pub(crate) struct Board {
    lines: Option<MultiProgress>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bars: BTreeMap<String, ProgressBar>,
    said: BTreeMap<String, Duration>,
}

impl Board {
    /// An empty one, for a terminal if standard error is one.
    pub(crate) fn new() -> Self {
        Self {
            lines: ui::is_terminal().then(MultiProgress::new),
            state: Mutex::default(),
        }
    }

    /// A build, and how far all of them are.
    pub(crate) fn build(&self, step: &BuildProgress, estimate: &mut Estimate) {
        estimate.note(step);
        match step {
            BuildProgress::Building {
                component,
                compiled,
                total,
                elapsed,
            } => {
                let text = format!(
                    "building {component}: {compiled} of {total} packages, {}; {estimate}",
                    seconds(*elapsed)
                );
                self.slow(component, &text, *elapsed);
            }
            BuildProgress::Built { component, elapsed } => {
                self.end(component);
                self.line(&format!(
                    "built {component} in {}; {estimate}",
                    seconds(*elapsed)
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
                self.slow(
                    component,
                    &format!(
                        "fetching {component}: {modules} modules, {}",
                        seconds(*elapsed)
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
                    seconds(*elapsed)
                );
                self.slow(component, &text, *elapsed);
            }
            BuildProgress::WaitingForBuild { component } => {
                self.now(
                    component,
                    &format!("waiting: another program builds {component}"),
                );
            }
            BuildProgress::Built { component, elapsed } => {
                self.end(component);
                self.line(&format!("built {component} in {}", seconds(*elapsed)));
            }
        }
    }

    /// What the box of this name does.
    pub(crate) fn machine(&self, name: &str, step: &Progress) {
        match step {
            Progress::Build(step) => self.component(step),
            Progress::MakingSeed { kubernetes } => {
                self.now(
                    name,
                    &format!("making a first state of Kubernetes {kubernetes}, once for each set of addons"),
                );
            }
            Progress::Started { process } => {
                self.redraw(name, &format!("box {name}: started {process}"));
            }
            Progress::Milestone { name: point, at } => {
                self.redraw(name, &format!("box {name}: {point} after {}", seconds(*at)));
            }
        }
    }

    /// A part of the result, among lines that redraw themselves.
    pub(crate) fn result(&self, print: impl FnOnce()) {
        match &self.lines {
            Some(lines) => lines.suspend(print),
            None => print(),
        }
    }

    /// A line that stays.
    pub(crate) fn line(&self, text: &str) {
        match &self.lines {
            Some(lines) => lines.suspend(|| ui::note(text)),
            None => ui::note(text),
        }
    }

    /// The current state of `key`: redrawn on a terminal, a line of its own elsewhere.
    pub(crate) fn now(&self, key: &str, text: &str) {
        if !self.redraw(key, text) {
            ui::note(text);
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
    pub(crate) fn end(&self, key: &str) {
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

    /// Like [`Board::now`], but a plain line only now and then.
    fn slow(&self, key: &str, text: &str, elapsed: Duration) {
        if self.redraw(key, text) {
            return;
        }
        let Ok(mut state) = self.state.lock() else {
            return;
        };
        let due = state
            .said
            .get(key)
            .is_none_or(|last| elapsed.saturating_sub(*last) >= PLAIN_EVERY);
        if due {
            state.said.insert(key.to_owned(), elapsed);
            ui::note(text);
        }
    }
}

fn spinner(lines: &MultiProgress) -> ProgressBar {
    let bar = lines.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// `4.2 s`, or `3 min 20 s`.
pub(crate) fn seconds(time: Duration) -> String {
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
        assert_eq!(seconds(Duration::from_millis(4230)), "4.2 s");
        assert_eq!(seconds(Duration::from_secs(200)), "3 min 20 s");
    }
}
