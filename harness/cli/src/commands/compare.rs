//! `gauntlet compare`: the same on two releases, or on two sets of policies, side by side in one run.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ::components::kubernetes_component;
use model::{
    ComparedPolicies, ComparedRelease, ComparedWorld, LoadedScenario, ObjectManifest, PolicySet,
    ReleasePair, compare_policies, read_objects,
};
use runner::RunOptions;
use serde_json::Value;

use crate::args::{CompareArguments, ComparedThing};
use crate::commands::lint;
use crate::commands::run::{outputs, try_in_built_boxes};
use crate::exit::ExitReason;
use crate::fault::CommandFault;
use crate::report::comparison::{ComparedDetail, ComparisonReport};
use crate::{folders, ui};

/// Scenarios whose worlds are there twice, each with how its worlds belong together.
type DoubledScenarios = Vec<(Arc<LoadedScenario>, Vec<ComparedWorld>)>;

/// Tries the same on both, and says what the second answers differently.
pub(crate) fn run_compare(args: &CompareArguments) -> Result<ExitReason, CommandFault> {
    if let Some(path) = &args.json {
        outputs::check_file(path)?;
    }
    match (&args.old, &args.new) {
        (ComparedThing::Release(old), ComparedThing::Release(new)) => {
            compare_releases(args, old, new)
        }
        (ComparedThing::Folder(old), ComparedThing::Folder(new)) => compare_folders(args, old, new),
        (ComparedThing::Release(_), ComparedThing::Folder(_))
        | (ComparedThing::Folder(_), ComparedThing::Release(_)) => Err(CommandFault::usage(
            "a release is not compared with a folder of policies",
        )),
    }
}

fn compare_releases(
    args: &CompareArguments,
    old: &ComparedRelease,
    new: &ComparedRelease,
) -> Result<ExitReason, CommandFault> {
    let pair = ReleasePair::new(old.clone(), new.clone())
        .map_err(|error| CommandFault::usage(error.to_string()))?;
    [old, new].into_iter().try_for_each(check_pinned)?;
    if !args.objects.is_empty() {
        return Err(CommandFault::usage(
            "objects are tried on policies; for releases, choose scenarios",
        ));
    }
    let chosen =
        lint::readable_scenarios(&folders::find_folders(&args.folders)?, &args.choice, None)?;
    let mut report = ComparisonReport::new(old.to_string(), new.to_string(), ComparedDetail::Whole);
    let doubled = double_all(&pair, &chosen, &mut report);
    if doubled.is_empty() && report.scenarios.is_empty() {
        return nothing_concerned(args, &report);
    }
    if doubled.is_empty() {
        show_report(args, &report)?;
        return Ok(report.exit_reason());
    }
    compare_all(args, &doubled, report)
}

/// Tries objects on two sets of policies.
fn compare_folders(
    args: &CompareArguments,
    old: &Path,
    new: &Path,
) -> Result<ExitReason, CommandFault> {
    if args.choice.narrows() {
        return Err(CommandFault::usage(
            "scenarios are tried on releases; for policies, give objects with --objects",
        ));
    }
    let own: Vec<Vec<ObjectManifest>> = args
        .objects
        .iter()
        .map(|path| read_objects(path))
        .collect::<Result<_, _>>()
        .map_err(|error| lint::unreadable_fault(&error))?;
    let real = |folder: &Path| folder.canonicalize().ok();
    if real(old).is_some() && real(old) == real(new) {
        return Err(CommandFault::usage(format!(
            "`{}` is compared with itself",
            old.display()
        )));
    }
    let read = |folder| PolicySet::read(folder).map_err(|error| lint::unreadable_fault(&error));
    let (first, second) = (read(old)?, read(new)?);
    let ComparedPolicies {
        loaded,
        worlds,
        usual,
    } = compare_policies(&first, &second, &own.concat())
        .map_err(|error| lint::unreadable_fault(&error))?;
    let name = |folder: &Path| folder.display().to_string();
    let names = [first.policy_names(), second.policy_names()];
    let objects = tried_objects(&loaded);
    let report = ComparisonReport::of_policies(name(old), name(new), names, usual, objects);
    compare_all(args, &vec![(Arc::new(loaded), vec![worlds])], report)
}

/// The object of each step.
fn tried_objects(loaded: &LoadedScenario) -> BTreeMap<String, Value> {
    let steps = loaded.scenario.steps.iter();
    let objects = steps.filter_map(|step| {
        let file = step.action.facts().reads.first().copied()?;
        let manifest = loaded.manifests.get(file)?.first()?;
        Some((step.id.clone(), manifest.object.clone()))
    });
    objects.collect()
}

/// Tries all of it in one run.
fn compare_all(
    args: &CompareArguments,
    doubled: &DoubledScenarios,
    mut report: ComparisonReport,
) -> Result<ExitReason, CommandFault> {
    let scenarios: Vec<Arc<LoadedScenario>> = doubled
        .iter()
        .map(|(loaded, _)| Arc::clone(loaded))
        .collect();
    let ran = try_in_built_boxes(&scenarios, args.setup, RunOptions::default())?;
    for (tried, (_, worlds)) in ran.scenarios.iter().zip(doubled) {
        report.add_scenario(&tried.outcome, worlds);
    }
    report.leaks = ran.leaks;
    show_report(args, &report)?;
    if let Some(error) = ran.errors.into_iter().next() {
        return Err(error.into());
    }
    Ok(if args.gate {
        report.gate()
    } else {
        report.exit_reason()
    })
}

/// Whether there is such a release; those of addons are known by their table.
fn check_pinned(release: &ComparedRelease) -> Result<(), CommandFault> {
    match release {
        ComparedRelease::Kubernetes(release) => kubernetes_component(release)
            .map(drop)
            .map_err(|error| CommandFault::usage(error.to_string())),
        ComparedRelease::Addon(_) => Ok(()),
    }
}

/// The scenarios that the releases concern, with each of their worlds twice. A world that one of
/// them does not serve is told in the report.
fn double_all(
    pair: &ReleasePair,
    chosen: &[LoadedScenario],
    report: &mut ComparisonReport,
) -> DoubledScenarios {
    let mut all = Vec::new();
    for loaded in chosen {
        let doubled = pair.double_worlds(loaded);
        report.add_unserved(&loaded.id, &doubled.unserved);
        if !doubled.pairs.is_empty() {
            all.push((Arc::new(doubled.loaded), doubled.pairs));
        }
    }
    all
}

/// Where scenarios were chosen by what changed, none is an answer; otherwise it is a fault.
fn nothing_concerned(
    args: &CompareArguments,
    report: &ComparisonReport,
) -> Result<ExitReason, CommandFault> {
    if args.choice.may_be_empty() {
        show_report(args, report)?;
        return Ok(ExitReason::Passed);
    }
    let fault = format!(
        "{} and {} concern none of these scenarios",
        report.old, report.new
    );
    Err(CommandFault::new(ExitReason::Nothing, fault).hint(
        "an addon concerns worlds that install it, Kubernetes those that ask for no release themselves",
    ))
}

fn show_report(args: &CompareArguments, report: &ComparisonReport) -> Result<(), CommandFault> {
    let takes_output = args
        .json
        .as_ref()
        .is_some_and(|path| path.as_os_str() == "-");
    if takes_output {
        ui::print_note(&report.text());
    } else {
        ui::print_result(report.text().trim_start_matches('\n').trim_end());
    }
    match &args.json {
        Some(path) => outputs::write_text(path, &format!("{:#}\n", report.json())),
        None => Ok(()),
    }
}
