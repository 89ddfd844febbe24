//! `gauntlet completions SHELL`: a completion script.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::args::Cli;
use crate::exit::ExitReason;
use crate::ui;

/// Prints the script.
pub(crate) fn run_completions(shell: Shell) -> ExitReason {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "gauntlet", &mut script);
    ui::print_result(&String::from_utf8_lossy(&script));
    ExitReason::Passed
}
