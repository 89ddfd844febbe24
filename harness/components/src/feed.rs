//! What `go build -v` and `cargo build` say while they work, read line by line.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::BuildProgress;

const TAIL: usize = 30;
const EVERY: Duration = Duration::from_millis(200);

/// Counts what has been done, keeps the last lines for an error, and reports now and then.
pub(crate) struct Feed<'a> {
    component: String,
    start: Instant,
    total: usize,
    compiled: usize,
    fetched: usize,
    tail: VecDeque<String>,
    reported: Option<Instant>,
    progress: &'a mut dyn FnMut(BuildProgress),
}

impl<'a> Feed<'a> {
    pub(crate) fn new(component: String, progress: &'a mut dyn FnMut(BuildProgress)) -> Self {
        let tail = VecDeque::with_capacity(TAIL);
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
    pub(crate) fn line(&mut self, line: &str) {
        match kind(line) {
            Kind::Fetched => self.fetched += 1,
            Kind::Compiled => self.compiled += 1,
            Kind::Said => {
                if self.tail.len() == TAIL {
                    self.tail.pop_front();
                }
                self.tail.push_back(line.to_owned());
            }
        }
        self.report();
    }

    pub(crate) fn tail(&self) -> String {
        self.tail
            .iter()
            .map(|line| format!("    {line}\n"))
            .collect()
    }

    fn report(&mut self) {
        if self.reported.is_some_and(|at| at.elapsed() < EVERY) {
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
enum Kind {
    Fetched,
    Compiled,
    Said,
}

/// `go build -v` prints the import path of each package it compiles, alone on a line; cargo writes a verb before it.
fn kind(line: &str) -> Kind {
    let verb = line.trim_start().split(' ').next().unwrap_or_default();
    let is_path = !line.is_empty() && !line.contains([' ', ':', '\t']) && !line.starts_with('#');
    if line.starts_with("go: downloading ") || verb == "Downloaded" {
        Kind::Fetched
    } else if verb == "Compiling" || is_path {
        Kind::Compiled
    } else {
        Kind::Said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        assert_eq!(kind("k8s.io/apimachinery/pkg/runtime"), Kind::Compiled);
        assert_eq!(kind("go: downloading k8s.io/api v0.36.3"), Kind::Fetched);
        assert_eq!(kind("  Downloaded blowfish v0.9.1"), Kind::Fetched);
        assert_eq!(
            kind("   Compiling probe v0.1.0 (src/harness/probe)"),
            Kind::Compiled
        );
        assert_eq!(kind("error: could not compile `probe`"), Kind::Said);
        assert_eq!(kind("# runtime/cgo"), Kind::Said);
        assert_eq!(kind("write /tmp/x: no space left on device"), Kind::Said);
        assert_eq!(kind(""), Kind::Said);
    }
}
