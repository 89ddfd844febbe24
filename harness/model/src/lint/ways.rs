//! Ways round a control that no step of a scenario tries, and reasons that are none.

use std::collections::{BTreeMap, BTreeSet};

use super::{FindingPlace, LintFinding, LintNotes, LintSubject};
use crate::spelling::nearest_word;
use crate::ways::{
    ControlKind, HeldControl, TriedStep, WayRound, held_controls, way_round, ways_round,
};
use crate::{LoadedScenario, ScenarioLibrary};

/// What a reason begins with that names another scenario.
const TRIED_IN: &str = "tried in ";

/// The faults of `loaded` that only the other scenarios show: it leaves a way out since another
/// scenario tries it, and that one does not; or it holds by an engine, and no scenario of the
/// library tries a way round the engine as a whole.
#[must_use]
pub fn lint_family(loaded: &LoadedScenario, library: &ScenarioLibrary) -> Vec<LintFinding> {
    let mut notes = LintNotes {
        loaded,
        findings: Vec::new(),
    };
    for (name, reason) in &loaded.scenario.leaves_out {
        if let Some((way, rest)) = way_round(name).zip(reason.strip_prefix(TRIED_IN)) {
            notes.check_others(way, named_scenarios(rest), library);
        }
    }
    notes.check_engine_ways(library);
    notes.findings
}

/// What a scenario does about one way.
#[derive(Default)]
struct WayTrials<'a> {
    /// The kinds of controls that it leads round where no step tries it, each with the first such world.
    untried: BTreeMap<ControlKind, &'a str>,
    /// The kinds round which steps try it.
    tried: BTreeSet<ControlKind>,
}

impl WayTrials<'_> {
    fn applies(&self) -> bool {
        !(self.untried.is_empty() && self.tried.is_empty())
    }
}

/// A world with the controls that it holds by, and the steps that it takes.
struct HeldWorld<'a> {
    controls: Vec<HeldControl<'a>>,
    steps: Vec<TriedStep<'a>>,
}

fn held_worlds(loaded: &LoadedScenario) -> Vec<HeldWorld<'_>> {
    let worlds = loaded.scenario.worlds.keys();
    let held = worlds.map(|world| held_controls(loaded, world));
    held.map(|(controls, steps)| HeldWorld { controls, steps })
        .collect()
}

/// A way is tried against one policy where a step tries it in a world that holds by this policy.
fn way_trials<'a>(worlds: &[HeldWorld<'a>], way: &WayRound) -> WayTrials<'a> {
    let mut trials = WayTrials::default();
    for HeldWorld { controls, steps } in worlds {
        for control in controls.iter().filter(|control| way.applies(control)) {
            if (way.is_tried)(control, steps) {
                trials.tried.insert(control.kind);
            } else {
                trials.untried.entry(control.kind).or_insert(control.world);
            }
        }
    }
    trials
}

