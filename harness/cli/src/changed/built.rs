//! `--built`: the scenarios whose components this machine has.

use std::collections::BTreeMap;

use model::Library;
use native::Cache;

use super::code;
use crate::args::Choice;
use crate::commands::lint::count;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::ui;

/// Keeps the scenarios whose components are built, and says which are missing, and for how many scenarios. One whose
/// components cannot be told is kept: its fault is for others to find.
pub(super) fn only(ids: &mut Vec<&str>, library: &Library, choice: &Choice) -> Result<(), Fault> {
    let cache = Cache::from_env()?;
    let asked = ids.len();
    let mut missing: BTreeMap<String, usize> = BTreeMap::new();
    ids.retain(|id| {
        let loaded = library.scenarios.iter().find(|loaded| loaded.id == *id);
        let mut lacking: Vec<String> = loaded
            .and_then(code::needed)
            .unwrap_or_default()
            .into_iter()
            .filter(|component| !cache.built(component))
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
        .map(|(title, of)| format!("{title} ({})", count(*of, "scenario")))
        .collect();
    ui::note(&format!(
        "left out: {} of {asked} scenarios, for what is not built: {}",
        asked - ids.len(),
        each.join(", ")
    ));
    if ids.is_empty() && !choice.may_be_empty() {
        return Err(
            Fault::new(Exit::Nothing, "no chosen scenario has its components built").hint(
                "`gauntlet components build` builds them all; `run --setup` those of what it runs",
            ),
        );
    }
    Ok(())
}
