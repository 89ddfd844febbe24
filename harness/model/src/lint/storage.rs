//! What is kept: steps that look back name steps that come before them, and a cluster is only
//! changed where it can be.

use std::collections::BTreeSet;

use super::{FindingPlace, LintNotes};
use crate::storage::{CanaryMatch, LeakPlace, PlaceFollowed};
use crate::{Action, LoadedScenario, ObservedRecord, ScenarioStep, ScenarioWorld, names};

impl LintNotes<'_> {
    pub(super) fn check_keeping(&mut self) {
        for (name, world) in &self.loaded.scenario.worlds {
            self.check_omitted(name, world);
            self.check_encryption(name, world);
        }
        let mut before: Vec<&ScenarioStep> = Vec::new();
        for step in &self.loaded.scenario.steps {
            self.looks_back(step, &before);
            before.push(step);
        }
        self.check_canaries();
    }

    fn check_omitted(&mut self, name: &str, world: &ScenarioWorld) {
        for id in &world.skip_steps {
            if !self.loaded.scenario.steps.iter().any(|step| step.id == *id) {
                let what = format!("world `{name}` leaves out `{id}`, which is not a step");
                self.add_finding(
                    FindingPlace::InWorld(name, id),
                    what,
                    "name the id of a step",
                );
            }
        }
    }

    fn check_encryption(&mut self, name: &str, world: &ScenarioWorld) {
        let scenario = &self.loaded.scenario;
        let encryption = scenario.world_shape(world).encryption;
        for step in scenario.steps_in(name) {
            let Action::SetEncryption(_) = &step.action else {
                continue;
            };
            if encryption.file().is_some() {
                continue;
            }
            let what = format!(
                "step `{}` changes the encryption of world `{name}`, which begins without a file",
                step.id
            );
            self.add_finding(
                FindingPlace::Step(step),
                what,
                "`cluster: { encryption: { config: FILE } }`",
            );
        }
    }

    fn looks_back(&mut self, step: &ScenarioStep, before: &[&ScenarioStep]) {
        let earlier = |id: &str| {
            before
                .iter()
                .find(|step| step.id == id)
                .map(|step| &step.action)
        };
        let (at, fault) = match &step.action {
            Action::CheckPropagation(PlaceFollowed { of, place }) => {
                let Some(Action::Rotate(rotate)) = earlier(of) else {
                    let what = format!(
                        "`{}` looks at step `{of}`, which is not a `rotate` before it",
                        step.id
                    );
                    return self.add_finding(
                        FindingPlace::InStep(step, of),
                        what,
                        "name an earlier `rotate` step",
                    );
                };
                (
                    place,
                    (!rotate.watch.contains_key(place))
                        .then(|| format!("step `{of}` does not watch `{place}`")),
                )
            }
            Action::Restore(name)
            | Action::LookFor(ObservedRecord::Canary(CanaryMatch {
                place: LeakPlace::Snapshot(name),
                ..
            })) => {
                let saved = before
                    .iter()
                    .any(|step| step.action == Action::Snapshot(name.clone()));
                (
                    name,
                    (!saved)
                        .then(|| format!("no step before `{}` saves a snapshot `{name}`", step.id)),
                )
            }
            Action::CheckSecrets => {
                let filled = before
                    .iter()
                    .any(|step| matches!(step.action, Action::CreateSecrets(_)));
                (
                    &step.id,
                    (!filled)
                        .then(|| format!("no step before `{}` creates Secrets to check", step.id)),
                )
            }
            _ => return,
        };
        if let Some(what) = fault {
            self.add_finding(
                FindingPlace::InStep(step, at),
                what,
                "name what an earlier step made",
            );
        }
    }

    /// A canary that is looked for has to be planted, or it would never be seen anywhere.
    fn check_canaries(&mut self) {
        let planted = planted_canaries(self.loaded);
        for step in &self.loaded.scenario.steps {
            let Action::LookFor(ObservedRecord::Canary(CanaryMatch { of, .. })) = &step.action
            else {
                continue;
            };
            if !planted.contains(of) {
                let what = format!("nothing plants the canary `{of}`");
                self.add_finding(
                    FindingPlace::InStep(step, of),
                    what,
                    format!("write `$(canary:{of})` where the secret belongs"),
                );
            }
        }
    }
}

