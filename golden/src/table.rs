//! The body of a golden file: by step, then by world, what the cluster answered.

use indexmap::IndexMap;
use model::{AnswerDetail, OutcomeCell, RecordedOutcome, WorldOutcome};
use redact::redact_recorded;
use serde_json::{Map, Value};

use crate::TableError;
use crate::yaml::{write_one_line, write_scalar};

/// Between the names of worlds whose cells are the same.
const WORLD_SEPARATOR: &str = ", ";

/// What is recorded of a scenario: a redacted entry for each step and world, in the file's order.
///
/// An entry is one line (`denied by pod-security (403 Forbidden)`), or a mapping with that line as
/// `verdict` and the rest of the detail below it. No times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutcomeTable(IndexMap<String, IndexMap<String, Value>>);

/// The body of the golden file of `outcome`: YAML, redacted, without times.
#[must_use]
pub fn render_outcome(outcome: &RecordedOutcome) -> String {
    OutcomeTable::from_outcome(outcome).body()
}

/// What is recorded of one cell, as lines: redacted, without times.
#[must_use]
pub fn render_cell(cell: &OutcomeCell) -> String {
    let mut out = String::new();
    write_entry(&mut out, &cell_entry(cell));
    out
}

impl OutcomeTable {
    /// The table of an outcome; worlds that were not tried are left out.
    #[must_use]
    pub fn from_outcome(outcome: &RecordedOutcome) -> Self {
        let mut steps: IndexMap<String, IndexMap<String, Value>> = IndexMap::new();
        for (world, seen) in &outcome.worlds {
            let WorldOutcome::Tried(cells) = seen else {
                continue;
            };
            for (step, cell) in cells {
                steps
                    .entry(step.clone())
                    .or_default()
                    .insert(world.clone(), cell_entry(cell));
            }
        }
        Self(steps)
    }

    /// Reads a body back.
    ///
    /// # Errors
    /// When it is not such a table.
    pub fn parse(body: &str) -> Result<Self, TableError> {
        let read: IndexMap<String, IndexMap<String, Value>> = serde_saphyr::from_str(body)
            .map_err(|fault| TableError::Yaml {
                what: fault.without_snippet().to_string(),
            })?;
        let mut steps = IndexMap::new();
        for (step, groups) in read {
            let mut worlds = IndexMap::new();
            for (names, entry) in groups {
                for world in names.split(WORLD_SEPARATOR) {
                    if worlds.insert(world.to_owned(), entry.clone()).is_some() {
                        return Err(TableError::WorldTwice {
                            step,
                            world: world.to_owned(),
                        });
                    }
                }
            }
            steps.insert(step, worlds);
        }
        Ok(Self(steps))
    }

    /// The steps, each with its worlds and the first line of their entries: the verdict, and the
    /// code behind it.
    pub fn verdicts(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.0.iter().flat_map(|(step, worlds)| {
            worlds.iter().map(move |(world, entry)| {
                (
                    step.as_str(),
                    world.as_str(),
                    entry
                        .as_str()
                        .or(entry["verdict"].as_str())
                        .unwrap_or_default(),
                )
            })
        })
    }

    /// Only these worlds of it.
    #[must_use]
    pub fn only_worlds(&self, keep: &[&str]) -> Self {
        let mut steps = self.0.clone();
        for worlds in steps.values_mut() {
            worlds.retain(|world, _| keep.contains(&world.as_str()));
        }
        steps.retain(|_, worlds| !worlds.is_empty());
        Self(steps)
    }

    /// The YAML text; worlds with the same entry share one key.
    #[must_use]
    pub fn body(&self) -> String {
        let mut out = String::new();
        for (step, worlds) in &self.0 {
            out.push_str(&format!("{}:\n", write_one_line(step)));
            for (names, entry) in merge_equal_worlds(worlds) {
                out.push_str(&format!(
                    "  {}:",
                    write_one_line(&names.join(WORLD_SEPARATOR))
                ));
                write_entry(&mut out, entry);
            }
        }
        out
    }
}

/// Worlds with equal entries, together at the place of their first.
fn merge_equal_worlds(worlds: &IndexMap<String, Value>) -> Vec<(Vec<&str>, &Value)> {
    let mut groups: Vec<(Vec<&str>, &Value)> = Vec::new();
    for (world, entry) in worlds {
        match groups.iter_mut().find(|(_, have)| *have == entry) {
            Some((names, _)) => names.push(world),
            None => groups.push((vec![world], entry)),
        }
    }
    groups
}

fn cell_entry(cell: &OutcomeCell) -> Value {
    let detail = &cell.detail;
    let verdict = Value::String(redact_recorded(&format!(
        "{}{}",
        cell.verdict,
        status_suffix(detail)
    )));
    let mut more = Map::new();
    let mut put = |key: &str, value: Value| more.insert(key.into(), value);
    if let Some(message) = &detail.message {
        put("message", Value::String(redact_recorded(message)));
    }
    for (key, list) in [("warnings", &detail.warnings), ("changed", &detail.changed)] {
        if !list.is_empty() {
            put(
                key,
                list.iter()
                    .map(|text| Value::String(redact_recorded(text)))
                    .collect(),
            );
        }
    }
    if !detail.facts.is_empty() {
        put(
            "facts",
            detail
                .facts
                .iter()
                .map(|(key, fact)| (redact_recorded(key), Value::String(redact_recorded(fact))))
                .collect(),
        );
    }
    if more.is_empty() {
        return verdict;
    }
    more.shift_insert(0, "verdict".into(), verdict);
    Value::Object(more)
}

fn status_suffix(detail: &AnswerDetail) -> String {
    match (detail.code, &detail.reason) {
        (Some(code), Some(reason)) => format!(" ({code} {reason})"),
        (Some(code), None) => format!(" ({code})"),
        (None, Some(reason)) => format!(" ({reason})"),
        (None, None) => String::new(),
    }
}

fn write_entry(out: &mut String, entry: &Value) {
    let Value::Object(fields) = entry else {
        out.push_str(&format!(" {}\n", text_at(entry, 2)));
        return;
    };
    out.push('\n');
    for (key, value) in fields {
        out.push_str(&format!("    {}:", write_one_line(key)));
        match value {
            Value::Array(items) => {
                out.push('\n');
                items
                    .iter()
                    .for_each(|item| out.push_str(&format!("      - {}\n", text_at(item, 8))));
            }
            Value::Object(facts) => {
                out.push('\n');
                facts.iter().for_each(|(key, fact)| {
                    out.push_str(&format!(
                        "      {}: {}\n",
                        write_one_line(key),
                        text_at(fact, 6)
                    ));
                });
            }
            other => out.push_str(&format!(" {}\n", text_at(other, 4))),
        }
    }
}

fn text_at(value: &Value, indent: usize) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), |text| write_scalar(text, indent))
}
