//! The process itself: it takes what it is told, and puts a table in force that was made with it.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::compile::compile;
use super::in_force::InForce;
use super::render::render;
use super::state::{Change, State};
use super::{News, log, plugin};
use crate::Error;

/// One node's enforcer.
pub(super) struct Enforcer {
    folder: PathBuf,
    state: State,
    told: InForce,
    /// The table in force.
    text: String,
    /// Network plugins that wait, with their pods' `uid`.
    askers: Vec<(String, UnixStream)>,
    /// When the next table may be put in force: after each it takes a rest as long as that one took, so that a flood of
    /// changes becomes few tables. A change after a rest is not kept waiting.
    next: Instant,
}

impl Enforcer {
    /// `folder` is where it tells what is in force.
    pub(super) fn new(node: &str, folder: PathBuf) -> Self {
        let told = InForce { node: node.to_owned(), ..InForce::default() };
        let (state, next) = (State::default(), Instant::now());
        Self { folder, state, told, text: String::new(), askers: Vec::new(), next }
    }

    /// Goes on for as long as there is somebody to tell it anything.
    pub(super) fn run(mut self, news: &Receiver<News>) -> Result<(), Error> {
        while let Ok(first) = news.recv() {
            let since = Instant::now();
            self.take(first);
            while let Ok(more) = news.recv_timeout(self.next.saturating_duration_since(Instant::now())) {
                self.take(more);
            }
            self.enforce(since)?;
        }
        Ok(())
    }

    fn take(&mut self, news: News) {
        match news {
            News::Pods(change, version) => {
                if let Change::Deleted(pod) = &change {
                    self.state.forget(&pod.metadata.uid);
                }
                self.state.pods.take(change, version);
            }
            News::Namespaces(change, version) => self.state.namespaces.take(change, version),
            News::Policies(change, version) => self.state.policies.take(change, version),
            News::Announced { uid, addresses, asker } => {
                self.state.announce(uid.clone(), addresses);
                self.askers.push((uid, asker));
            }
        }
    }

    /// Puts the table in force that what is known comes down to; `since` is when the first of it was told.
    fn enforce(&mut self, since: Instant) -> Result<(), Error> {
        let Some(seen) = self.state.seen() else { return Ok(()) };
        let start = Instant::now();
        let table = compile(&self.state, &self.told.node);
        let text = render(&table);
        let is_new = text != self.text;
        if is_new {
            let compiled = start.elapsed();
            put_in_force(&text)?;
            self.told.isolated = table.isolated;
            self.told.tables += 1;
            self.told.took = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.text = text;
            self.note(compiled, start.elapsed());
            self.next = Instant::now() + start.elapsed();
        }
        let (known, unknown) =
            std::mem::take(&mut self.askers).into_iter().partition(|(uid, _)| self.state.knows_pod(uid));
        self.askers = unknown;
        Vec::into_iter(known).for_each(|(_, asker)| plugin::confirm(asker));
        if is_new || seen != self.told.seen {
            self.told.seen = seen;
            self.told.publish(&self.folder)?;
        }
        Ok(())
    }

    fn note(&self, compiled: Duration, all: Duration) {
        let InForce { tables, isolated, took, .. } = self.told;
        log(&format!(
            "table {tables} is in force: {isolated} pods isolated, {} bytes; made in {:.1} ms, put in force in {:.1} ms; \
             {:.1} ms after the first change",
            self.text.len(),
            millis(compiled),
            millis(all.saturating_sub(compiled)),
            millis(Duration::from_micros(took)),
        ));
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Gives a text of nftables to the kernel: all of it, or nothing.
pub(super) fn put_in_force(text: &str) -> Result<(), Error> {
    feed("nft", &["--file", "-"], text)
}

/// Runs a program with this text on its standard input.
pub(super) fn feed(program: &str, args: &[&str], text: &str) -> Result<(), Error> {
    let fault = |why: String| Error::Command { command: format!("{program} {}", args.join(" ")), why };
    let spawned =
        Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|why| fault(why.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes()).map_err(|why| fault(why.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|why| fault(why.to_string()))?;
    if output.status.success() { Ok(()) } else { Err(fault(String::from_utf8_lossy(&output.stderr).trim().to_owned())) }
}
