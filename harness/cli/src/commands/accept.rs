//! `gauntlet accept`: what the last run recorded becomes the golden, after the diff was shown.

use golden::PendingFile;

use crate::args::AcceptArguments;
use crate::commands::lint::count_scenarios;
use crate::exit::ExitReason;
use crate::fault::CommandFault;
use crate::{folders, select, ui};

/// Shows, asks, and moves the files.
pub(crate) fn run_accept(args: &AcceptArguments) -> Result<ExitReason, CommandFault> {
    let store = folders::find_folders(&args.folders)?.open_store()?;
    let pending = store.pending()?;
    if pending.is_empty() {
        return Err(CommandFault::new(ExitReason::Nothing, "nothing is pending")
            .hint("`gauntlet run` records what differs from the golden outcomes"));
    }
    let ids: Vec<&str> = pending.iter().map(|one| one.id.as_str()).collect();
    let chosen = select::select_ids(&ids, &args.filter).map_err(|fault| as_pending(fault, &ids))?;
    let chosen: Vec<&PendingFile> = pending
        .iter()
        .filter(|one| chosen.contains(&one.id.as_str()))
        .collect();
    for one in &chosen {
        let state = if one.new { "new" } else { "differs" };
        ui::print_result(&format!("{}: {state}\n{}", one.id, one.diff));
    }
    if !args.yes && !ask_whether(chosen.len())? {
        ui::print_note("nothing was accepted");
        return Ok(ExitReason::Differs);
    }
    for one in &chosen {
        store.accept(&one.id)?;
    }
    ui::print_result(&format!(
        "{} accepted",
        count_scenarios(chosen.len(), "outcome")
    ));
    Ok(ExitReason::Passed)
}

fn ask_whether(many: usize) -> Result<bool, CommandFault> {
    if !ui::can_ask() {
        return Err(
            CommandFault::usage("cannot ask whether to accept this: there is no terminal")
                .hint("after looking at the diff: `gauntlet accept --yes`, with the ids"),
        );
    }
    Ok(ui::ask_yes(&format!(
        "Accept {}?",
        count_scenarios(many, "outcome")
    )))
}

fn as_pending(fault: CommandFault, ids: &[&str]) -> CommandFault {
    let what = fault.what.replace("no scenario", "nothing pending");
    CommandFault { what, ..fault }.hint(format!("pending: {}", ids.join(", ")))
}
