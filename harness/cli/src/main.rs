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
use exit::Exit;
use fault::Fault;

fn main() -> ExitCode {
    if let Some(code) = native::hidden_main(std::env::args_os()) {
        return code;
    }
    if let Some(exit) = interrupt::hidden_main() {
        return exit.into();
    }
    let exit = dispatch(Cli::parse().command).unwrap_or_else(|fault| {
        ui::fault(&fault);
        fault.exit
    });
    ui::finish(exit).into()
}

fn dispatch(command: Command) -> Result<Exit, Fault> {
    match command {
        Command::Run(args) => commands::run::run(&args),
        Command::Prove(args) => commands::prove::run(&args),
        Command::Up(args) => commands::up::run(&args),
        Command::Down(args) => commands::down::run(&args),
        Command::List(args) => commands::list::run(&args),
        Command::Show(args) => commands::show::run(&args),
        Command::Lint(args) => commands::lint::run(&args),
        Command::Accept(args) => commands::accept::run(&args),
        Command::Doctor => commands::doctor::run(),
        Command::Components(args) => commands::components::run(&args),
        Command::Schema(args) => commands::schema::run(&args),
        Command::Completions { shell } => Ok(commands::completions::run(shell)),
    }
}
