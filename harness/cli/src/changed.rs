//! Which scenarios a change touches: `--changed REV`, with `--rotate I/N` beside it.

mod code;
mod git;
mod places;

use std::collections::{BTreeMap, BTreeSet};

use model::Library;

use crate::args::{Choice, Part};
use crate::fault::Fault;
use crate::folders::Found;
use crate::{select, ui};
use code::Uses;
use places::{Changed, Layout};

/// The scenarios that a command line chooses.
#[derive(Debug, Default)]
pub(crate) struct Chosen<'a> {
    /// In the library's order. None only where `--changed` or `--rotate` left none.
    pub(crate) ids: Vec<&'a str>,
    /// What touched each, or that it is its turn; nothing where nobody asked for that.
    pub(crate) why: BTreeMap<String, Vec<String>>,
}

/// Those of `ids` that are named, touched, and in turn. Says how many there are where that depends on a change or a turn.
pub(crate) fn choose<'a>(
    found: &Found,
    library: &Library,
    ids: &[&'a str],
    choice: &Choice,
) -> Result<Chosen<'a>, Fault> {
    let named = select::select(ids, &choice.filter)?;
    if !choice.may_be_empty() {
        return Ok(Chosen { ids: named, why: BTreeMap::new() });
    }
    let mut touched = Touched::default();
    if let Some(revision) = &choice.changed {
        touched = touched_since(found, library, revision, choice.rotate.is_some())?;
        touched.why.retain(|id, _| named.contains(&id.as_str()));
    }
    let by_change = touched.why.len();
    for id in named.iter().filter(|id| choice.rotate.is_some_and(|turn| turn.has(id))) {
        touched.why.entry((*id).to_owned()).or_insert_with(|| choice.rotate.map(turn_of).into_iter().collect());
    }
    let chosen: Vec<&str> = named.iter().copied().filter(|id| touched.why.contains_key(*id)).collect();
    ui::note(&told(choice, &touched.left, (by_change, chosen.len(), named.len())));
    Ok(Chosen { ids: chosen, why: touched.why })
}

/// What became of a choice, in words.
fn told(choice: &Choice, left: &[String], (by_change, chosen, named): (usize, usize, usize)) -> String {
    let mut parts = Vec::new();
    if let Some(revision) = &choice.changed {
        parts.push(format!("what changed since {revision} touches {by_change}"));
    }
    if let Some(turn) = choice.rotate {
        let more = if choice.changed.is_some() { " more" } else { "" };
        parts.push(format!("turn {turn} has {}{more}", chosen - by_change));
    }
    let mut text = format!("chosen: {chosen} of {named} scenarios; {}", parts.join(", "));
    if let [first, more @ ..] = left {
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        text += &format!("\nleft to the turns, for it touches more than half: {first}{more}");
    }
    text
}

/// What a change touches.
#[derive(Debug, Default)]
struct Touched {
    /// By id, never an empty list.
    why: BTreeMap<String, Vec<String>>,
    /// What was not counted, for it touches too many.
    left: Vec<String>,
}

fn touched_since(found: &Found, library: &Library, revision: &str, only_own: bool) -> Result<Touched, Fault> {
    let layout = Layout::of(found)?;
    let paths = git::changed_paths(&layout.root, revision)?;
    let changed: BTreeSet<Changed> = paths.iter().map(|path| layout.changed(path)).collect();
    let uses: BTreeMap<&str, Uses> =
        library.scenarios.iter().map(|loaded| (loaded.id.as_str(), Uses::of(loaded))).collect();
    let unread = library.faults.iter().map(|(id, _)| id.as_str());
    let ids: Vec<&str> = uses.keys().copied().chain(unread).collect();
    Ok(by(&changed, &ids, &uses, only_own))
}

fn turn_of(turn: Part) -> String {
    format!("its turn, {turn}")
}

/// What each change touches. A scenario that cannot be read uses everything, for all that is known of it.
fn by(changed: &BTreeSet<Changed>, ids: &[&str], uses: &BTreeMap<&str, Uses>, only_own: bool) -> Touched {
    let mut touched = Touched::default();
    for one in changed {
        let is_hit = |id: &str| uses.get(id).map_or_else(|| one.may_touch(id), |uses| one.touches(id, uses));
        let hit: Vec<&str> = ids.iter().copied().filter(|id| is_hit(id)).collect();
        if only_own && one.is_shared() && hit.len() * 2 > ids.len() {
            touched.left.push(one.to_string());
            continue;
        }
        for id in hit {
            touched.why.entry(id.to_owned()).or_default().push(one.to_string());
        }
    }
    touched
}

#[cfg(test)]
mod tests;