/// The canaries that manifests, files, commands and rotations bring in.
fn planted_canaries(loaded: &LoadedScenario) -> BTreeSet<String> {
    let in_text = |text: &str| {
        let kinds = ["canary", "helm-release"];
        kinds
            .iter()
            .flat_map(|kind| names::named_placeholders(text, kind))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let manifests = loaded
        .manifests
        .values()
        .flatten()
        .map(|manifest| manifest.object.to_string());
    let files = loaded
        .texts()
        .filter_map(|name| loaded.file_text(name).ok());
    let commands = loaded
        .scenario
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::Exec { command, .. } => Some(command.join(" ")),
            _ => None,
        });
    let rotated = loaded
        .scenario
        .steps
        .iter()
        .filter_map(|step| match &step.action {
            Action::Rotate(rotate) => Some(rotate.to.clone()),
            _ => None,
        });
    manifests
        .chain(files)
        .chain(commands)
        .flat_map(|text| in_text(&text))
        .chain(rotated)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{ScenarioLibrary, lint_scenario};

    fn findings(scenario: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("secrets/one");
        fs::create_dir_all(&dir).unwrap();
        fs::write(
            dir.join("scenario.yaml"),
            format!("scenario: v2\nwhy: Because.\n{scenario}"),
        )
        .unwrap();
        fs::write(
            dir.join("secret.yaml"),
            "apiVersion: v1\nkind: Secret\nmetadata: { name: a }\nstringData: { a: $(canary:a) }\n",
        )
        .unwrap();
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        lint_scenario(&library.scenarios[0])
            .into_iter()
            .map(|finding| finding.what)
            .collect()
    }

    #[test]
    fn what_looks_back_needs_something_to_see() {
        let found = findings(
            "worlds: { bare: {} }\nsteps:\n\
             - { id: a, do: { create: secret.yaml }, expect: admitted }\n\
             - { id: b, do: { check-propagation: { of: a, place: file } }, expect: updated }\n\
             - { id: c, do: { restore: monday }, expect: running }\n\
             - { id: d, do: { check-secrets }, expect: intact }\n\
             - { id: e, do: { look-for: { canary: { of: b, in: audit } } }, expect: found }\n\
             - { id: f, do: { look-for: { canary: { of: a, in: { reply: z } } } }, expect: found }\n\
             - { id: g, do: { set-encryption: { with: secret.yaml } }, expect: reloaded }\n"
                .replace("{ check-secrets }", "check-secrets")
                .as_str(),
        );
        for wanted in [
            "`b` looks at step `a`, which is not a `rotate` before it",
            "no step before `c` saves a snapshot `monday`",
            "no step before `d` creates Secrets to check",
            "nothing plants the canary `b`",
            "`f` looks at step `z`, which does not come before it",
            "step `g` changes the encryption of world `bare`, which begins without a file",
        ] {
            assert!(
                found.iter().any(|what| what == wanted),
                "{wanted}: {found:?}"
            );
        }
    }

    #[test]
    fn a_command_plants_what_it_names() {
        let text = "worlds: { bare: {} }\nsteps:\n\
             - { id: a, do: { create: secret.yaml }, expect: admitted }\n\
             - { id: b, do: { exec: { pod: a, command: [put, \"x=$(canary:b)\"] } }, expect: allowed }\n\
             - { id: c, do: { look-for: { canary: { of: b, in: audit } } }, expect: found }\n";
        let unplanted = |text: &str| {
            findings(text)
                .iter()
                .any(|what| what.starts_with("nothing plants"))
        };
        assert!(!unplanted(text));
        assert!(unplanted(&text.replace("x=$(canary:b)", "x=b")));
    }

    #[test]
    fn a_world_can_leave_a_step_out() {
        let text = "worlds: { bare: { skip-steps: [b] }, done: {} }\nsteps:\n\
             - { id: a, do: { create: secret.yaml }, expect: admitted }\n\
             - { id: b, do: { rewrite-secrets: {} }, expect: done }\n\
             - { id: c, do: { read-etcd-value: secret/a }, expect-in: { bare: plaintext, done: { encrypted: { with: aescbc } } } }\n";
        assert_eq!(findings(text), Vec::<String>::new());
        let found = findings(
            &text
                .replace("skip-steps: [b]", "skip-steps: [b, x]")
                .replace("expect: done", "expect-in: { bare: done, done: done }"),
        );
        assert_eq!(
            found,
            [
                "step `b` expects something in `bare`, which leaves it out",
                "world `bare` leaves out `x`, which is not a step",
            ]
        );
    }
}
