//! Scenarios of the first format, `scenario: v1`: the same shape, with some other words. They are
//! read as what they mean now, so that a file that somebody keeps elsewhere goes on working. New
//! files say `scenario: v2`.

use crate::yaml_node::YamlNode;

/// Actions that were called otherwise.
pub(crate) const RENAMED_ACTIONS: [(&str, &str); 14] = [
    ("agent", "check-agent"),
    ("delivered", "check-delivery"),
    ("encrypt", "set-encryption"),
    ("fill", "create-secrets"),
    ("followed", "check-propagation"),
    ("held", "check-connection"),
    ("hold", "open-connection"),
    ("rewrite", "rewrite-secrets"),
    ("seen", "look-for"),
    ("spoil", "corrupt"),
    ("started", "wait-running"),
    ("store", "read-etcd-value"),
    ("survey", "check-secrets"),
    ("transplant", "copy-etcd-value"),
];

/// The text of a scenario in the words of now, where it says that it is of the first format. What
/// is neither an old word nor a good one stays as it is, for the parser to refuse; lines stay where
/// they are.
pub(crate) fn convert_scenario(text: &str) -> Option<String> {
    let document: YamlNode = serde_saphyr::from_str(text).ok()?;
    if document.get("scenario")?.word()? != "v1" {
        return None;
    }
    let mut edits = TextEdits {
        text,
        edits: Vec::new(),
    };
    for (_, world) in document
        .get("worlds")
        .into_iter()
        .flat_map(YamlNode::fields)
    {
        edits.rename(world, "omit", "skip-steps");
    }
    for step in document.get("steps").into_iter().flat_map(YamlNode::items) {
        edits.convert_step(step);
    }
    Some(edits.apply())
}

/// What is to be put in the place of parts of a text.
struct TextEdits<'a> {
    text: &'a str,
    /// From, to and what instead; in bytes.
    edits: Vec<(usize, usize, &'static str)>,
}

impl TextEdits<'_> {
    fn apply(mut self) -> String {
        self.edits.sort_unstable();
        let (mut out, mut last) = (String::new(), 0);
        for (start, end, now) in self.edits {
            out.push_str(self.text.get(last..start).unwrap_or_default());
            out.push_str(now);
            last = end;
        }
        out.push_str(self.text.get(last..).unwrap_or_default());
        out
    }

    /// Puts a word in the place of another; one that is written with escapes stays.
    fn replace(&mut self, node: &YamlNode, now: &'static str) {
        let Some(old) = node.word() else { return };
        let quote = usize::from(self.behind(node.start).starts_with(['"', '\'']));
        let start = node.start + quote;
        if self.behind(start).starts_with(old) {
            self.edits.push((start, start + old.len(), now));
        }
    }

    fn behind(&self, start: usize) -> &str {
        self.text.get(start..).unwrap_or_default()
    }

    fn rename(&mut self, node: &YamlNode, old: &str, now: &'static str) {
        for (key, _) in node.fields() {
            if key.word() == Some(old) {
                self.replace(key, now);
            }
        }
    }

    fn convert_step(&mut self, step: &YamlNode) {
        let Some(action) = step.get("do") else { return };
        let (word, body) = match action.single() {
            Some((key, body)) => (key, Some(body)),
            None => (action, None),
        };
        let Some(old) = word.word() else { return };
        let renamed = RENAMED_ACTIONS.iter().find(|(one, _)| *one == old);
        if let Some((_, now)) = renamed {
            self.replace(word, now);
        }
        let action = renamed.map_or(old, |(_, now)| now);
        match (action, body) {
            ("reach", Some(body)) => self.rename(body, "nobody", "no-listener"),
            ("look-for", Some(body)) => self.convert_place(body),
            _ => {}
        }
        let each = step.get("expect-in").into_iter().flat_map(YamlNode::fields);
        let expected = step.get("expect").into_iter();
        for answer in expected.chain(each.map(|(_, answer)| answer)) {
            self.convert_answer(action, answer);
        }
    }

    /// Where a planted value is looked for.
    fn convert_place(&mut self, record: &YamlNode) {
        let Some(place) = record.get("canary").and_then(|canary| canary.get("in")) else {
            return;
        };
        if place.word() == Some("store-files") {
            self.replace(place, "etcd-files");
        }
        self.rename(place, "store", "etcd-value");
    }

    fn convert_answer(&mut self, action: &str, answer: &YamlNode) {
        let (key, body) = match answer.single() {
            Some((key, body)) => (key, Some(body)),
            None => (answer, None),
        };
        let Some(old) = key.word() else { return };
        let inner = body.and_then(first_word);
        match answer_now(action, old, inner.map(|(_, word)| word)) {
            Some((now, false)) if body.is_some() => {
                let end = self.end(answer, body, inner.map(|(node, _)| node));
                self.edits.push((answer.start, end, now));
            }
            Some((now, _)) => self.replace(key, now),
            None => {}
        }
    }

    /// Where an answer ends that is written in flow or in block style.
    fn end(&self, answer: &YamlNode, body: Option<&YamlNode>, inner: Option<&YamlNode>) -> usize {
        for node in [Some(answer), body].into_iter().flatten() {
            if self.behind(node.start).starts_with('{') {
                return node.start + flow_length(self.behind(node.start));
            }
        }
        inner.map_or(answer.start, |inner| {
            let word = inner.word().unwrap_or_default();
            inner.start + word.len()
        })
    }
}