impl LintNotes<'_> {
    pub(super) fn check_ways(&mut self) {
        self.check_reasons();
        let worlds = held_worlds(self.loaded);
        for way in ways_round() {
            let trials = way_trials(&worlds, way);
            let is_left_out = self.loaded.scenario.leaves_out.contains_key(way.name);
            if is_left_out && !trials.applies() {
                self.say_left_out(
                    way.name,
                    format!("`{}` leads round no control of this scenario", way.name),
                    "drop it",
                );
            } else if is_left_out && trials.untried.is_empty() {
                self.say_left_out(
                    way.name,
                    format!("`{}` is left out, and a step tries it", way.name),
                    "drop it, or the step",
                );
            } else if !is_left_out && !way.is_of_engine() {
                self.say_untried(way, &trials, "step");
            }
        }
    }

    /// Round an engine as a whole one scenario of the library is enough.
    fn check_engine_ways(&mut self, library: &ScenarioLibrary) {
        let worlds = held_worlds(self.loaded);
        let left_out = &self.loaded.scenario.leaves_out;
        for way in ways_round().filter(|way| way.is_of_engine()) {
            if left_out.contains_key(way.name) {
                continue;
            }
            let mut trials = way_trials(&worlds, way);
            let mut others = library.scenarios.iter();
            while !trials.untried.is_empty()
                && let Some(other) = others.next()
            {
                let tried = way_trials(&held_worlds(other), way).tried;
                trials.untried.retain(|kind, _| !tried.contains(kind));
            }
            if !trials.untried.is_empty() {
                self.say_untried(way, &trials, "scenario");
            }
        }
    }

    /// Says that no step of this scenario tries a way, or no scenario.
    fn say_untried(&mut self, way: &WayRound, trials: &WayTrials<'_>, nobody: &str) {
        let Some(world) = trials.untried.values().next() else {
            return;
        };
        let there = trials.untried.iter().filter(|(_, other)| *other == world);
        let kinds = there.map(|(kind, _)| *kind);
        let what = format!(
            "world `{world}` holds by {}, and no {nobody} tries `{}`: {}",
            list_kinds(kinds),
            way.name,
            way.about
        );
        let hint = format!(
            "add a {nobody}, or say why not: `leaves-out: {{ {}: … }}`",
            way.name
        );
        self.add_claim_finding(world, what, hint);
    }

    fn check_reasons(&mut self) {
        for (name, reason) in &self.loaded.scenario.leaves_out {
            if way_round(name).is_none() {
                let hint = format!("{}there are {}", suggest_way(name), list_ways());
                self.say_left_out(name, format!("`{name}` is not a way round a control"), hint);
            }
            let refers = reason.to_lowercase().contains(TRIED_IN.trim_end());
            if refers && named_scenarios(reason.strip_prefix(TRIED_IN).unwrap_or("")).is_empty() {
                self.say_left_out(
                    name,
                    format!("the reason for `{name}` names no scenario that can be looked up"),
                    "begin it with `tried in AREA/NAME`",
                );
            }
            if reason.trim().is_empty() {
                self.say_left_out(
                    name,
                    format!("`{name}` is left out without a reason"),
                    "say why no step tries it, or name the scenario that does: `tried in AREA/NAME`",
                );
            }
        }
    }

    /// Whether the scenarios that are named try what this one leaves out, against every kind of
    /// control round which it is left out.
    fn check_others(&mut self, way: &WayRound, ids: Vec<&str>, library: &ScenarioLibrary) {
        let mut missing = way_trials(&held_worlds(self.loaded), way).untried;
        for id in ids {
            let other = library.scenarios.iter().find(|other| other.id == id);
            let is_unread = library.faults.iter().any(|(unread, _)| unread == id);
            match other {
                Some(other) => {
                    let tried = way_trials(&held_worlds(other), way).tried;
                    missing.retain(|kind, _| !tried.contains(kind));
                }
                // What is wrong with that one is said already.
                None if is_unread => return,
                None => self.say_left_out(
                    way.name,
                    format!(
                        "`{}` is left out for `{id}`, which is not a scenario",
                        way.name
                    ),
                    "name one that is there: `tried in AREA/NAME`",
                ),
            }
        }
        if !missing.is_empty() {
            let what = format!(
                "no scenario that `{}` is left out for tries it against {}",
                way.name,
                list_kinds(missing.into_keys())
            );
            self.say_left_out(way.name, what, "name one that does, or add a step");
        }
    }

    fn say_left_out(&mut self, way: &str, what: String, hint: impl Into<String>) {
        self.say_at(LintSubject::Claim, FindingPlace::LeftOut(way), what, hint);
    }
}

/// The scenarios that a reason names.
fn named_scenarios(reason: &str) -> Vec<&str> {
    let words = reason.split([' ', ',', ';']);
    words.filter(|word| word.contains('/')).collect()
}

fn suggest_way(name: &str) -> String {
    nearest_word(name, ways_round().map(|way| way.name))
        .map(|meant| format!("did you mean `{meant}`? "))
        .unwrap_or_default()
}

fn list_ways() -> String {
    let names: Vec<&str> = ways_round().map(|way| way.name).collect();
    names.join(", ")
}

fn list_kinds(kinds: impl Iterator<Item = ControlKind>) -> String {
    let names: Vec<String> = kinds.map(|kind| kind.to_string()).collect();
    names.join(" and ")
}

#[cfg(test)]
mod tests;
