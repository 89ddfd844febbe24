//! The process itself: it takes what it is told, and puts a table in force that was made with it.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::compile::compile;
use super::in_force::InForce;
use super::render::render;
use super::state::{Change, State};
use super::tables::Tables;
use super::{WatchEvent, log, plugin};
use crate::Error;

/// One node's enforcer.
pub(crate) struct Enforcer {
    folder: PathBuf,
    state: State,
    told: InForce,
    tables: Tables,
    /// What is in the table in force.
    body: String,
    /// Network plugins that wait, with their pods' `uid`.
    askers: Vec<(String, UnixStream)>,
    /// When the next table may be put in force: after each it takes a rest as long as that one took, so that a flood of
    /// changes becomes few tables. A change after a rest is not kept waiting.
    next: Instant,
}

impl Enforcer {
    /// `folder` is where it tells what is in force.
    ///
    /// # Errors
    /// When `nft` cannot say which tables there are.
    pub(crate) fn new(node: &str, folder: PathBuf) -> Result<Self, Error> {
        let told = InForce {
            node: node.to_owned(),
            ..InForce::default()
        };
        let (state, next) = (State::default(), Instant::now());
        Ok(Self {
            folder,
            state,
            told,
            tables: Tables::find()?,
            body: String::new(),
            askers: Vec::new(),
            next,
        })
    }

    /// Goes on for as long as there is somebody to tell it anything.
    pub(crate) fn run(mut self, news: &Receiver<WatchEvent>) -> Result<(), Error> {
        while let Ok(first) = news.recv() {
            let since = Instant::now();
            self.take(first);
            while let Ok(more) =
                news.recv_timeout(self.next.saturating_duration_since(Instant::now()))
            {
                self.take(more);
            }
            self.enforce(since)?;
        }
        Ok(())
    }

    fn take(&mut self, news: WatchEvent) {
        match news {
            WatchEvent::Pods(change, version) => {
                if let Change::Deleted(pod) = &change {
                    self.state.forget(&pod.metadata.uid);
                }
                self.state.pods.take(change, version);
            }
            WatchEvent::Namespaces(change, version) => self.state.namespaces.take(change, version),
            WatchEvent::Policies(change, version) => self.state.policies.take(change, version),
            WatchEvent::Announced {
                uid,
                addresses,
                asker,
            } => {
                self.state.announce(uid.clone(), addresses);
                self.askers.push((uid, asker));
            }
        }
    }

    /// Puts the table in force that what is known comes down to; `since` is when the first of it was told.
    fn enforce(&mut self, since: Instant) -> Result<(), Error> {
        let Some(seen) = self.state.seen() else {
            return Ok(());
        };
        let start = Instant::now();
        let table = compile(&self.state, &self.told.node);
        let body = render(&table);
        let is_new = body != self.body;
        if is_new {
            let compiled = start.elapsed();
            self.tables.replace(&body)?;
            self.told.isolated = table.isolated;
            self.told.tables += 1;
            self.told.took = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.body = body;
            self.note(compiled, start.elapsed());
            self.next = Instant::now() + start.elapsed();
        }
        let (known, unknown) = std::mem::take(&mut self.askers)
            .into_iter()
            .partition(|(uid, _)| self.state.knows_pod(uid));
        self.askers = unknown;
        Vec::into_iter(known).for_each(|(_, asker)| plugin::confirm(asker));
        if is_new || seen != self.told.seen {
            self.told.seen = seen;
            self.told.publish(&self.folder)?;
        }
        Ok(())
    }

    fn note(&self, compiled: Duration, all: Duration) {
        let InForce {
            tables,
            isolated,
            took,
            ..
        } = self.told;
        log(&format!(
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
