//! `gauntlet components`: what is pinned and built; building, exporting and importing it.

use std::collections::BTreeSet;

use addons::{PatchedRelease, ReleasePatch, patched_release};
use components::{PinnedComponent, pinned_components};
use native::BoxCache;
use native::doctor::check_builders;
use serde_json::{Value, json};

use crate::args::{ComponentsArguments, ComponentsWhat};
use crate::commands::doctor::missing_fault;
use crate::commands::lint::count_scenarios;
use crate::exit::ExitReason;
use crate::fault::CommandFault;
use crate::progress::ProgressBoard;
use crate::{interrupt, ui};

/// Does what was asked.
pub(crate) fn run_components(args: &ComponentsArguments) -> Result<ExitReason, CommandFault> {
    let cache = BoxCache::from_env()?;
    match args
        .what
        .as_ref()
        .unwrap_or(&ComponentsWhat::List(args.list))
    {
        ComponentsWhat::List(how) if how.json => {
            let all = pinned_components().iter();
            let listed: Result<Value, _> = all.map(|one| as_json(&cache, one)).collect();
            ui::print_result(&format!("{:#}", listed?));
        }
        ComponentsWhat::List(_) => list_components(&cache)?,
        ComponentsWhat::Build { names } => {
            let wanted = cache.unbuilt_components(&find_named(names)?);
            require_builders(&wanted)?;
            build_missing(&cache, &wanted)?;
        }
        ComponentsWhat::Export { file } => {
            let done = cache.export_components(file)?;
            ui::print_result(&format!(
                "{} in `{}`: {}",
                count_scenarios(done.len(), "component"),
                file.display(),
                done.join(", ")
            ));
        }
        ComponentsWhat::Import { file } => {
            let done = cache.import_components(file)?;
            ui::print_result(&format!(
                "{} from `{}`: {}",
                count_scenarios(done.len(), "component"),
                file.display(),
                done.join(", ")
            ));
        }
    }
    Ok(ExitReason::Passed)
}

fn list_components(cache: &BoxCache) -> Result<(), CommandFault> {
    for component in pinned_components() {
        let state = if cache.is_built(component) {
            "built  "
        } else {
            "missing"
        };
        ui::print_result(&format!(
            "{state}  {:25}  {}",
            component.title(),
            component.binaries.join(" ")
        ));
        if let Some(release) = patched_release(component)? {
            ui::print_result(&release_lines(&release));
        }
    }
    ui::print_result(&format!("\nin {}", cache.components_folder().display()));
    Ok(())
}

/// What is installed by a release's manifests, and what is changed of them.
fn release_lines(release: &PatchedRelease) -> String {
    let mut out = format!(
        "         installed by its release's {}, with {}:",
        manifest_words(&release.manifests),
        count_scenarios(release.patches.len(), "named change")
    );
    for patch in &release.patches {
        let ReleasePatch { name, why, .. } = patch;
        let only = patch_place(patch);
        out.push_str(&format!("\n           {name}{only}: {why}"));
    }
    out
}

/// A release's manifest; of several, the first, and how many there are beside it.
fn manifest_words(manifests: &[&str]) -> String {
    let (first, others) = manifests.split_first().unwrap_or((&"", &[]));
    if others.is_empty() {
        return format!("`{first}`");
    }
    let others = count_scenarios(others.len(), "more file");
    format!("`{first}` and {others}")
}

/// Where a change is made, unless it always is.
fn patch_place(patch: &ReleasePatch) -> String {
    let names = |all: &BTreeSet<String>| all.iter().cloned().collect::<Vec<_>>().join(" and ");
    match (patch.with.is_empty(), patch.without.is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!(" (only with {})", names(&patch.with)),
        (true, false) => format!(" (not with {})", names(&patch.without)),
        (false, false) => {
            let (with, without) = (names(&patch.with), names(&patch.without));
            format!(" (only with {with}, not with {without})")
        }
    }
}

fn as_json(cache: &BoxCache, component: &PinnedComponent) -> Result<Value, CommandFault> {
    let release = patched_release(component)?.map(|release| {
        let patches = release.patches.iter().map(|patch| {
            json!({"name": patch.name, "why": patch.why, "with": patch.with, "without": patch.without})
        });
        json!({"manifests": release.manifests, "patches": patches.collect::<Value>()})
    });
    Ok(json!({
        "component": component.title(),
        "built": cache.is_built(component),
        "programs": component.binaries,
        "release": release,
    }))
}

fn find_named(names: &[String]) -> Result<Vec<&'static PinnedComponent>, CommandFault> {
    if names.is_empty() {
        return Ok(pinned_components().iter().collect());
    }
    let find = |name: &String| {
        let found = pinned_components()
            .iter()
            .find(|component| component.title() == *name || component.name == name);
        found.ok_or_else(|| {
            CommandFault::from(components::Error::UnknownComponent(name.clone()))
                .hint(known_components())
        })
    };
    names.iter().map(find).collect()
}

fn known_components() -> String {
    format!(
        "pinned are {}",
        pinned_components()
            .iter()
            .map(PinnedComponent::title)
            .collect::<Vec<_>>()
            .join(", ")
    )
}

/// Refuses to begin what would fail for want of a program after an hour.
fn require_builders(wanted: &[&PinnedComponent]) -> Result<(), CommandFault> {
    let findings = check_builders(wanted);
    if findings.iter().all(|finding| finding.ok) {
        return Ok(());
    }
    let cannot = "this machine cannot build these components yet";
    Err(missing_fault(cannot, &findings))
}

/// Builds those that are not built, saying what goes on.
pub(crate) fn build_missing(
    cache: &BoxCache,
    wanted: &[&PinnedComponent],
) -> Result<(), CommandFault> {
    interrupt::watch_signals(cache);
    let board = ProgressBoard::new();
    cache.ensure_built(wanted, interrupt::LAUNCHER_PROGRAM.as_ref(), &mut |step| {
        board.component(&step)
    })?;
    board.clear();
    Ok(())
}
