//! `gauntlet`: arguments in, report out, exit code. Nothing else prints or exits.

mod args;
mod changed;
mod commands;
mod exit;
mod fault;
mod folders;
mod interrupt;
mod progress;
mod report;
mod select;
mod ui;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use fault::CommandFault;

fn main() -> ExitCode {
    if let Some(code) = native::hidden_main(std::env::args_os()) {
        return code;
    }
    if let Some(exit) = interrupt::hidden_main() {
        return exit.into();
    }
    run_command(Cli::parse().command).unwrap_or_else(|fault| {
        ui::print_fault(&fault);
        ui::finish_run(fault.exit).into()
    })
}

fn run_command(command: Command) -> Result<ExitCode, CommandFault> {
    let exit = match command {
        Command::Run(args) => commands::run::run_scenarios(&args),
        Command::Prove(args) => commands::prove::run_prove(&args),
        Command::Compare(args) => commands::compare::run_compare(&args),
        Command::Up(args) => commands::up::run_up(&args),
        // How it ends is the entered command's to say.
        Command::Enter(args) => return commands::enter::run_enter(&args),
        Command::Down(args) => commands::down::run_down(&args),
        Command::List(args) => commands::list::run_list(&args),
        Command::Show(args) => commands::show::run_show(&args),
        Command::Lint(args) => commands::lint::run_lint(&args),
        Command::Accept(args) => commands::accept::run_accept(&args),
        Command::Doctor => commands::doctor::run_doctor(),
        Command::Components(args) => commands::components::run_components(&args),
        Command::Schema(args) => commands::schema::run_schema(&args),
        Command::Completions { shell } => Ok(commands::completions::run_completions(shell)),
    };
    exit.map(|exit| ui::finish_run(exit).into())
}
