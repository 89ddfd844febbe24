//! The middle process: it makes the namespaces, starts the box's first process in them, and dies with the launcher.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use nix::sched::{CloneFlags, unshare};

use crate::cgroup::Host;
use crate::protocol::{self, Event};
use crate::{Error, ourselves};

pub(crate) const MIDDLE: &str = "__middle";
pub(crate) const INIT: &str = "__init";

/// `__middle NAME`. Standard input and output are the first process's.
pub(crate) fn run(words: &[OsString]) -> io::Result<ExitCode> {
    components::lifeline::arm()?;
    match enter(words) {
        Ok(()) => protocol::send(io::stdout(), &Event::Unshared)?,
        Err(error) => {
            protocol::send(io::stdout(), &Event::Failed(crate::error::chain(&error)))?;
            return Ok(ExitCode::FAILURE);
        }
    }
    let mut first = ourselves::again().arg(INIT).spawn()?;
    protocol::send(io::stdout(), &Event::Born { init: first.id() })?;
    let status = first.wait()?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn enter(words: &[OsString]) -> Result<(), Error> {
    let name = words
        .first()
        .and_then(|word| word.to_str())
        .unwrap_or_default();
    Host::detect()?.group(name).join()?;
    let spaces = CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    unshare(spaces).map_err(Error::system("make the box's namespaces"))
}
