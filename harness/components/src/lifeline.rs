//! Dying with the parent, whatever kills it: the kernel's parent-death signal, and standard input
//! as a lifeline whose other end only the parent holds.

use std::io;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::Signal;

/// From here on this process is killed when its parent dies. Fails when the parent is dead already.
pub fn arm_lifeline() -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let stdin = io::stdin();
    let mut watched = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    poll(&mut watched, PollTimeout::ZERO)?;
    match watched[0].revents() {
        Some(events)
            if events.contains(PollFlags::POLLHUP) && !events.contains(PollFlags::POLLIN) =>
        {
            Err(io::Error::other("the parent is gone"))
        }
        _ => Ok(()),
    }
}