/// How long a mapping in braces is; words of answers need no quotes, so there are none to step
/// over.
fn flow_length(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// The word in `{ by: WORD }`, `{ by: { WORD: … } }`, `{ why: WORD }` or `{ at: WORD }`.
fn first_word(body: &YamlNode) -> Option<(&YamlNode, &str)> {
    let (_, value) = body.fields().first()?;
    let node = value.fields().first().map_or(value, |(key, _)| key);
    Some((node, node.word()?))
}

/// The word of now for an answer, and whether what stands behind it stays; nothing where the word
/// is the same.
fn answer_now(action: &str, word: &str, inner: Option<&str>) -> Option<(&'static str, bool)> {
    let is_read = ["exec", "get", "list", "path"].contains(&action);
    Some(match (word, action, inner) {
        ("admitted", _, _) if is_read => ("allowed", false),
        ("denied", "set-encryption", Some("encryption")) => ("not-reloaded", false),
        ("denied", _, Some("encryption")) => ("encryption-failed", false),
        ("refused", _, _) => ("not-started", true),
        ("seen", "check-propagation", _) => ("updated", false),
        ("unseen", "check-propagation", _) => ("stale", false),
        ("seen", _, _) => ("found", false),
        ("unseen", _, _) => ("absent", false),
        ("made", _, _) => ("done", false),
        ("verified", "scan", _) => ("clean", false),
        ("verified", "check-secrets", _) => ("intact", false),
        ("rejected", _, Some("lost")) => ("damaged", false),
        ("rejected", _, Some("vulnerable")) => ("vulnerable", false),
        ("rejected", _, Some("empty")) => ("nothing-to-scan", false),
        ("rejected", "verify", _) => ("verification-failed", true),
        ("rejected", _, _) => ("not-done", true),
        ("sealed", _, _) => ("encrypted", true),
        ("running", "set-encryption", _) => ("reloaded", false),
        ("stopped", "rewrite-secrets", _) => ("interrupted", false),
        ("reached", "check-delivery", _) => ("delivered", false),
        ("blocked", "check-delivery", _) => ("lost", false),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::convert_scenario;

    /// A step of the first format, and how it is read.
    fn step(action: &str, expected: &str) -> String {
        let text = format!(
            "# old\nscenario: v1 # the first\nsteps:\n  - {{ id: a, do: {action}, expect: {expected} }}\n"
        );
        let now = convert_scenario(&text).unwrap();
        let (_, step) = now.split_once("id: a, do: ").unwrap();
        step.strip_suffix(" }\n").unwrap().to_owned()
    }

    #[test]
    fn an_answer_is_read_by_its_action() {
        for (action, expected, now) in [
            ("{ get: pod/a }", "admitted", "allowed"),
            ("{ create: a.yaml }", "admitted", "admitted"),
            (
                "{ create: a.yaml }",
                "{ denied: { by: encryption } }",
                "encryption-failed",
            ),
            (
                "{ create: a.yaml }",
                "{ denied: { by: { policy: p } } }",
                "{ denied: { by: { policy: p } } }",
            ),
            (
                "{ verify: {} }",
                "{ rejected: { why: wrong-key } }",
                "{ verification-failed: { why: wrong-key } }",
            ),
            (
                "{ push: a }",
                "{ rejected: { why: not-given } }",
                "{ not-done: { why: not-given } }",
            ),
            ("{ scan: {} }", "verified", "clean"),
            (
                "{ scan: {} }",
                "{ rejected: { why: vulnerable } }",
                "vulnerable",
            ),
        ] {
            assert_eq!(step(action, expected), format!("{action}, expect: {now}"));
        }
    }

    #[test]
    fn an_action_is_read_by_its_name_of_now() {
        for (old, expected, now) in [
            (
                "{ started: pod/a }",
                "'admitted'",
                "{ wait-running: pod/a }, expect: 'admitted'",
            ),
            ("survey", "verified", "check-secrets, expect: intact"),
            (
                "{ seen: { canary: { of: secret/a, in: { store: secret/a } } } }",
                "\"unseen\"",
                "{ look-for: { canary: { of: secret/a, in: { etcd-value: secret/a } } } }, expect: \"absent\"",
            ),
            (
                "{ reach: { from: a, to: b, nobody: true } }",
                "reached",
                "{ reach: { from: a, to: b, no-listener: true } }, expect: reached",
            ),
            (
                "{ delivered: {} }",
                "{ blocked: { at: event } }",
                "{ check-delivery: {} }, expect: lost",
            ),
        ] {
            assert_eq!(step(old, expected), now);
        }
    }

    #[test]
    fn block_style_and_comments_stay() {
        let old = "\
scenario: v1
why: >-
  An error — seen once, omit nothing.
worlds:
  bare: {} # omit
  a:
    omit: [b] # seen
steps:
  - id: b
    do:
      push: app # admitted
    expect:
      rejected:
        why: empty
  - id: c
    do: { get: pod/c }
    expect-in:
      bare: admitted # read
      a: { denied: { by: encryption } }
";
        let now = old
            .replace("    omit: [b]", "    skip-steps: [b]")
            .replace(
                "\n      rejected:\n        why: empty",
                "\n      nothing-to-scan",
            )
            .replace("bare: admitted", "bare: allowed")
            .replace("{ denied: { by: encryption } }", "encryption-failed");
        assert_eq!(convert_scenario(old).as_deref(), Some(now.as_str()));
    }

    #[test]
    fn only_the_first_format_is_touched() {
        for text in [
            "scenario: v2\nsteps: [{do: survey}]",
            "scenario: 1",
            "[",
            "",
            "scenario: v1\n  b",
        ] {
            assert_eq!(convert_scenario(text), None, "{text}");
        }
        let odd = "scenario: v1\nworlds: 7\nsteps: [7, {do: {a: 1, b: 2}}, {expect: x}]";
        assert_eq!(convert_scenario(odd).as_deref(), Some(odd));
    }
}
