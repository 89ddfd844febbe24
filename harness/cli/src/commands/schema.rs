//! `gauntlet schema`: the JSON schema of a scenario file, and its reference for people.

use crate::args::Schema;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::ui;

/// Prints the schema, or writes it.
pub(crate) fn run(args: &Schema) -> Result<Exit, Fault> {
    let schema = if args.reference {
        model::scenario_reference()
    } else {
        model::scenario_schema()
    };
    match &args.write {
        None => ui::say(&schema),
        Some(file) => std::fs::write(file, schema).map_err(|error| {
            Fault::machine(format!("cannot write `{}`", file.display())).because(&error)
        })?,
    }
    Ok(Exit::Passed)
}
