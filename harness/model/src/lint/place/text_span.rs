//! A part of a file's text, and the line that it stands in, with a caret below.

use std::ops::Range;
use std::path::PathBuf;

use crate::error::FilePlace;

/// Longer carets are not drawn.
const WIDEST_CARET: usize = 60;

/// A part of a text, in bytes.
#[derive(Clone, Copy)]
pub(super) struct TextSpan {
    pub(super) start: usize,
    pub(super) length: usize,
}

/// Where `wanted` stands in a part of a text: best by itself, and in no line that is a comment.
pub(super) fn find_span(text: &str, part: Range<usize>, wanted: &str) -> Option<TextSpan> {
    let start = part.start;
    let between = text.get(part)?;
    let spans: Vec<TextSpan> = between
        .match_indices(wanted)
        .map(|(at, _)| TextSpan {
            start: start + at,
            length: wanted.len(),
        })
        .filter(|span| !in_comment(text, span.start))
        .collect();
    let alone = spans.iter().find(|span| stands_alone(text, **span));
    alone.or(spans.first()).copied()
}

/// The first line that says something.
pub(super) fn first_line(text: &str) -> Option<TextSpan> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let said = line.trim();
        if !said.is_empty() && !said.starts_with('#') && said != "---" {
            let indent = line.len() - line.trim_start().len();
            return Some(TextSpan {
                start: start + indent,
                length: said.len(),
            });
        }
        start += line.len();
    }
    None
}

fn in_comment(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    line.trim_start().starts_with('#')
}

/// Whether what stands there is not a part of a longer name.
pub(super) fn stands_alone(text: &str, span: TextSpan) -> bool {
    let end = span.start + span.length;
    let (Some(before), Some(inner), Some(behind)) = (
        text.get(..span.start),
        text.get(span.start..end),
        text.get(end..),
    ) else {
        return false;
    };
    let in_name = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '.');
    let goes_on_before = in_name(inner.chars().next()) && in_name(before.chars().next_back());
    let goes_on_behind = in_name(inner.chars().next_back()) && in_name(behind.chars().next());
    !goes_on_before && !goes_on_behind
}

/// The line at a place, with a caret under it.
pub(super) fn draw_line(file: PathBuf, text: &str, span: TextSpan) -> (FilePlace, String) {
    let before = text.get(..span.start).unwrap_or_default();
    let index = before.matches('\n').count();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text
        .get(line_start..)
        .and_then(|rest| rest.lines().next())
        .unwrap_or_default();
    let indent = before.get(line_start..).unwrap_or_default().chars().count();
    let marked = text
        .get(span.start..span.start + span.length)
        .unwrap_or_default();
    let width = marked.chars().take_while(|c| *c != '\n').count();
    let room = line.chars().count().saturating_sub(indent);
    let width = width.clamp(1, WIDEST_CARET).min(room.max(1));
    let number = (index + 1).to_string();
    let pad = " ".repeat(number.len());
    let snippet = format!(
        "{pad} |\n{number} | {line}\n{pad} | {}{}",
        " ".repeat(indent),
        "^".repeat(width)
    );
    let place = FilePlace {
        file,
        line: index as u64 + 1,
        column: indent as u64 + 1,
    };
    (place, snippet)
}
