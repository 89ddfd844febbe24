//! What a change of a process of a box that is up means to the kernel.

use model::ProcessChange;
use nix::sys::signal::Signal;

/// The signal that does it; `None` for a start. A restart begins with the end.
pub(crate) fn signal_of(change: &ProcessChange) -> Option<Signal> {
    match change {
        ProcessChange::Stop(_) | ProcessChange::Restart(_) => Some(Signal::SIGTERM),
        ProcessChange::Kill(_) => Some(Signal::SIGKILL),
        ProcessChange::Freeze(_) => Some(Signal::SIGSTOP),
        ProcessChange::Thaw(_) => Some(Signal::SIGCONT),
        ProcessChange::Start(_) => None,
    }
}
