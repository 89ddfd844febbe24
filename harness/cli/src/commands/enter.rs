//! `gauntlet enter`: a command within a box that is up.

use std::process::ExitCode;

use native::BoxCache;

use crate::args::EnterArguments;
use crate::fault::CommandFault;

/// Runs the command, and ends as it did.
pub(crate) fn run_enter(args: &EnterArguments) -> Result<ExitCode, CommandFault> {
    let cache = BoxCache::from_env()?;
    let code = native::run_in_box(&cache, args.name.find_name(), args.node, &args.command)?;
    Ok(code.into())
}
