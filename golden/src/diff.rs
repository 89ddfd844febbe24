//! Two texts side by side, as a unified diff.

use similar::TextDiff;

/// The unified diff from `old` to `new`, with three lines around each change; empty where they are
/// equal.
pub(crate) fn unified_diff(old: &str, new: &str) -> String {
    TextDiff::from_lines(old, new)
        .unified_diff()
        .context_radius(3)
        .header("recorded", "seen")
        .to_string()
}
