//! A scenario has a world without controls, and every other world has an effect against it.

use super::{FindingPlace, LintNotes, NAME_HINT, is_name};
use crate::{ScenarioStep, ScenarioWorld};

impl LintNotes<'_> {
    pub(super) fn check_worlds(&mut self) {
        let scenario = &self.loaded.scenario;
        if !scenario.worlds.contains_key("bare") {
            self.add_finding(
                FindingPlace::Key("worlds"),
                "no world is named `bare`".into(),
                "add `bare: {}`: every control is judged against it",
            );
        }
        if scenario
            .worlds
            .get("bare")
            .is_some_and(ScenarioWorld::changes_nothing)
        {
            self.add_finding(
                FindingPlace::World("bare"),
                "`bare` is what others are compared with; it cannot be ineffective".into(),
                "drop the key",
            );
        }
        for (name, world) in &scenario.worlds {
            self.check_other_use(name, world);
        }
        for name in scenario.worlds.keys().filter(|name| !is_name(name)) {
            self.add_finding(
                FindingPlace::World(name),
                format!("`{name}` is not a name"),
                NAME_HINT,
            );
        }
        if scenario.steps.is_empty() {
            self.add_finding(
                FindingPlace::Key("steps"),
                "the scenario has no steps".into(),
                "a scenario tries at least one thing",
            );
        }
    }

    pub(super) fn check_effects(&mut self) {
        let scenario = &self.loaded.scenario;
        for (name, world) in &scenario.worlds {
            let mine: Vec<_> = scenario
                .steps_in(name)
                .map(|step| step.intended_verdict(name))
                .collect();
            if !mine.iter().flatten().any(|answer| answer.is_positive()) {
                let hint = "add a step that is admitted, allowed, running, verified or found here: a dead cluster refuses everything";
                self.add_finding(
                    FindingPlace::World(name),
                    format!("world `{name}` shows nothing positive"),
                    hint,
                );
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

    /// A remedy that did not help here helps against something, and is not ineffective as well.
    fn check_other_use(&mut self, name: &str, world: &ScenarioWorld) {
        let Some(otherwise) = &world.did_not_help else {
            return;
        };
        if otherwise.trim().is_empty() {
            self.add_finding(
                FindingPlace::World(name),
                format!("world `{name}` did not help, and does not say what it is for"),
                "say what it helps against: `did-not-help: AGAINST WHAT`; what helps against nothing is `ineffective: true`",
            );
        }
        if world.ineffective {
            self.add_finding(
                FindingPlace::World(name),
                format!("world `{name}` is ineffective, and helps against something"),
                "keep one of `ineffective` and `did-not-help`",
            );
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
            let hint = "add the world in which the attack is refused; where there is none, drop the world, or say what it is right against: `did-not-help: AGAINST WHAT`";
            self.add_claim_finding(
                name,
                format!(
                    "world `{name}` is ineffective, and no other world refuses what it lets in"
                ),
                hint,
            );
        }
    }

    fn check_effect(&mut self, name: &str, world: &ScenarioWorld, changes: bool) {
        match (changes, world.changes_nothing()) {
            (false, false) => {
                let hint = "a control that is real changes a cell; one that is not is declared `ineffective: true`, or `did-not-help: AGAINST WHAT` where it is right against something else";
                self.add_finding(
                    FindingPlace::World(name),
                    format!("world `{name}` changes no cell against `bare`"),
                    hint,
                );
            }
            (true, true) => {
                let (key, declared) = if world.ineffective {
                    ("ineffective", "ineffective")
                } else {
                    ("did-not-help", "not to help here")
                };
                self.add_finding(
                    FindingPlace::World(name),
                    format!("world `{name}` is declared {declared}, yet changes a cell"),
                    format!("drop `{key}`, or correct the expectation"),
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
                FindingPlace::World(name),
                format!("world `{name}` is `bare` under another name"),
                hint,
            );
        }
    }
}
