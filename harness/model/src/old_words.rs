//! Words of scenarios that were other words once. A file that still has one is told the word of
//! now.

use crate::Action;
use crate::first_format::RENAMED_ACTIONS;

/// A word that nothing can read any more.
struct OldWord {
    /// The first of the words that can stand in its place, as the parser lists them: it tells an
    /// action from an answer.
    among: &'static str,
    old: &'static str,
    /// The word of now; with what it depends on, where there are several.
    now: &'static str,
}

/// The first of the words that can stand in some places.
const AN_ACTION: &str = "create";
const AN_ANSWER: &str = "admitted";
const A_REFUSER: &str = "pod-security";
const A_PLACE: &str = "etcd-value";
const A_WORLD_KEY: &str = "install";
const A_CONNECTION_KEY: &str = "from";

const fn old(among: &'static str, old: &'static str, now: &'static str) -> OldWord {
    OldWord { among, old, now }
}

const OLD_WORDS: &[OldWord] = &[
    old(AN_ANSWER, "made", "`done`"),
    old(AN_ANSWER, "refused", "`not-started`"),
    old(AN_ANSWER, "sealed", "`encrypted`"),
    old(
        AN_ANSWER,
        "seen",
        "`found` for `look-for`, and `updated` for `check-propagation`",
    ),
    old(
        AN_ANSWER,
        "unseen",
        "`absent` for `look-for`, and `stale` for `check-propagation`",
    ),
    old(
        AN_ANSWER,
        "rejected",
        "`verification-failed` for `verify`, `vulnerable` or `nothing-to-scan` for `scan`, `damaged` for `check-secrets`, \
         and `not-done` for what makes something",
    ),
    old(
        A_REFUSER,
        "encryption",
        "an answer of its own: `encryption-failed`, or `not-reloaded` for `set-encryption`",
    ),
    old(A_PLACE, "store", "`etcd-value`"),
    old(A_PLACE, "store-files", "`etcd-files`"),
    old(A_WORLD_KEY, "omit", "`skip-steps`"),
    old(A_CONNECTION_KEY, "nobody", "`no-listener`"),
];

/// What to say of a word that was good once, where the parser expected one of others.
pub(crate) fn explain_old_word(word: &str, expected: &[&str]) -> Option<String> {
    let first = *expected.first()?;
    if first == AN_ACTION {
        let (_, now) = RENAMED_ACTIONS.iter().find(|(old, _)| *old == word)?;
        return Some(format!("`{word}` is now `{now}`"));
    }
    let known = OLD_WORDS
        .iter()
        .find(|one| one.old == word && one.among == first)?;
    Some(format!("`{word}` is now {}", known.now))
}

/// The word of now for an answer that another action can still give.
pub(crate) fn answer_now(action: &Action, answer: &str) -> Option<&'static str> {
    match (action, answer) {
        (
            Action::Get(_) | Action::List { .. } | Action::Path(_) | Action::Exec { .. },
            "admitted",
        ) => Some("allowed"),
        (Action::Scan(_), "verified") => Some("clean"),
        (Action::CheckSecrets, "verified") => Some("intact"),
        (Action::SetEncryption(_), "running") => Some("reloaded"),
        (Action::RewriteSecrets(_), "stopped") => Some("interrupted"),
        (Action::CheckDelivery(_), "reached") => Some("delivered"),
        (Action::CheckDelivery(_), "blocked") => Some("lost"),
        _ => None,
    }
}
