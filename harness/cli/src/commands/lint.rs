//! `gauntlet lint`: every fault of the chosen scenarios, with place, caret and way out.

use model::{LintFinding, LintSubject, LoadedScenario};

use crate::args::{LintArguments, ScenarioChoice, ShardPart};
use crate::changed::choose_scenarios;
use crate::exit::ExitReason;
use crate::fault::CommandFault;
use crate::folders::{self, CommandFolders};
use crate::select;
use crate::ui;

/// Checks, and says what it found.
pub(crate) fn run_lint(args: &LintArguments) -> Result<ExitReason, CommandFault> {
    let found = folders::find_folders(&args.folders)?;
    let chosen = checked_scenarios(&found, &args.choice, None, |_| true, None)?;
    ui::print_result(&format!(
        "{}, no findings",
        count_scenarios(chosen.len(), "scenario")
    ));
    Ok(ExitReason::Passed)
}

/// The chosen scenarios, if all of them can be read and tried. There are none only where
/// `--changed` or `--rotate` left none.
pub(crate) fn readable_scenarios(
    found: &CommandFolders,
    choice: &ScenarioChoice,
    part: Option<ShardPart>,
) -> Result<Vec<LoadedScenario>, CommandFault> {
    let keeps_from_trying = |finding: &LintFinding| match finding.subject {
        LintSubject::Scenario => true,
        LintSubject::Claim => false,
    };
    let hint = "nothing was started; fix the scenarios first";
    checked_scenarios(found, choice, part, keeps_from_trying, Some(hint))
}

/// The chosen scenarios, if all of them can be read and nothing that counts is found. Every fault is
/// printed; how many there are is returned, with this hint.
fn checked_scenarios(
    found: &CommandFolders,
    choice: &ScenarioChoice,
    part: Option<ShardPart>,
    counts: impl Fn(&LintFinding) -> bool,
    hint: Option<&str>,
) -> Result<Vec<LoadedScenario>, CommandFault> {
    let library = found.open_library()?;
    let mut ids: Vec<&str> = library
        .scenarios
        .iter()
        .map(|loaded| loaded.id.as_str())
        .collect();
    ids.extend(library.faults.iter().map(|(id, _)| id.as_str()));
    ids.sort_unstable();
    let chosen = choose_scenarios(found, &library, &ids, choice)?.ids;
    let ids = match select::select_shard(chosen, part) {
        Err(_) if choice.may_be_empty() => Vec::new(),
        ids => ids?,
    };
    let is_chosen = |id: &str| ids.contains(&id);
    let unread = library
        .faults
        .iter()
        .filter(|(id, _)| is_chosen(id))
        .map(|(_, error)| unreadable_fault(error));
    let chosen: Vec<LoadedScenario> = library
        .scenarios
        .iter()
        .filter(|loaded| is_chosen(&loaded.id))
        .cloned()
        .collect();
    let lints = chosen
        .iter()
        .flat_map(|loaded| {
            let own = model::lint_scenario(loaded);
            own.into_iter().chain(model::lint_family(loaded, &library))
        })
        .filter(|finding| counts(finding))
        .map(|finding| lint_one(&finding));
    let faults: Vec<CommandFault> = unread
        .chain(lints)
        .chain(chosen.iter().filter_map(unpinned_release))
        .collect();
    if faults.is_empty() {
        return Ok(chosen);
    }
    for fault in &faults {
        ui::print_note(&format!("{}\n", fault.text()));
        ui::print_note("");
    }
    let mut fault = CommandFault::usage(format!(
        "{} in {}",
        count_scenarios(faults.len(), "finding"),
        count_scenarios(ids.len(), "scenario")
    ));
    fault.hint = hint.map(str::to_owned);
    Err(fault)
}

/// A file that cannot be used.
pub(crate) fn unreadable_fault(error: &model::Error) -> CommandFault {
    let mut fault = CommandFault::usage(error.to_string());
    fault.hint = error.hint();
    if let Some(source) = std::error::Error::source(error) {
        fault = fault.because_of(source);
    }
    fault
}

/// The Kubernetes release that a world asks for, if no component is pinned for it.
fn unpinned_release(loaded: &LoadedScenario) -> Option<CommandFault> {
    let shapes = loaded
        .scenario
        .worlds
        .values()
        .map(|world| loaded.scenario.world_shape(world));
    let error = shapes
        .map(|shape| components::kubernetes_component(&shape.kubernetes))
        .find_map(Result::err)?;
    let fault = CommandFault::usage(format!("{}: {error}", loaded.file().display()));
    Some(match error.hint() {
        Some(hint) => fault.hint(hint),
        None => fault,
    })
}

/// One finding, with its place and the way out.
pub(crate) fn lint_one(finding: &LintFinding) -> CommandFault {
    CommandFault::usage(format!(
        "{}: {}\n{}",
        finding.place, finding.what, finding.snippet
    ))
    .hint(&finding.hint)
}

/// `1 scenario`, `2 scenarios`.
pub(crate) fn count_scenarios(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}
