//! `gauntlet completions SHELL`: a completion script.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::args::Cli;
use crate::exit::Exit;
use crate::ui;

/// Prints the script.
pub(crate) fn run(shell: Shell) -> Exit {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "gauntlet", &mut script);
    ui::say(&String::from_utf8_lossy(&script));
    Exit::Passed
}
