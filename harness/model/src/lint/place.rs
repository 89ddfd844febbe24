//! Where in a scenario's file something stands, and the line with a caret below it.

use crate::error::FilePlace;
use crate::{LoadedScenario, ScenarioStep};

/// Where in the file a step begins to say what it expects; the beginning of the file where that is
/// not found.
pub(super) fn expectations_of(loaded: &LoadedScenario, step: &ScenarioStep) -> usize {
    let id = format!("id: {}", step.id);
    let is_whole = |end: usize| {
        !loaded.text[end..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-')
    };
    loaded
        .text
        .match_indices(&id)
        .map(|(at, _)| at + id.len())
        .find(|end| is_whole(*end))
        .and_then(|end| Some(end + loaded.text[end..].find("expect")?))
        .unwrap_or_default()
}

/// The first line of the scenario file that holds `needle` from this byte on, and a caret under it.
/// It is a part of a longer name only where it stands nowhere by itself.
pub(super) fn locate_line(
    loaded: &LoadedScenario,
    from: usize,
    needle: &str,
) -> (FilePlace, String) {
    let lines = || {
        loaded
            .text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with('#'))
    };
    let first = loaded.text[..from].matches('\n').count();
    let skipped = from - loaded.text[..from].rfind('\n').map_or(0, |at| at + 1);
    let find = |accept: fn(&str, &str, usize) -> bool| {
        let mut rest = lines().skip_while(|(index, _)| *index < first);
        rest.find_map(|(index, line)| {
            let skipped = if index == first { skipped } else { 0 };
            let mut columns = line.match_indices(needle).map(|(column, _)| column);
            let column =
                columns.find(|column| *column >= skipped && accept(line, needle, *column))?;
            Some((index, line, column))
        })
    };
    let (index, line, column) = find(stands_alone)
        .or_else(|| find(|_, _, _| true))
        .unwrap_or((0, loaded.text.lines().next().unwrap_or_default(), 0));
    let before = line.get(..column).unwrap_or_default().chars().count();
    let width = needle.chars().count().clamp(1, 60);
    let number = (index + 1).to_string();
    let pad = " ".repeat(number.len());
    let snippet = format!(
        "{pad} |\n{number} | {line}\n{pad} | {}{}",
        " ".repeat(before),
        "^".repeat(
            width
                .min(line.chars().count().saturating_sub(before))
                .max(1)
        )
    );
    let place = FilePlace {
        file: loaded.file(),
        line: index as u64 + 1,
        column: before as u64 + 1,
    };
    (place, snippet)
}

/// Whether what stands in the line at this byte is no part of a longer name.
fn stands_alone(line: &str, needle: &str, at: usize) -> bool {
    let in_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '.');
    let goes_on_before = in_name(needle.chars().next()) && in_name(line[..at].chars().next_back());
    let behind = line[at + needle.len()..].chars().next();
    let goes_on_behind = in_name(needle.chars().next_back()) && in_name(behind);
    !goes_on_before && !goes_on_behind
}
