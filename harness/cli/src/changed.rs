//! Which scenarios are chosen: those that are named, that a change touches (`--changed REV`), whose
//! turn it is (`--rotate I/N`), and whose components are built (`--built`).

mod built;
mod code;
mod git;
mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use model::ScenarioLibrary;

use crate::args::ScenarioChoice;
use crate::fault::CommandFault;
use crate::folders::CommandFolders;
use crate::{select, ui};
use code::ScenarioUses;
use places::{ChangedPath, RepositoryLayout};

/// The scenarios that a command line chooses.
#[derive(Debug, Default)]
pub(crate) struct ChosenScenarios<'a> {
    /// In the library's order. There are none only where `--changed` or `--rotate` left none.
    pub(crate) ids: Vec<&'a str>,
    /// What touched each, or that it is its turn; nothing where that was not asked for.
    pub(crate) why: BTreeMap<String, Vec<String>>,
}

/// Those of `ids` that are chosen. Says how many there are where that does not depend on names
/// alone.
pub(crate) fn choose_scenarios<'a>(
    found: &CommandFolders,
    library: &ScenarioLibrary,
    ids: &[&'a str],
    choice: &ScenarioChoice,
) -> Result<ChosenScenarios<'a>, CommandFault> {
    let ids = select::select_ids(ids, &choice.filter)?;
    let mut chosen = ChosenScenarios {
        ids,
        why: BTreeMap::new(),
    };
    if choice.may_be_empty() {
        chosen.keep_touched(found, library, choice)?;
    }
    if choice.built {
        built::keep_built(&mut chosen.ids, library, choice)?;
    }
    Ok(chosen)
}

impl ChosenScenarios<'_> {
    /// Keeps what is touched or in turn.
    fn keep_touched(
        &mut self,
        found: &CommandFolders,
        library: &ScenarioLibrary,
        choice: &ScenarioChoice,
    ) -> Result<(), CommandFault> {
        let mut touched = TouchedBy::default();
        if let Some(revision) = &choice.changed {
            touched = touched_since(found, library, revision, choice.rotate.is_some())?;
            touched.why.retain(|id, _| self.ids.contains(&id.as_str()));
        }
        let (by_change, named) = (touched.why.len(), self.ids.len());
        if let Some(turn) = choice.rotate {
            for id in self.ids.iter().filter(|id| turn.contains_id(id)) {
                touched
                    .why
                    .entry((*id).to_owned())
                    .or_insert_with(|| vec![format!("its turn, {turn}")]);
            }
        }
        self.ids.retain(|id| touched.why.contains_key(*id));
        self.why = touched.why;
        ui::print_note(&choice_summary(
            choice,
            &touched.left,
            (by_change, self.ids.len(), named),
        ));
        Ok(())
    }
}

/// What became of a choice, in words.
fn choice_summary(
    choice: &ScenarioChoice,
    left: &[String],
    (by_change, chosen, named): (usize, usize, usize),
) -> String {
    let mut parts = Vec::new();
    if let Some(revision) = &choice.changed {
        parts.push(format!("what changed since {revision} touches {by_change}"));
    }
    if let Some(turn) = choice.rotate {
        let more = if choice.changed.is_some() {
            " more"
        } else {
            ""
        };
        parts.push(format!("turn {turn} has {}{more}", chosen - by_change));
    }
    let mut text = format!(
        "chosen: {chosen} of {named} scenarios; {}",
        parts.join(", ")
    );
    if let [first, more @ ..] = left {
        let more = if more.is_empty() {
            String::new()
        } else {
            format!(" and {} more", more.len())
        };
        text += &format!("\nleft to the turns, for it touches more than half: {first}{more}");
    }
    text
}

/// What a change touches.
#[derive(Debug, Default)]
struct TouchedBy {
    /// By id, never an empty list.
    why: BTreeMap<String, Vec<String>>,
    /// What was not counted, for it touches too many.
    left: Vec<String>,
}

fn touched_since(
    found: &CommandFolders,
    library: &ScenarioLibrary,
    revision: &str,
    only_own: bool,
) -> Result<TouchedBy, CommandFault> {
    let layout = RepositoryLayout::from_folder(found)?;
    let paths = git::changed_paths(&layout.root, revision)?;
    let uses: BTreeMap<&str, ScenarioUses> = library
        .scenarios
        .iter()
        .map(|loaded| (loaded.id.as_str(), ScenarioUses::from_scenario(loaded)))
        .collect();
    let names_it = |real: &Path| uses.values().any(|uses| uses.names_file(real));
    let changed: BTreeSet<ChangedPath> = paths
        .iter()
        .flat_map(|path| layout.changed_for(path, names_it))
        .collect();
    let unread = library.faults.iter().map(|(id, _)| id.as_str());
    let ids: Vec<&str> = uses.keys().copied().chain(unread).collect();
    let mut touched = touched_by_changes(&changed, &ids, &uses, only_own);
    touched.add_unknown(&layout.root, &uses);
    Ok(touched)
}

impl TouchedBy {
    /// Scenarios that name files which this repository does not have: nobody tells whether those
    /// changed.
    fn add_unknown(&mut self, top: &Path, uses: &BTreeMap<&str, ScenarioUses>) {
        for (id, uses) in uses {
            for file in uses.files_outside(top) {
                let why = format!("{}, which is not in this repository", file.display());
                self.why.entry((*id).to_owned()).or_default().push(why);
            }
        }
    }
}

/// What each change touches. A scenario that cannot be read uses everything, for all that is known
/// of it.
fn touched_by_changes(
    changed: &BTreeSet<ChangedPath>,
    ids: &[&str],
    uses: &BTreeMap<&str, ScenarioUses>,
    only_own: bool,
) -> TouchedBy {
    let mut touched = TouchedBy::default();
    for one in changed {
        let is_hit = |id: &str| {
            uses.get(id)
                .map_or_else(|| one.may_touch(id), |uses| one.touches(id, uses))
        };
        let hit: Vec<&str> = ids.iter().copied().filter(|id| is_hit(id)).collect();
        if only_own && one.is_shared() && hit.len() * 2 > ids.len() {
            touched.left.push(one.to_string());
            continue;
        }
        for id in hit {
            touched
                .why
                .entry(id.to_owned())
                .or_default()
                .push(one.to_string());
        }
    }
    touched
}

#[cfg(test)]
mod tests;
