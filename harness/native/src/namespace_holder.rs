//! The process that holds the namespaces: it makes the namespaces, starts the box's first process in them, and dies
//! with the launcher.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use error_chain::error_chain;
use nix::sched::{CloneFlags, unshare};

use crate::cgroup::HostCgroups;
use crate::protocol::{self, InitReport};
use crate::{Error, self_exe};

pub(crate) const HOLDER_ARGUMENT: &str = "__holder";
pub(crate) const INIT_ARGUMENT: &str = "__init";

/// `__holder NAME`. Standard input and output are the first process's.
pub(crate) fn hold_namespaces(words: &[OsString]) -> io::Result<ExitCode> {
    components::lifeline::arm_lifeline()?;
    match enter_namespaces(words) {
        Ok(()) => protocol::send_message(io::stdout(), &InitReport::Unshared)?,
        Err(error) => {
            protocol::send_message(io::stdout(), &InitReport::Failed(error_chain(&error)))?;
            return Ok(ExitCode::FAILURE);
        }
    }
    let mut first = self_exe::own_command().arg(INIT_ARGUMENT).spawn()?;
    protocol::send_message(io::stdout(), &InitReport::Born { init: first.id() })?;
    let status = first.wait()?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn enter_namespaces(words: &[OsString]) -> Result<(), Error> {
    let name = words
        .first()
        .and_then(|word| word.to_str())
        .unwrap_or_default();
    HostCgroups::detect()?.box_group(name).join_leaf()?;
    let spaces = CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    unshare(spaces).map_err(Error::system("make the box's namespaces"))
}
