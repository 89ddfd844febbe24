//! Where in a scenario's file something stands, and the line with a caret below it. It is found by
//! the file's structure: the name of a world may be a word of a sentence, too.

mod text_span;

use crate::error::FilePlace;
use crate::yaml_node::YamlNode;
use crate::{LoadedScenario, ScenarioStep};
use text_span::{TextSpan, draw_line, find_span, first_line, stands_alone};

/// What of a scenario's file a finding is about.
#[derive(Clone, Copy)]
pub(super) enum FindingPlace<'a> {
    /// A key of the file itself.
    Key(&'a str),
    /// The world of this name.
    World(&'a str),
    /// A text among what a world says.
    InWorld(&'a str, &'a str),
    /// A text in the shape of a world's cluster, or of the scenario's.
    InShape(Option<&'a str>, &'a str),
    /// A way that is left out.
    LeftOut(&'a str),
    /// A step.
    Step(&'a ScenarioStep),
    /// A text among what a step does, or who asks in it.
    InStep(&'a ScenarioStep, &'a str),
    /// A key of a step.
    StepKey(&'a ScenarioStep, &'a str),
    /// A word among what a step expects.
    Expected(&'a ScenarioStep, &'a str),
    /// The world of this name among those in which a step expects something.
    ExpectedIn(&'a ScenarioStep, &'a str),
    /// A text, wherever it is first used.
    Anywhere(&'a str),
    /// A text in this file of manifests, its beginning where the text is empty; where the scenario
    /// names the file, if it has no such text.
    InManifest(&'a str, &'a str),
}

/// Keys with sentences behind them: what is named there is not used.
const PROSE_KEYS: [&str; 3] = ["why", "leaves-out", "copied-from"];

/// Keys of a step that say nothing of what it does.
const OTHER_KEYS: [&str; 4] = ["id", "why", "expect", "expect-in"];

/// The line of the scenario file where it stands, and a caret under it: the first line where it is
/// not found.
pub(super) fn locate_finding(
    loaded: &LoadedScenario,
    place: FindingPlace<'_>,
) -> (FilePlace, String) {
    if let FindingPlace::InManifest(file, text) = place
        && let Some(found) = locate_in_manifest(loaded, file, text)
    {
        return found;
    }
    let outline: Option<YamlNode> = serde_saphyr::from_str(&loaded.text).ok();
    let span = outline.and_then(|root| FileOutline { loaded, root }.find_place(place));
    let beginning = TextSpan {
        start: 0,
        length: 1,
    };
    draw_line(loaded.file(), &loaded.text, span.unwrap_or(beginning))
}

fn locate_in_manifest(
    loaded: &LoadedScenario,
    file: &str,
    text: &str,
) -> Option<(FilePlace, String)> {
    let path = loaded.locate_file(file).ok()?;
    let whole = loaded.file_text(file).ok()?;
    let span = match text {
        "" => first_line(&whole),
        _ => find_span(&whole, 0..whole.len(), text),
    };
    Some(draw_line(path, &whole, span?))
}

/// The pieces of a scenario's file.
struct FileOutline<'a> {
    loaded: &'a LoadedScenario,
    root: YamlNode,
}

impl FileOutline<'_> {
    fn find_place(&self, place: FindingPlace<'_>) -> Option<TextSpan> {
        match place {
            FindingPlace::Key(key) => self.key_span(&self.root, key),
            FindingPlace::World(name) => self.world_span(name),
            FindingPlace::InWorld(name, text) => {
                let world = self.world(name);
                let inner = world.and_then(|world| self.find_text(&[world], text));
                inner.or_else(|| self.world_span(name))
            }
            FindingPlace::InShape(world, text) => {
                let home = match world {
                    Some(name) => self.world(name)?,
                    None => &self.root,
                };
                // A file of its own is the shape.
                let shape = home.get("cluster").unwrap_or(home);
                let inner = self.find_text(&[shape], text);
                inner.or_else(|| self.key_span(home, "cluster"))
            }
            FindingPlace::LeftOut(way) => {
                let all = self.root.get("leaves-out");
                let inner = all.and_then(|all| self.key_span(all, way));
                inner.or_else(|| self.key_span(&self.root, "leaves-out"))
            }
            FindingPlace::Step(step) => self.step_span(step),
            FindingPlace::InStep(step, text) => {
                let parts = step_parts(self.step(step)?);
                self.find_text(&parts, text)
                    .or_else(|| self.step_span(step))
            }
            FindingPlace::StepKey(step, key) => self
                .key_span(self.step(step)?, key)
                .or_else(|| self.step_span(step)),
            FindingPlace::Expected(step, word) => {
                let node = self.step(step)?;
                let each = node
                    .get("expect-in")
                    .into_iter()
                    .flat_map(YamlNode::fields)
                    .map(|(_, answer)| answer);
                let all: Vec<&YamlNode> = node.get("expect").into_iter().chain(each).collect();
                let begins = |answer: &&YamlNode| match answer.word() {
                    Some(own) => (own == word).then(|| self.word_span(answer)),
                    None => self.key_span(answer, word),
                };
                all.iter()
                    .find_map(begins)
                    .or_else(|| self.find_text(&all, word))
                    .or_else(|| self.step_span(step))
            }
            FindingPlace::ExpectedIn(step, world) => {
                let each = self.step(step)?.get("expect-in");
                each.and_then(|each| self.key_span(each, world))
                    .or_else(|| self.step_span(step))
            }
            FindingPlace::InManifest(file, _) => self.find_place(FindingPlace::Anywhere(file)),
            FindingPlace::Anywhere(text) => self
                .find_text(&used_parts(&self.root), text)
                .or_else(|| self.find_text(&[&self.root], text))
                .or_else(|| self.raw_span(0, self.loaded.text.len(), text)),
        }
    }

    fn world(&self, name: &str) -> Option<&YamlNode> {
        self.root.get("worlds")?.get(name)
    }

    fn world_span(&self, name: &str) -> Option<TextSpan> {
        self.key_span(self.root.get("worlds")?, name)
    }

    /// The piece of a step, by its number: ids may be used twice.
    fn step(&self, step: &ScenarioStep) -> Option<&YamlNode> {
        let steps = &self.loaded.scenario.steps;
        let index = steps.iter().position(|one| std::ptr::eq(one, step));
        let index = index.or_else(|| steps.iter().position(|one| one.id == step.id))?;
        self.root.get("steps")?.items().get(index)
    }

    /// `id: NAME`, or where the step begins.
    fn step_span(&self, step: &ScenarioStep) -> Option<TextSpan> {
        let node = self.step(step)?;
        let id = node
            .fields()
            .iter()
            .find(|(key, _)| key.word() == Some("id"));
        let Some((key, value)) = id else {
            return Some(TextSpan {
                start: node.start,
                length: 1,
            });
        };
        let value = self.word_span(value);
        Some(TextSpan {
            start: key.start,
            length: (value.start + value.length).saturating_sub(key.start),
        })
    }

    fn key_span(&self, node: &YamlNode, name: &str) -> Option<TextSpan> {
        let mut keys = node.fields().iter().map(|(key, _)| key);
        keys.find(|key| key.word() == Some(name))
            .map(|key| self.word_span(key))
    }

    /// A word without its quotes.
    fn word_span(&self, node: &YamlNode) -> TextSpan {
        let behind = self.loaded.text.get(node.start..).unwrap_or_default();
        let quote = usize::from(behind.starts_with(['"', '\'']));
        TextSpan {
            start: node.start + quote,
            length: node.word().map_or(1, str::len),
        }
    }

    /// The first word in these pieces that is this text, before a key that is; else the first that
    /// has it as a part, best by itself.
    fn find_text(&self, parts: &[&YamlNode], text: &str) -> Option<TextSpan> {
        let (mut keys, mut leaves) = (Vec::new(), Vec::new());
        parts
            .iter()
            .for_each(|part| collect_leaves(part, &mut keys, &mut leaves));
        let mut all = leaves.iter().chain(&keys);
        if let Some(whole) = all.find(|leaf| self.is_text(leaf, text)) {
            let span = self.word_span(whole);
            return Some(TextSpan {
                length: text.len(),
                ..span
            });
        }
        leaves.extend(keys);
        let holding = leaves
            .iter()
            .filter(|leaf| leaf.word().is_some_and(|word| word.contains(text)));
        let spans: Vec<TextSpan> = holding
            .filter_map(|leaf| self.raw_span(leaf.start, self.end_of(leaf, &leaves), text))
            .collect();
        let alone = spans.iter().find(|span| self.stands_alone(**span));
        alone.or(spans.first()).copied()
    }

    /// Whether a word, a number or a truth value is written so.
    fn is_text(&self, leaf: &YamlNode, text: &str) -> bool {
        match leaf.word() {
            Some(word) => word == text,
            None => {
                let behind = self.loaded.text.get(leaf.start..).unwrap_or_default();
                let span = TextSpan {
                    start: leaf.start,
                    length: text.len(),
                };
                behind.starts_with(text) && !text.is_empty() && self.stands_alone(span)
            }
        }
    }

    /// Where the text behind a leaf is another one's.
    fn end_of(&self, leaf: &YamlNode, leaves: &[&YamlNode]) -> usize {
        let behind = leaves.iter().map(|one| one.start);
        behind
            .filter(|start| *start > leaf.start)
            .min()
            .unwrap_or(self.loaded.text.len())
    }

    /// Where this text stands between two places, best by itself.
    fn raw_span(&self, start: usize, end: usize, text: &str) -> Option<TextSpan> {
        find_span(&self.loaded.text, start..end, text)
    }

    fn stands_alone(&self, span: TextSpan) -> bool {
        stands_alone(&self.loaded.text, span)
    }
}

/// What a step does, then the rest of it, without its name and what it expects.
fn step_parts(step: &YamlNode) -> Vec<&YamlNode> {
    let does = step.get("do").into_iter();
    let others = step.fields().iter().filter(|(key, _)| {
        let key = key.word().unwrap_or_default();
        key != "do" && !OTHER_KEYS.contains(&key)
    });
    does.chain(others.flat_map(|(key, value)| [value, key]))
        .collect()
}

/// Everything but sentences.
fn used_parts(node: &YamlNode) -> Vec<&YamlNode> {
    let mut parts = Vec::new();
    collect_used(node, &mut parts);
    parts
}

fn collect_used<'a>(node: &'a YamlNode, parts: &mut Vec<&'a YamlNode>) {
    let is_leaf = node.fields().is_empty() && node.items().is_empty();
    if is_leaf {
        parts.push(node);
    }
    node.items()
        .iter()
        .for_each(|item| collect_used(item, parts));
    for (key, value) in node.fields() {
        if !PROSE_KEYS.contains(&key.word().unwrap_or_default()) {
            parts.push(key);
            collect_used(value, parts);
        }
    }
}

/// Keys; and words, numbers and truth values: each in the order of the file.
fn collect_leaves<'a>(
    node: &'a YamlNode,
    keys: &mut Vec<&'a YamlNode>,
    leaves: &mut Vec<&'a YamlNode>,
) {
    if node.fields().is_empty() && node.items().is_empty() {
        leaves.push(node);
    }
    for item in node.items() {
        collect_leaves(item, keys, leaves);
    }
    for (key, value) in node.fields() {
        keys.push(key);
        collect_leaves(value, keys, leaves);
    }
}

#[cfg(test)]
mod tests;
