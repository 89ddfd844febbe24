//! The process itself: it takes what it is told, and puts a table in force that was made with it.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::compile::compile_node;
use super::render::render_table;
use super::report::EnforcerReport;
use super::state::{ClusterState, ObjectChange};
use super::tables::KernelTables;
use super::{WatchEvent, log_line, plugin};
use crate::Error;

/// One node's enforcer.
pub(crate) struct NodeEnforcer {
    folder: PathBuf,
    state: ClusterState,
    told: EnforcerReport,
    tables: KernelTables,
    /// What is in the table in force.
    body: String,
    /// Network plugins that wait, with their pods' `uid`.
    askers: Vec<(String, UnixStream)>,
    /// When the next table may be put in force: after each it takes a rest as long as that one
    /// took, so that a flood of changes becomes few tables. A change after a rest is not kept
    /// waiting.
    next: Instant,
}

impl NodeEnforcer {
    /// `folder` is where it writes what is in force.
    ///
    /// # Errors
    /// When `nft` cannot say which tables there are.
    pub(crate) fn new(node: &str, folder: PathBuf) -> Result<Self, Error> {
        let told = EnforcerReport {
            node: node.to_owned(),
            ..EnforcerReport::default()
        };
        let (state, next) = (ClusterState::default(), Instant::now());
        Ok(Self {
            folder,
            state,
            told,
            tables: KernelTables::find_leftover()?,
            body: String::new(),
            askers: Vec::new(),
            next,
        })
    }

    /// Goes on for as long as there are senders of changes.
    pub(crate) fn run_enforcer(mut self, news: &Receiver<WatchEvent>) -> Result<(), Error> {
        while let Ok(first) = news.recv() {
            let since = Instant::now();
            self.take_changes(first);
            while let Ok(more) =
                news.recv_timeout(self.next.saturating_duration_since(Instant::now()))
            {
                self.take_changes(more);
            }
            self.enforce_table(since)?;
        }
        Ok(())
    }

    fn take_changes(&mut self, news: WatchEvent) {
        match news {
            WatchEvent::Pods(change, version) => {
                if let ObjectChange::Deleted(pod) = &change {
                    self.state.forget_gone(&pod.metadata.uid);
                }
                self.state.pods.take_change(change, version);
            }
            WatchEvent::Namespaces(change, version) => {
                self.state.namespaces.take_change(change, version)
            }
            WatchEvent::Policies(change, version) => {
                self.state.policies.take_change(change, version)
            }
            WatchEvent::Announced {
                uid,
                addresses,
                asker,
            } => {
                self.state.announce_pod(uid.clone(), addresses);
                self.askers.push((uid, asker));
            }
        }
    }

    /// Puts the table in force that follows from what is known; `since` is when the first change
    /// came.
    fn enforce_table(&mut self, since: Instant) -> Result<(), Error> {
        let Some(seen) = self.state.seen_versions() else {
            return Ok(());
        };
        let start = Instant::now();
        let table = compile_node(&self.state, &self.told.node);
        let body = render_table(&table);
        let is_new = body != self.body;
        if is_new {
            let compiled = start.elapsed();
            self.tables.replace_table(&body)?;
            self.told.isolated = table.isolated;
            self.told.tables += 1;
            self.told.took = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.body = body;
            self.note_change(compiled, start.elapsed());
            self.next = Instant::now() + start.elapsed();
        }
        let (known, unknown) = std::mem::take(&mut self.askers)
            .into_iter()
            .partition(|(uid, _)| self.state.knows_pod(uid));
        self.askers = unknown;
        Vec::into_iter(known).for_each(|(_, asker)| plugin::confirm_pod(asker));
        if is_new || seen != self.told.seen {
            self.told.seen = seen;
            self.told.publish_file(&self.folder)?;
        }
        Ok(())
    }

    fn note_change(&self, compiled: Duration, all: Duration) {
        let EnforcerReport {
            tables,
            isolated,
            took,
            ..
        } = self.told;
        log_line(&format!(
            "table {tables} is in force: {isolated} pods isolated, {} bytes; made in {:.1} ms, put in force in {:.1} ms; \
             {:.1} ms after the first change",
            self.body.len(),
            millis(compiled),
            millis(all.saturating_sub(compiled)),
            millis(Duration::from_micros(took)),
        ));
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
