//! Two texts side by side, as a unified diff.

use similar::{ChangeTag, TextDiff};

/// The unified diff from `old` to `new`, with three lines around each change; empty where they are
/// equal.
pub(crate) fn unified_diff(old: &str, new: &str) -> String {
    TextDiff::from_lines(old, new)
        .unified_diff()
        .context_radius(3)
        .header("recorded", "seen")
        .to_string()
}

/// The lines that only one of the two texts has, `-` before those of the old one and `+` before
/// those of the new one.
#[must_use]
pub fn changed_lines(old: &str, new: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(old, new);
    let line = |tag: ChangeTag, text: &str| match tag {
        ChangeTag::Equal => None,
        ChangeTag::Delete => Some(format!("- {}", text.trim())),
        ChangeTag::Insert => Some(format!("+ {}", text.trim())),
    };
    diff.iter_all_changes()
        .filter_map(|change| line(change.tag(), change.value()))
        .collect()
}
