//! What would let a scenario pass by accident, found before anything runs.

use std::collections::BTreeSet;

use crate::error::FilePlace;
use crate::names::{self, unknown_placeholder};
use crate::{Action, LoadedScenario, ObjectManifest, ObservedRecord, ScenarioStep, ScenarioWorld};

mod answers;
mod identities;
mod images;
mod kinds;
mod nodes;
mod resources;
mod shape;
mod storage;
mod ways;
mod wire;

pub use ways::lint_family;

/// One fault of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintFinding {
    /// The scenario's id.
    pub id: String,
    /// Where it stands, with the line and a caret, where a text of the file can be pointed at.
    pub place: FilePlace,
    /// The line at that place, with a caret below.
    pub snippet: String,
    /// The fault, one sentence.
    pub what: String,
    /// The way out, one sentence.
    pub hint: String,
}

/// Every fault of `loaded`, in the order of the checks.
#[must_use]
pub fn lint_scenario(loaded: &LoadedScenario) -> Vec<LintFinding> {
    let mut notes = LintNotes {
        loaded,
        findings: Vec::new(),
    };
    notes.check_worlds();
    notes.check_nodes();
    notes.shapes();
    notes.check_steps();
    notes.check_identities();
    notes.check_files();
    notes.check_objects();
    notes.resources();
    notes.check_placeholders();
    notes.check_images();
    notes.check_keeping();
    notes.check_wire();
    notes.check_effects();
    notes.check_ways();
    notes.findings
}

struct LintNotes<'a> {
    loaded: &'a LoadedScenario,
    findings: Vec<LintFinding>,
}

