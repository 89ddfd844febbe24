//! The launcher: it stays in the host's namespaces for as long as the box lives, drives the start, and cleans up after
//! it. It ends the box when its caller is gone (its standard input ends), unless it was told to keep it, and at SIGTERM.
//! When it is killed itself, the kernel ends the box.

mod claim;
mod drive;
mod family;
mod layout;
mod ready;
mod services;

use std::fs;
use std::io::{self, BufRead};
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use nix::sys::signal::{SigSet, Signal};
use nix::unistd::setsid;

use crate::error::chain;
use crate::protocol::{self, Failure, KEEP, Order, Report, Request};
use crate::{Death, Error};
use claim::Claim;
use drive::Story;
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
    let mut story = Story::begin();
    let outcome = drive::start(request, &mut claim, &mut family, &mut story).and_then(|ready| {
        save(&claim, &ready).map_err(Stop::from)?;
        report(&Report::Ready(Box::new(ready)));
        stay(request, &mut family, &mut story)
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
fn stay(request: &Request, family: &mut Family, story: &mut Story) -> Result<(), Stop> {
    let mut kept = false;
    loop {
        match family.next_word() {
            Word::Keep => kept = true,
            Word::CallerGone if kept => {}
            Word::CallerGone | Word::Signal => return Ok(()),
            Word::InitGone => return Err(Stop::Failed(format!("the box `{}` ended by itself", request.name))),
            Word::Reached(milestone) => {
                story.milestone(milestone);
                family.order(&Order::OpenLateDoor)?;
            }
            Word::Event(event) => {
                if let Some((process, status)) = family.note(event) {
                    let tail = family.log_tail(&process);
                    report(&Report::Died(Death { process, status, tail }));
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
    let malformed = |why: serde_json::Error| Error::Malformed { what: "the box's state".into(), why: why.to_string() };
    let text = serde_json::to_vec_pretty(ready).map_err(malformed)?;
    crate::cache::write_atomically(&claim.dir.join(crate::registry::STATE), &text)
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
            if line == KEEP && to_main.send(Word::Keep).is_err() {
                return;
            }
        }
        let _ = to_main.send(Word::CallerGone);
    });
}

/// The last lines of a log, indented.
pub(crate) fn tail(path: &std::path::Path, lines: usize) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| format!("    {line}\n")).collect()
}
