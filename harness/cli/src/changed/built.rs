//! `--built`: the scenarios whose components this machine has.

use std::collections::BTreeMap;

use model::ScenarioLibrary;
use native::BoxCache;

use super::code;
use crate::args::ScenarioChoice;
use crate::commands::lint::count_scenarios;
use crate::exit::ExitReason;
use crate::fault::CommandFault;
use crate::ui;

/// Keeps the scenarios whose components are built, and says which are missing, and for how many
/// scenarios. One whose components cannot be told is kept: its fault is for others to find.
pub(super) fn keep_built(
    ids: &mut Vec<&str>,
    library: &ScenarioLibrary,
    choice: &ScenarioChoice,
) -> Result<(), CommandFault> {
    let cache = BoxCache::from_env()?;
    let asked = ids.len();
    let mut missing: BTreeMap<String, usize> = BTreeMap::new();
    ids.retain(|id| {
        let loaded = library.scenarios.iter().find(|loaded| loaded.id == *id);
        let mut lacking: Vec<String> = loaded
            .and_then(code::needed_components)
            .unwrap_or_default()
            .into_iter()
            .filter(|component| !cache.is_built(component))
            .map(|component| component.title())
            .collect();
        lacking.sort();
        lacking.dedup();
        let whole = lacking.is_empty();
        lacking
            .into_iter()
            .for_each(|title| *missing.entry(title).or_default() += 1);
        whole
    });
    if missing.is_empty() {
        return Ok(());
    }
    let each: Vec<String> = missing
        .iter()
        .map(|(title, of)| format!("{title} ({})", count_scenarios(*of, "scenario")))
        .collect();
    ui::print_note(&format!(
        "left out: {} of {asked} scenarios, for what is not built: {}",
        asked - ids.len(),
        each.join(", ")
    ));
    if ids.is_empty() && !choice.may_be_empty() {
        return Err(CommandFault::new(
            ExitReason::Nothing,
            "no chosen scenario has its components built",
        )
        .hint("`gauntlet components build` builds them all; `run --setup` those of what it runs"));
    }
    Ok(())
}
