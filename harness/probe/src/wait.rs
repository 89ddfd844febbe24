//! Waiting to be told to stop, and answering conversations meanwhile. As the first process of a
//! container it gets no signal it did not ask for, and has to reap what it never started.

use std::thread;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::converse;

/// Returns at SIGTERM or SIGINT.
pub(crate) fn until_told() -> Result<(), String> {
    let signals = block_signals()?;
    converse::open_door();
    wait_for_end(&signals)
}

/// Serves in a background thread until SIGTERM or SIGINT.
pub(crate) fn while_serving(serve: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let signals = block_signals()?;
    converse::open_door();
    thread::spawn(serve);
    wait_for_end(&signals)
}

/// The same for a service of a box, which is in no container: it is asked nothing else.
pub(crate) fn while_serving_a_box(serve: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let signals = block_signals()?;
    thread::spawn(serve);
    wait_for_end(&signals)
}

/// Begins to listen, in background threads, and stays until SIGTERM or SIGINT.
pub(crate) fn while_listening(start: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let signals = block_signals()?;
    start()?;
    converse::open_door();
    wait_for_end(&signals)
}

fn block_signals() -> Result<SigSet, String> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD] {
        signals.add(signal);
    }
    signals
        .thread_block()
        .map_err(|why| format!("failed to wait for signals: {why}"))?;
    Ok(signals)
}

fn wait_for_end(signals: &SigSet) -> Result<(), String> {
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => reap_children(),
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(why) => return Err(format!("failed to wait for signals: {why}")),
        }
    }
}

fn reap_children() {
    while let Ok(status) = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            return;
        }
    }
}
