//! `gauntlet lint`: every fault of the chosen scenarios, with place, caret and way out.

use model::{Finding, Loaded};

use crate::args::{Choice, Lint, Part};
use crate::changed::choose;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::folders::{self, Found};
use crate::select;
use crate::ui;

/// Checks, and says what it found.
pub(crate) fn run(args: &Lint) -> Result<Exit, Fault> {
    let found = folders::find(&args.folders)?;
    let chosen = good(&found, &args.choice, None)?;
    ui::say(&format!("{}, no findings", count(chosen.len(), "scenario")));
    Ok(Exit::Passed)
}

/// The chosen scenarios, if all of them can be read and lint. Every fault is printed; the last one is returned.
/// There are none only where `--changed` or `--rotate` left none.
pub(crate) fn good(
    found: &Found,
    choice: &Choice,
    part: Option<Part>,
) -> Result<Vec<Loaded>, Fault> {
    let library = found.library()?;
    let mut ids: Vec<&str> = library
        .scenarios
        .iter()
        .map(|loaded| loaded.id.as_str())
        .collect();
    ids.extend(library.faults.iter().map(|(id, _)| id.as_str()));
    ids.sort_unstable();
    let chosen = choose(found, &library, &ids, choice)?.ids;
    let ids = match select::shard(chosen, part) {
        Err(_) if choice.may_be_empty() => Vec::new(),
        ids => ids?,
    };
    let is_chosen = |id: &str| ids.contains(&id);
    let unread = library
        .faults
        .iter()
        .filter(|(id, _)| is_chosen(id))
        .map(|(_, error)| unreadable(error));
    let chosen: Vec<Loaded> = library
        .scenarios
        .iter()
        .filter(|loaded| is_chosen(&loaded.id))
        .cloned()
        .collect();
    let lints = chosen
        .iter()
        .flat_map(model::lint)
        .map(|finding| linted(&finding));
    let faults: Vec<Fault> = unread
        .chain(lints)
        .chain(chosen.iter().filter_map(unpinned))
        .collect();
    if faults.is_empty() {
        return Ok(chosen);
    }
    for fault in &faults {
        ui::note(&format!("{}\n", fault.text()));
        ui::note("");
    }
    Err(Fault::usage(format!(
        "{} in {}",
        count(faults.len(), "finding"),
        count(ids.len(), "scenario")
    ))
    .hint("nothing was started; fix the scenarios first"))
}

fn unreadable(error: &model::Error) -> Fault {
    let mut fault = Fault::usage(error.to_string());
    fault.hint = error.hint();
    if let Some(source) = std::error::Error::source(error) {
        fault = fault.because(source);
    }
    fault
}

/// The Kubernetes release that a world asks for, if no component is pinned for it.
fn unpinned(loaded: &Loaded) -> Option<Fault> {
    let shapes = loaded
        .scenario
        .worlds
        .values()
        .map(|world| loaded.scenario.shape(world));
    let error = shapes
        .map(|shape| native::components::kubernetes(&shape.kubernetes))
        .find_map(Result::err)?;
    let fault = Fault::usage(format!("{}: {error}", loaded.file().display()));
    Some(match error.hint() {
        Some(hint) => fault.hint(hint),
        None => fault,
    })
}

fn linted(finding: &Finding) -> Fault {
    Fault::usage(format!(
        "{}: {}\n{}",
        finding.place, finding.what, finding.snippet
    ))
    .hint(&finding.hint)
}

/// `1 scenario`, `2 scenarios`.
pub(crate) fn count(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}
