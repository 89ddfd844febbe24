//! Each step has a name of its own, looks back only, and says for each world what is intended.

use std::collections::BTreeSet;

use super::{FindingPlace, LintNotes, NAME_HINT, is_name};
use crate::{Action, ActionWrites, ObservedRecord, OutputMatch, ScenarioStep};

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
            self.check_earlier(step, &ids);
        }
    }

    /// What is looked at has to come before, and to have what is looked for.
    fn check_earlier(&mut self, step: &ScenarioStep, ids: &BTreeSet<&str>) {
        let Action::LookFor(record) = &step.action else {
            return;
        };
        if let ObservedRecord::Output(output) = record {
            self.check_output(step, output);
        }
        let Some(of) = record.earlier_step() else {
            return;
        };
        if !ids.contains(of) {
            let what = format!(
                "`{}` looks at step `{of}`, which does not come before it",
                step.id
            );
            self.add_finding(FindingPlace::InStep(step, of), what, "name an earlier step");
        }
    }

    fn check_output(&mut self, step: &ScenarioStep, output: &OutputMatch) {
        if output.contains.is_none() && output.exit.is_none() {
            self.add_finding(
                FindingPlace::InStep(step, &output.of),
                format!("step `{}` looks for nothing in an answer", step.id),
                "add `contains`, or `exit` where a command ends",
            );
        }
        let mut steps = self.loaded.scenario.steps.iter();
        let reads_figures = |one: &ScenarioStep| {
            one.action.facts().writes == ActionWrites::SharedFigures && one.id == output.of
        };
        if steps.clone().any(reads_figures) {
            let what = format!(
                "step `{}` looks into figures of the API server, which are of every world",
                step.id
            );
            self.add_finding(
                FindingPlace::InStep(step, &output.of),
                what,
                "look for a `metric`: it has to have grown since the world's beginning",
            );
        }
        let has_none =
            |one: &&ScenarioStep| one.id == output.of && !matches!(one.action, Action::Exec { .. });
        if output.exit.is_some()
            && let Some(other) = steps.find(has_none)
        {
            let what = format!(
                "step `{}` looks for an exit code, and `{}` has none",
                step.id,
                other.action.word()
            );
            self.add_finding(
                FindingPlace::InStep(step, &output.of),
                what,
                "name an `exec` step",
            );
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

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{ScenarioLibrary, lint_scenario};

    /// What is found in a step that looks for this, behind a command and a request.
    fn findings(look: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("pods/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "scenario: v2\nwhy: Because.\nworlds: {{bare: {{}}}}\nsteps:\n\
             - {{id: asks, do: {{path: /version}}, expect: allowed}}\n\
             - {{id: runs, do: {{exec: {{pod: web, command: [id]}}}}, expect: allowed}}\n\
             - {{id: counts, do: {{path: /metrics}}, expect: allowed}}\n\
             - {{id: one, do: {{look-for: {{{look}}}}}, expect: found}}\n\
             - {{id: later, do: {{exec: {{pod: web, command: [id]}}}}, expect: allowed}}\n"
        );
        fs::write(dir.join("scenario.yaml"), text).unwrap();
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        let found = lint_scenario(&library.scenarios[0]).into_iter();
        found.map(|finding| finding.what).collect()
    }

    #[test]
    fn an_answer_is_looked_at_for_what_it_has() {
        for good in [
            "output: {of: runs, exit: 0}",
            "output: {of: runs, exit: 255, contains: uid}",
            "output: {of: asks, contains: gitVersion}",
        ] {
            assert_eq!(findings(good), Vec::<String>::new(), "{good}");
        }
        for (look, what) in [
            (
                "output: {of: runs}",
                "step `one` looks for nothing in an answer",
            ),
            (
                "output: {of: counts, contains: rejection}",
                "step `one` looks into figures of the API server, which are of every world",
            ),
            (
                "output: {of: asks, exit: 0}",
                "step `one` looks for an exit code, and `path` has none",
            ),
            (
                "output: {of: later, exit: 0}",
                "`one` looks at step `later`, which does not come before it",
            ),
            (
                "warning: {of: later, contains: old}",
                "`one` looks at step `later`, which does not come before it",
            ),
        ] {
            assert_eq!(findings(look), [what], "{look}");
        }
    }
}
