//! Each step has a name of its own, looks back only, and says for each world what is intended.

use std::collections::BTreeSet;

use super::{FindingPlace, LintNotes, NAME_HINT, is_name};
use crate::{Action, ObservedRecord, ScenarioStep};

impl LintNotes<'_> {
    pub(super) fn check_steps(&mut self) {
        self.check_reason(FindingPlace::Key("why"), &self.loaded.scenario.why);
        let mut ids = BTreeSet::new();
        for step in &self.loaded.scenario.steps {
            if !is_name(&step.id) {
                self.add_finding(
                    FindingPlace::Step(step),
                    format!("`{}` is not a name", step.id),
                    NAME_HINT,
                );
            }
            if !ids.insert(step.id.as_str()) {
                self.add_finding(
                    FindingPlace::Step(step),
                    format!("the id `{}` is used twice", step.id),
                    "give each step its own id",
                );
            }
            if let Some(why) = &step.why {
                self.check_reason(FindingPlace::Step(step), why);
            }
            self.check_expectations(step);
            self.check_answers(step);
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
                self.add_finding(
                    FindingPlace::InStep(step, &warning.of),
                    what,
                    "name an earlier step",
                );
            }
        }
    }

    fn check_reason(&mut self, at: FindingPlace<'_>, why: &str) {
        if why.trim().is_empty() {
            let hint = "say what a reader would not expect";
            self.add_finding(at, "`why` is empty".into(), hint);
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
                FindingPlace::InStep(step, text),
                format!("`{text}` {what}"),
                "it begins with `/`",
            );
        }
    }

    fn check_expectations(&mut self, step: &ScenarioStep) {
        let at = FindingPlace::Step(step);
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
                    self.add_finding(at, what, format!("name `{world}` in its `expect-in`"));
                }
                for world in each.keys().filter(|world| !takes(world)) {
                    let what = format!(
                        "step `{}` expects something in `{world}`, which leaves it out",
                        step.id
                    );
                    self.add_finding(
                        FindingPlace::ExpectedIn(step, world),
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
                    self.add_finding(
                        FindingPlace::ExpectedIn(step, world),
                        what,
                        "correct the name, or add the world",
                    );
                }
            }
            (Some(_), Some(_)) => {
                self.add_finding(
                    at,
                    format!("step `{}` has both `expect` and `expect-in`", step.id),
                    "keep one of them",
                );
            }
            (None, None) => {
                let hint = "say what is intended: `expect` for every world, or `expect-in`";
                self.add_finding(at, format!("step `{}` expects nothing", step.id), hint);
            }
        }
    }
}
