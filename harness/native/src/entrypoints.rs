//! The hidden entry points: this program is run again as launcher, as the box's first process, and
//! so on.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use components::{run_armed, run_contain};
use error_chain::error_chain;

use crate::{config, enter, init, kms_process, launcher, namespace_holder, on_node, runc};

/// To be called first thing in `main` with all arguments, the program's own name included. `Some`
/// means that this was a hidden entry point, which has done its work: end with that code.
pub fn hidden_main(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let args: Vec<OsString> = args.into_iter().collect();
    let (program, words) = args.split_first()?;
    let outcome = if runc::is_called(program) {
        runc::run_runc(words)
    } else if enforcer::plugin::is_called(program) {
        enforcer::plugin::run_cni_plugin()
    } else {
        dispatch_hidden(words)?
    };
    Some(outcome.unwrap_or_else(|why| print_complaint(&why)))
}

fn dispatch_hidden(words: &[OsString]) -> Option<io::Result<ExitCode>> {
    let (word, rest) = words.split_first()?;
    Some(match word.to_str()? {
        launcher::LAUNCHER_ARGUMENT => launcher::run_launcher(),
        namespace_holder::HOLDER_ARGUMENT => namespace_holder::hold_namespaces(rest),
        namespace_holder::INIT_ARGUMENT => init::run_init(),
        enter::ENTER_ARGUMENT => enter::run_enter(rest),
        enter::JOINED_ARGUMENT => enter::run_joined(rest),
        kms_process::KMS_ARGUMENT => kms_process::run_kms_plugin(rest),
        config::NETWORK_POLICY => enforcer::run_enforcer(rest).map_err(enforcer_failure),
        on_node::ON_NODE => on_node::run_on_node(rest),
        components::CONTAIN_ARGUMENT => run_contain(rest),
        components::ARMED_ARGUMENT => run_armed(rest),
        _ => return None,
    })
}

/// With all that it came from.
fn enforcer_failure(error: enforcer::Error) -> io::Error {
    io::Error::other(error_chain(&error))
}

/// Says why on standard error, which the process that started this one reads.
fn print_complaint(why: &io::Error) -> ExitCode {
    use io::Write;
    let _ = writeln!(io::stderr(), "gauntlet: {why}");
    ExitCode::FAILURE
}
