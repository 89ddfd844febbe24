//! `gauntlet accept`: what the last run recorded becomes the golden, after the diff was shown.

use golden::Pending;

use crate::args::Accept;
use crate::commands::lint::count;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::{folders, select, ui};

/// Shows, asks, and moves the files.
pub(crate) fn run(args: &Accept) -> Result<Exit, Fault> {
    let store = folders::find(&args.folders)?.store()?;
    let pending = store.pending()?;
    if pending.is_empty() {
        return Err(Fault::new(Exit::Nothing, "nothing is pending")
            .hint("`gauntlet run` records what differs from the golden outcomes"));
    }
    let ids: Vec<&str> = pending.iter().map(|one| one.id.as_str()).collect();
    let chosen = select::select(&ids, &args.filter).map_err(|fault| as_pending(fault, &ids))?;
    let chosen: Vec<&Pending> = pending
        .iter()
        .filter(|one| chosen.contains(&one.id.as_str()))
        .collect();
    for one in &chosen {
        let state = if one.new { "new" } else { "differs" };
        ui::say(&format!("{}: {state}\n{}", one.id, one.diff));
    }
    if !args.yes && !ask(chosen.len())? {
        ui::note("nothing was accepted");
        return Ok(Exit::Differs);
    }
    for one in &chosen {
        store.accept(&one.id)?;
    }
    ui::say(&format!("{} accepted", count(chosen.len(), "outcome")));
    Ok(Exit::Passed)
}

fn ask(many: usize) -> Result<bool, Fault> {
    if !ui::can_ask() {
        return Err(
            Fault::usage("cannot ask whether to accept this: there is no terminal")
                .hint("after looking at the diff: `gauntlet accept --yes`, with the ids"),
        );
    }
    Ok(ui::ask(&format!("Accept {}?", count(many, "outcome"))))
}

fn as_pending(fault: Fault, ids: &[&str]) -> Fault {
    let what = fault.what.replace("no scenario", "nothing pending");
    Fault { what, ..fault }.hint(format!("pending: {}", ids.join(", ")))
}
