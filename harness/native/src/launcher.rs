//! The launcher: it stays in the host's namespaces for as long as the box lives, drives the start,
//! and cleans up after it. It ends the box when its caller is gone (its standard input ends),
//! unless it was told to keep it, and at SIGTERM. When it is killed itself, the kernel ends the
//! box.

mod drive;
mod init_connection;
mod inotify_wait;
mod layout;
mod process_table;
mod ready;
mod reservation;
mod services;

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use error_chain::error_chain;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::setsid;

use crate::Error;
use crate::inotify::{self, InotifyUse};
use crate::protocol::{
    self, CallerCommand, InitOrder, LauncherReport, LauncherRequest, StartFailure,
};
use drive::StartupTrace;
use enforcer::BoxApi;
use init_connection::{InitConnection, LauncherEvent, StartAborted};
use reservation::BoxReservation;

pub(crate) const LAUNCHER_ARGUMENT: &str = "__box";

/// `__box`.
pub(crate) fn run_launcher() -> io::Result<ExitCode> {
    let _ = setsid();
    let signals = block_signals()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let request: LauncherRequest = protocol::parse_message(&line)?;
    let (to_main, events) = channel();
    watch_signals(signals, to_main.clone());
    watch_caller(to_main.clone());
    match BoxReservation::reserve_box(&request, &events) {
        Ok(reservation) => {
            let connection = InitConnection::new(events, to_main);
            Ok(live_box(&request, reservation, connection))
        }
        Err(failure) => {
            send_report(&LauncherReport::Failed(failure));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The whole life of a box, its clean-up included.
fn live_box(
    request: &LauncherRequest,
    mut reservation: BoxReservation,
    mut connection: InitConnection,
) -> ExitCode {
    let mut trace = StartupTrace::begin();
    let outcome = drive::start_box(request, &mut reservation, &mut connection, &mut trace)
        .and_then(|(ready, api)| {
            save_info(&reservation, &ready).map_err(StartAborted::from)?;
            send_report(&LauncherReport::Ready(Box::new(ready)));
            stay_up(request, &api, &mut connection, &mut trace)
        });
    let why = match outcome {
        Ok(()) | Err(StartAborted::Asked) => None,
        Err(StartAborted::Failed(why)) => Some(name_inotify_holders(why)),
    };
    let gone = take_down(reservation, connection);
    match why.or(gone.err().map(|error| error_chain(&error))) {
        None => ExitCode::SUCCESS,
        Some(why) => {
            send_report(&LauncherReport::Failed(StartFailure::Other(why)));
            ExitCode::FAILURE
        }
    }
}

/// Adds who holds inotify instances to a complaint that may be about them.
fn name_inotify_holders(why: String) -> String {
    match InotifyUse::read_machine() {
        Some(held) if inotify::is_exhausted(&why) => format!("{why}\ninotify instances: {held}"),
        _ => why,
    }
}

/// Until the caller or a signal ends the box, or it ends by itself.
fn stay_up(
    request: &LauncherRequest,
    api: &BoxApi,
    connection: &mut InitConnection,
    trace: &mut StartupTrace,
) -> Result<(), StartAborted> {
    let mut kept = false;
    loop {
        match connection.next_event() {
            LauncherEvent::CallerCommand(CallerCommand::Keep) => kept = true,
            LauncherEvent::CallerCommand(CallerCommand::Process(change)) => {
                connection.control_process(&change)?
            }
            LauncherEvent::CallerGone if kept => {}
            LauncherEvent::CallerGone | LauncherEvent::Signal => return Ok(()),
            LauncherEvent::InitGone => {
                return Err(StartAborted::Failed(format!(
                    "the box `{}` ended by itself",
                    request.name
                )));
            }
            LauncherEvent::Reached(milestone) => {
                trace.milestone(milestone);
                connection.send_order(&InitOrder::LateApiGate { open: true })?;
            }
            LauncherEvent::Usable => {
                connection.send_order(&InitOrder::ApiGate { open: true })?;
                connection.send_order(&InitOrder::LateApiGate { open: true })?;
            }
            LauncherEvent::Event(event) => {
                ready::steer_api_gate(&event, api, connection)?;
                if let Some(death) = connection.note_event(event)? {
                    send_report(&LauncherReport::Died(death));
                }
            }
        }
    }
}

/// Ends every process, and takes away what the kernel leaves.
fn take_down(reservation: BoxReservation, connection: InitConnection) -> Result<(), Error> {
    connection.end_all();
    reservation.release_box()
}

fn save_info(reservation: &BoxReservation, ready: &protocol::ReadyBox) -> Result<(), Error> {
    let malformed = |why: serde_json::Error| Error::Malformed {
        what: "the box's state".into(),
        why: why.to_string(),
    };
    let text = serde_json::to_vec_pretty(ready).map_err(malformed)?;
    let path = reservation.dir.join(crate::running_boxes::STATE_FILE);
    Ok(components::cache::write_atomically(&path, &text)?)
}

/// A caller that is gone does not read; that is not a fault.
fn send_report(report: &LauncherReport) {
    let _ = protocol::send_message(io::stdout(), report);
}

fn block_signals() -> io::Result<SigSet> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block()?;
    Ok(signals)
}

fn watch_signals(signals: SigSet, to_main: Sender<LauncherEvent>) {
    thread::spawn(move || {
        while signals.wait().is_ok() {
            if to_main.send(LauncherEvent::Signal).is_err() {
                return;
            }
        }
    });
}

fn watch_caller(to_main: Sender<LauncherEvent>) {
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(command) = protocol::parse_message(&line) else {
                continue;
            };
            if to_main.send(LauncherEvent::CallerCommand(command)).is_err() {
                return;
            }
        }
        let _ = to_main.send(LauncherEvent::CallerGone);
    });
}

/// The last lines of what a log holds from a place on, indented.
fn log_tail(path: &Path, from: u64, lines: usize) -> String {
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
