//! `gauntlet schema`: the JSON schema of a scenario file, and its reference for people.

use crate::args::SchemaArguments;
use crate::exit::ExitReason;
use crate::fault::CommandFault;
use crate::ui;

/// Prints the schema, or writes it.
pub(crate) fn run_schema(args: &SchemaArguments) -> Result<ExitReason, CommandFault> {
    let schema = if args.reference {
        model::scenario_reference()
    } else {
        model::scenario_schema()
    };
    match &args.write {
        None => ui::print_result(&schema),
        Some(file) => std::fs::write(file, schema).map_err(|error| {
            CommandFault::machine(format!("cannot write `{}`", file.display())).because_of(&error)
        })?,
    }
    Ok(ExitReason::Passed)
}
