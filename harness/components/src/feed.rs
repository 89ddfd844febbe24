//! What `go build -v` and `cargo build` say while they work, read line by line.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::BuildProgress;

const KEPT_LINES: usize = 30;
const REPORT_INTERVAL: Duration = Duration::from_millis(200);

/// Counts what has been done, keeps the last lines for an error, and reports now and then.
pub(crate) struct BuildFeed<'a> {
    component: String,
    start: Instant,
    total: usize,
    compiled: usize,
    fetched: usize,
    tail: VecDeque<String>,
    reported: Option<Instant>,
    progress: &'a mut dyn FnMut(BuildProgress),
}

impl<'a> BuildFeed<'a> {
    pub(crate) fn new(component: String, progress: &'a mut dyn FnMut(BuildProgress)) -> Self {
        let tail = VecDeque::with_capacity(KEPT_LINES);
        Self {
            component,
            start: Instant::now(),
            total: 0,
            compiled: 0,
            fetched: 0,
            tail,
            reported: None,
            progress,
        }
    }

    pub(crate) fn set_total(&mut self, total: usize) {
        self.total = total;
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Takes one line of standard error.
    pub(crate) fn take_line(&mut self, line: &str) {
        match line_kind(line) {
            FeedKind::Fetched => self.fetched += 1,
            FeedKind::Compiled => self.compiled += 1,
            FeedKind::Said => {
                if self.tail.len() == KEPT_LINES {
                    self.tail.pop_front();
                }
                self.tail.push_back(line.to_owned());
            }
        }
        self.report_progress();
    }

    pub(crate) fn last_lines(&self) -> String {
        self.tail
            .iter()
            .map(|line| format!("    {line}\n"))
            .collect()
    }

    fn report_progress(&mut self) {
        if self
            .reported
            .is_some_and(|at| at.elapsed() < REPORT_INTERVAL)
        {
            return;
        }
        self.reported = Some(Instant::now());
        let (component, elapsed) = (self.component.clone(), self.start.elapsed());
        (self.progress)(if self.total == 0 {
            BuildProgress::Fetching {
                component,
                modules: self.fetched,
                elapsed,
            }
        } else {
            BuildProgress::Building {
                component,
                compiled: self.compiled.min(self.total),
                total: self.total,
                elapsed,
            }
        });
    }
}

#[derive(Debug, PartialEq, Eq)]
enum FeedKind {
    Fetched,
    Compiled,
    Said,
}

/// `go build -v` prints the import path of each package it compiles, alone on a line; cargo writes
/// a verb before it.
fn line_kind(line: &str) -> FeedKind {
    let verb = line.trim_start().split(' ').next().unwrap_or_default();
    let is_path = !line.is_empty() && !line.contains([' ', ':', '\t']) && !line.starts_with('#');
    if line.starts_with("go: downloading ") || verb == "Downloaded" {
        FeedKind::Fetched
    } else if verb == "Compiling" || is_path {
        FeedKind::Compiled
    } else {
        FeedKind::Said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        assert_eq!(
            line_kind("k8s.io/apimachinery/pkg/runtime"),
            FeedKind::Compiled
        );
        assert_eq!(
            line_kind("go: downloading k8s.io/api v0.36.3"),
            FeedKind::Fetched
        );
        assert_eq!(line_kind("  Downloaded blowfish v0.9.1"), FeedKind::Fetched);
        assert_eq!(
            line_kind("   Compiling probe v0.1.0 (src/harness/probe)"),
            FeedKind::Compiled
        );
        assert_eq!(
            line_kind("error: could not compile `probe`"),
            FeedKind::Said
        );
        assert_eq!(line_kind("# runtime/cgo"), FeedKind::Said);
        assert_eq!(
            line_kind("write /tmp/x: no space left on device"),
            FeedKind::Said
        );
        assert_eq!(line_kind(""), FeedKind::Said);
    }
}