impl LintNotes<'_> {
    fn add_finding(&mut self, at: &str, what: String, hint: impl Into<String>) {
        self.say_at(locate_line(self.loaded, 0, at), what, hint);
    }

    /// The same of a word among what a step expects.
    fn say_in(&mut self, step: &ScenarioStep, word: &str, what: String, hint: impl Into<String>) {
        self.say_at(
            locate_line(self.loaded, expectations_of(self.loaded, step), word),
            what,
            hint,
        );
    }

    fn say_at(
        &mut self,
        (place, snippet): (FilePlace, String),
        what: String,
        hint: impl Into<String>,
    ) {
        self.findings.push(LintFinding {
            id: self.loaded.id.clone(),
            place,
            snippet,
            what,
            hint: hint.into(),
        });
    }

    fn check_worlds(&mut self) {
        let scenario = &self.loaded.scenario;
        if !scenario.worlds.contains_key("bare") {
            self.add_finding(
                "worlds:",
                "no world is named `bare`".into(),
                "add `bare: {}`: every control is judged against it",
            );
        }
        if scenario
            .worlds
            .get("bare")
            .is_some_and(|bare| bare.ineffective)
        {
            self.add_finding(
                "bare",
                "`bare` is what others are compared with; it cannot be ineffective".into(),
                "drop the key",
            );
        }
        for name in scenario.worlds.keys().filter(|name| !is_name(name)) {
            self.add_finding(name, format!("`{name}` is not a name"), NAME_HINT);
        }
        if scenario.steps.is_empty() {
            self.add_finding(
                "steps",
                "the scenario has no steps".into(),
                "a scenario tries at least one thing",
            );
        }
    }

    fn check_steps(&mut self) {
        let mut ids = BTreeSet::new();
        for step in &self.loaded.scenario.steps {
            if !is_name(&step.id) {
                self.add_finding(&step.id, format!("`{}` is not a name", step.id), NAME_HINT);
            }
            if !ids.insert(step.id.as_str()) {
                let hint = "give each step its own id";
                self.add_finding(
                    &format!("id: {}", step.id),
                    format!("the id `{}` is used twice", step.id),
                    hint,
                );
            }
            self.check_expectations(step);
            self.answers(step);
            self.check_paths(step);
            if let Action::LookFor(
                ObservedRecord::Warning(warning) | ObservedRecord::Output(warning),
            ) = &step.action
                && !ids.contains(warning.of.as_str())
            {
                let what = format!(
                    "`{}` looks at step `{}`, which does not come before it",
                    step.id, warning.of
                );
                self.add_finding(&warning.of, what, "name an earlier step");
            }
        }
    }

    /// What does not begin with a slash is read as something else: a host, or a field that no
    /// object has.
    fn check_paths(&mut self, step: &ScenarioStep) {
        let (text, what) = match &step.action {
            Action::Path(path) => (path, "is not a path of the API server"),
            Action::LookFor(ObservedRecord::Field(field)) if !field.at.is_empty() => {
                (&field.at, "is not a JSON pointer")
            }
            _ => return,
        };
        if !text.starts_with('/') {
            self.add_finding(
                &format!("id: {}", step.id),
                format!("`{text}` {what}"),
                "it begins with `/`",
            );
        }
    }

    fn check_expectations(&mut self, step: &ScenarioStep) {
        let at = format!("id: {}", step.id);
        match (&step.expect, &step.expect_in) {
            (Some(_), None) => {}
            (None, Some(each)) => {
                let scenario = &self.loaded.scenario;
                let takes = |world: &&String| scenario.takes_step(world, &step.id);
                for world in scenario
                    .worlds
                    .keys()
                    .filter(takes)
                    .filter(|world| !each.contains_key(*world))
                {
                    let what = format!("step `{}` intends nothing in world `{world}`", step.id);
                    self.add_finding(&at, what, format!("name `{world}` in its `expect-in`"));
                }
                for world in each.keys().filter(|world| !takes(world)) {
                    let what = format!(
                        "step `{}` expects something in `{world}`, which leaves it out",
                        step.id
                    );
                    self.add_finding(
                        &at,
                        what,
                        "drop it from `expect-in`, or from the world's `skip-steps`",
                    );
                }
                for world in each
                    .keys()
                    .filter(|world| !scenario.worlds.contains_key(*world))
                {
                    let what = format!(
                        "step `{}` expects something in `{world}`, which is not a world",
                        step.id
                    );
                    self.add_finding(&at, what, "correct the name, or add the world");
                }
            }
            (Some(_), Some(_)) => {
                self.add_finding(
                    &at,
                    format!("step `{}` has both `expect` and `expect-in`", step.id),
                    "keep one of them",
                );
            }
            (None, None) => {
                let hint = "say what is intended: `expect` for every world, or `expect-in`";
                self.add_finding(&at, format!("step `{}` expects nothing", step.id), hint);
            }
        }
    }

    fn check_files(&mut self) {
        let referenced = self.loaded.referenced();
        let texts: Vec<&str> = self
            .loaded
            .texts()
            .filter(|name| self.loaded.files.iter().any(|have| have == name))
            .collect();
        let missing = |name: &&String| {
            !self.loaded.manifests.contains_key(*name) && !texts.contains(&name.as_str())
        };
        for name in referenced.iter().filter(missing) {
            let (what, hint) = if name.contains('/') {
                (
                    format!("`{name}` is not a plain file name"),
                    "keep a scenario's files in its own folder",
                )
            } else {
                (
                    format!("there is no file `{name}`"),
                    "paths are relative to the scenario's own folder",
                )
            };
            self.add_finding(name, what, hint);
        }
        for name in self
            .loaded
            .files
            .iter()
            .filter(|name| !referenced.contains(name))
        {
            let hint = "use it in a world or a step, or delete it";
            self.add_finding("scenario:", format!("the file `{name}` is not used"), hint);
        }
        for step in &self.loaded.scenario.steps {
            for file in step.action.facts().reads {
                let many = self
                    .loaded
                    .manifests
                    .get(file)
                    .is_some_and(|all| all.len() != 1);
                if many {
                    let what = format!(
                        "`{file}` holds several objects, and step `{}` sends one",
                        step.id
                    );
                    self.add_finding(file, what, "give each object its own file");
                }
            }
        }
    }

    fn check_objects(&mut self) {
        let scenario = &self.loaded.scenario;
        let applied = scenario
            .worlds
            .values()
            .flat_map(|world| world.apply.iter().map(String::as_str));
        let sent = scenario.steps.iter().filter_map(|step| match &step.action {
            Action::Create(file) | Action::Apply(file) | Action::Update(file) => {
                Some(file.as_str())
            }
            _ => None,
        });
        let files: BTreeSet<&str> = applied.chain(sent).collect();
        for file in files {
            for fault in self
                .loaded
                .manifests
                .get(file)
                .into_iter()
                .flatten()
                .filter_map(ObjectManifest::manifest_fault)
            {
                let hint =
                    "a manifest is one Kubernetes object: `apiVersion`, `kind`, `metadata`, …";
                self.add_finding(file, format!("an object in `{file}` {fault}"), hint);
            }
        }
        self.check_kinds();
    }

    fn check_placeholders(&mut self) {
        let unknown: Vec<String> = std::iter::once(self.loaded.text.as_str())
            .filter_map(|text| unknown_placeholder(text).map(str::to_owned))
            .chain(
                self.loaded
                    .manifests
                    .values()
                    .flatten()
                    .filter_map(|manifest| {
                        unknown_placeholder(&manifest.object.to_string()).map(str::to_owned)
                    }),
            )
            .collect();
        for name in unknown {
            let hint = format!("there are {}", names::ALL);
            self.add_finding(
                &format!("$({name})"),
                format!("`$({name})` is not a placeholder"),
                hint,
            );
        }
    }

    fn check_effects(&mut self) {
        let scenario = &self.loaded.scenario;
        for (name, world) in &scenario.worlds {
            let mine: Vec<_> = scenario
                .steps_in(name)
                .map(|step| step.intended_verdict(name))
                .collect();
            if !mine.iter().flatten().any(|answer| answer.is_positive()) {
                let hint = "add a step that is admitted, allowed, running, verified or found here: a dead cluster refuses everything";
                self.add_finding(name, format!("world `{name}` shows nothing positive"), hint);
            }
            if name != "bare" && scenario.worlds.contains_key("bare") {
                let mut both = scenario
                    .steps_in(name)
                    .filter(|step| scenario.takes_step("bare", &step.id));
                self.check_effect(
                    name,
                    world,
                    both.any(|step| step.intended_verdict(name) != step.intended_verdict("bare")),
                );
                self.check_contrast(name, world);
            }
        }
    }

    /// A recipe that does not protect stands beside one that does: else nothing shows that what was
    /// tried could be held off.
    fn check_contrast(&mut self, name: &str, world: &ScenarioWorld) {
        let scenario = &self.loaded.scenario;
        let is_answered_otherwise = |step: &ScenarioStep| {
            let others = scenario.worlds.keys().filter(|other| *other != name);
            others
                .filter(|other| scenario.takes_step(other, &step.id))
                .any(|other| step.intended_verdict(other) != step.intended_verdict(name))
        };
        if world.ineffective && !scenario.steps_in(name).any(is_answered_otherwise) {
            let hint = "add the world in which the attack is refused; where there is none, say so in `why` and drop the world";
            self.add_finding(
                name,
                format!(
                    "world `{name}` is ineffective, and no other world refuses what it lets in"
                ),
                hint,
            );
        }
    }

    fn check_effect(&mut self, name: &str, world: &ScenarioWorld, changes: bool) {
        match (changes, world.ineffective) {
            (false, false) => {
                let hint = "a control that is real changes a cell; one that is not is declared `ineffective: true`";
                self.add_finding(
                    name,
                    format!("world `{name}` changes no cell against `bare`"),
                    hint,
                );
            }
            (true, true) => {
                let hint = "drop `ineffective: true`, or correct the expectation";
                self.add_finding(
                    name,
                    format!("world `{name}` is declared ineffective, yet changes a cell"),
                    hint,
                );
            }
            _ => {}
        }
        let bare_skips = self
            .loaded
            .scenario
            .worlds
            .get("bare")
            .map(|bare| bare.skip_steps.as_slice())
            .unwrap_or_default();
        let nothing = world.apply.is_empty() && world.cluster.is_none() && world.install.is_empty();
        if name != "bare" && nothing && world.skip_steps == bare_skips {
            let hint = "give it something to `apply` or to `install`, a `cluster` of another shape, or steps to `skip-steps`";
            self.add_finding(
                name,
                format!("world `{name}` is `bare` under another name"),
                hint,
            );
        }
    }
}

const NAME_HINT: &str = "names are lower case letters, digits and dashes, 63 at most";

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Where in the file a step begins to say what it expects; the beginning of the file where that is
/// not found.
fn expectations_of(loaded: &LoadedScenario, step: &ScenarioStep) -> usize {
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
fn locate_line(loaded: &LoadedScenario, from: usize, needle: &str) -> (FilePlace, String) {
    let lines = || {
        loaded
            .text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with('#'))
    };
    let first = loaded.text[..from].matches('\n').count();
    let skipped = from - loaded.text[..from].rfind('\n').map_or(0, |at| at + 1);
    let find = |index: usize, line: &str| {
        let skipped = if index == first { skipped } else { 0 };
        Some(skipped + line.get(skipped..)?.find(needle)?)
    };
    let (index, line, column) = lines()
        .skip_while(|(index, _)| *index < first)
        .find_map(|(index, line)| find(index, line).map(|column| (index, line, column)))
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
