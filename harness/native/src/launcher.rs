//! The launcher: it stays in the host's namespaces for as long as the box lives, drives the start, and cleans up after
//! it. It ends the box when its caller is gone (its standard input ends), unless it was told to keep it, and at SIGTERM.
//! When it is killed itself, the kernel ends the box.

mod claim;
mod drive;
mod family;
mod layout;
mod process_table;
mod ready;
mod services;

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use nix::sys::signal::{SigSet, Signal};
use nix::unistd::setsid;

use crate::Error;
use crate::error::chain;
use crate::protocol::{self, CallerCommand, Failure, Order, Report, Request};
use claim::Claim;
use drive::StartupTrace;
use enforcer::Api;
use family::{Family, Stop, Word};

pub(crate) const LAUNCHER: &str = "__box";

/// `__box`.
pub(crate) fn run() -> io::Result<ExitCode> {
    let _ = setsid();
    let signals = block_signals()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let request: Request = protocol::parse(&line)?;
    let (to_main, words) = channel();
    watch_signals(signals, to_main.clone());
    watch_caller(to_main.clone());
    match Claim::take(&request) {
        Ok(claim) => {
            let family = Family::new(words, to_main);
            Ok(live(&request, claim, family))
        }
        Err(failure) => {
            report(&Report::Failed(failure));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The whole life of a box, its clean-up included.
fn live(request: &Request, mut claim: Claim, mut family: Family) -> ExitCode {
    let mut trace = StartupTrace::begin();
    let outcome =
        drive::start(request, &mut claim, &mut family, &mut trace).and_then(|(ready, api)| {
            save(&claim, &ready).map_err(Stop::from)?;
            report(&Report::Ready(Box::new(ready)));
            stay(request, &api, &mut family, &mut trace)
        });
    let why = match outcome {
        Ok(()) | Err(Stop::Asked) => None,
        Err(Stop::Failed(why)) => Some(why),
    };
    let gone = take_down(claim, family);
    match why.or(gone.err().map(|error| chain(&error))) {
        None => ExitCode::SUCCESS,
        Some(why) => {
            report(&Report::Failed(Failure::Other(why)));
            ExitCode::FAILURE
        }
    }
}

/// Until somebody wants the box gone, or it ends by itself.
fn stay(
    request: &Request,
    api: &Api,
    family: &mut Family,
    trace: &mut StartupTrace,
) -> Result<(), Stop> {
    let mut kept = false;
    loop {
        match family.next_word() {
            Word::CallerCommand(CallerCommand::Keep) => kept = true,
            Word::CallerCommand(CallerCommand::ProcessCommand { process, what }) => {
                family.control(&process, what)?
            }
            Word::CallerGone if kept => {}
            Word::CallerGone | Word::Signal => return Ok(()),
            Word::InitGone => {
                return Err(Stop::Failed(format!(
                    "the box `{}` ended by itself",
                    request.name
                )));
            }
            Word::Reached(milestone) => {
                trace.milestone(milestone);
                family.order(&Order::LateApiGate { open: true })?;
            }
            Word::Usable => {
                family.order(&Order::ApiGate { open: true })?;
                family.order(&Order::LateApiGate { open: true })?;
            }
            Word::Event(event) => {
                ready::mind_the_door(&event, api, family)?;
                if let Some(death) = family.note(event)? {
                    report(&Report::Died(death));
                }
            }
        }
    }
}

/// Ends every process, and takes away what the kernel leaves.
fn take_down(claim: Claim, family: Family) -> Result<(), Error> {
    family.end();
    claim.release()
}

fn save(claim: &Claim, ready: &protocol::Ready) -> Result<(), Error> {
    let malformed = |why: serde_json::Error| Error::Malformed {
        what: "the box's state".into(),
        why: why.to_string(),
    };
    let text = serde_json::to_vec_pretty(ready).map_err(malformed)?;
    let path = claim.dir.join(crate::registry::STATE);
    Ok(components::cache::write_atomically(&path, &text)?)
}

/// A caller that is gone does not read; that is no fault.
fn report(report: &Report) {
    let _ = protocol::send(io::stdout(), report);
}

fn block_signals() -> io::Result<SigSet> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block()?;
    Ok(signals)
}

fn watch_signals(signals: SigSet, to_main: Sender<Word>) {
    thread::spawn(move || {
        while signals.wait().is_ok() {
            if to_main.send(Word::Signal).is_err() {
                return;
            }
        }
    });
}

fn watch_caller(to_main: Sender<Word>) {
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(wish) = protocol::parse(&line) else {
                continue;
            };
            if to_main.send(Word::CallerCommand(wish)).is_err() {
                return;
            }
        }
        let _ = to_main.send(Word::CallerGone);
    });
}

/// The last lines of what a log holds from a place on, indented.
fn tail(path: &Path, from: u64, lines: usize) -> String {
    let mut text = Vec::new();
    let _ = File::open(path).and_then(|mut log| {
        log.seek(SeekFrom::Start(from))?;
        log.read_to_end(&mut text)
    });
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..]
        .iter()
        .map(|line| format!("    {line}\n"))
        .collect()
}
