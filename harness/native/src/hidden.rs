//! The hidden entry points: this program is run again as launcher, as the box's first process, and so on.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use components::{armed, contain};

use crate::error::chain;
use crate::{config, enter, init, launcher, middle, on_node, plugin, runc};

/// To be called first thing in `main` with all arguments, the program's own name included. `Some` means that this was
/// a hidden entry point, which has done its work: end with that code.
pub fn hidden_main(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let args: Vec<OsString> = args.into_iter().collect();
    let (program, words) = args.split_first()?;
    let outcome = if runc::is_called(program) {
        runc::run(words)
    } else if enforcer::plugin::is_called(program) {
        enforcer::plugin::run()
    } else {
        dispatch(words)?
    };
    Some(outcome.unwrap_or_else(|why| complain(&why)))
}

fn dispatch(words: &[OsString]) -> Option<io::Result<ExitCode>> {
    let (word, rest) = words.split_first()?;
    Some(match word.to_str()? {
        launcher::LAUNCHER => launcher::run(),
        middle::MIDDLE => middle::run(rest),
        middle::INIT => init::run(),
        enter::ENTER => enter::enter(rest),
        enter::JOINED => enter::joined(rest),
        plugin::KMS => plugin::run(rest),
        config::NETWORK_POLICY => enforcer::run(rest).map_err(said),
        on_node::ON_NODE => on_node::run(rest),
        components::CONTAIN => contain(rest),
        components::ARMED => armed(rest),
        _ => return None,
    })
}

/// With all that it came from.
fn said(error: enforcer::Error) -> io::Error {
    io::Error::other(chain(&error))
}

/// Says why on standard error, which whoever started this process reads.
fn complain(why: &io::Error) -> ExitCode {
    use io::Write;
    let _ = writeln!(io::stderr(), "gauntlet: {why}");
    ExitCode::FAILURE
}
