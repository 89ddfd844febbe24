//! What is tried on the wire: a block says something only where the same way is open elsewhere.

use super::{FindingPlace, LintNotes};
use crate::wire::target_pod;
use crate::{Action, Answer, HeldConnection, HoldConnection, ScenarioStep};

const TARGET_SCHEMES: [&str; 5] = ["tcp", "udp", "http", "tls", "dns"];

impl LintNotes<'_> {
    pub(super) fn check_wire(&mut self) {
        let mut holds: Vec<&HoldConnection> = Vec::new();
        for step in &self.loaded.scenario.steps {
            match &step.action {
                Action::Reach(wire) => {
                    self.check_target(step, &wire.to, &TARGET_SCHEMES);
                    if !wire.no_listener && target_pod(&wire.to).is_none() {
                        self.open_somewhere(step);
                    }
                }
                Action::OpenConnection(hold) => {
                    self.check_target(step, &hold.to, &["tcp"]);
                    self.open_somewhere(step);
                    holds.push(hold);
                }
                Action::CheckConnection(HeldConnection { from, name }) => {
                    if !holds
                        .iter()
                        .any(|hold| hold.from == *from && hold.name == *name)
                    {
                        let what = format!(
                            "no step before `{}` opens a connection `{name}` from `{from}`",
                            step.id
                        );
                        self.add_finding(
                            FindingPlace::InStep(step, name),
                            what,
                            "open it first: `open-connection: { from: POD, to: tcp://…, name: NAME }`",
                        );
                    }
                    self.open_somewhere(step);
                }
                _ => {}
            }
        }
    }

    fn check_target(&mut self, step: &ScenarioStep, to: &str, schemes: &[&str]) {
        let known = to
            .split_once("://")
            .is_some_and(|(scheme, rest)| schemes.contains(&scheme) && !rest.is_empty());
        if !known {
            let what = format!("step `{}` tries `{to}`, which is not a target", step.id);
            self.add_finding(
                FindingPlace::InStep(step, to),
                what,
                format!(
                    "a target is SCHEME://HOST:PORT, with {}",
                    schemes.join(", ")
                ),
            );
        }
    }

    /// A target that never answers proves no block: a mistyped port would pass for a policy.
    fn open_somewhere(&mut self, step: &ScenarioStep) {
        let worlds = self.loaded.scenario.worlds.keys();
        let intended: Vec<&Answer> = worlds
            .filter_map(|world| step.intended_verdict(world))
            .collect();
        let blocked = intended
            .iter()
            .any(|answer| matches!(answer, Answer::Blocked { .. }));
        if blocked && !intended.contains(&&Answer::Reached) {
            let what = format!(
                "step `{}` is blocked in every world, so nothing shows that it could be open",
                step.id
            );
            let hint = "add a world in which it is reached; where no server is meant to be there, say `no-listener: true`";
            self.add_finding(FindingPlace::Step(step), what, hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{ScenarioLibrary, lint_scenario};

    fn findings(steps: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("network/one");
        fs::create_dir_all(&dir).unwrap();
        let text = "scenario: v2\nwhy: Because.\ninstall: [dns]\ncluster: { enforce-network-policy: true }\nworlds: { bare: {}, shut: { apply: [policy.yaml] } }\nsteps:\n\
             - { id: zero, do: { path: /version }, expect-in: { bare: allowed, shut: forbidden } }\n\
             - { id: one, do: { path: /version }, expect: allowed }\n";
        fs::write(dir.join("scenario.yaml"), format!("{text}{steps}")).unwrap();
        fs::write(
            dir.join("policy.yaml"),
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: a }\nspec: {}\n",
        )
        .unwrap();
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        lint_scenario(&library.scenarios[0])
            .into_iter()
            .map(|finding| finding.what)
            .filter(|what| !what.contains("no step tries"))
            .collect()
    }

    #[test]
    fn a_block_needs_a_world_in_which_it_is_open() {
        let step = |to: &str, more: &str, expect: &str| {
            findings(&format!(
                "- {{ id: a, do: {{ reach: {{ from: web, to: \"{to}\"{more} }} }}, {expect} }}\n"
            ))
        };
        let shut = "expect: { blocked: { at: connect } }";
        let told = "step `a` is blocked in every world, so nothing shows that it could be open";
        assert_eq!(step("tcp://db:80", "", shut), [told]);
        assert_eq!(
            step("tcp://db:80", ", no-listener: true", shut),
            Vec::<String>::new()
        );
        assert_eq!(
            step("tcp://$(pod-ip:db):80", "", shut),
            Vec::<String>::new()
        );
        let either = "expect-in: { bare: reached, shut: { blocked: { at: connect } } }";
        assert_eq!(step("tcp://db:80", "", either), Vec::<String>::new());
        assert_eq!(
            step("db:80", "", either),
            ["step `a` tries `db:80`, which is not a target"]
        );
        assert_eq!(
            step("ssh://db:22", "", either),
            ["step `a` tries `ssh://db:22`, which is not a target"]
        );
    }

    #[test]
    fn only_what_was_opened_can_be_held() {
        let found = findings(
            "- { id: a, do: { open-connection: { from: web, to: \"tcp://db:80\", name: one } }, expect: reached }\n\
             - { id: b, do: { check-connection: { from: web, name: one } }, expect: reached }\n\
             - { id: c, do: { check-connection: { from: db, name: one } }, expect: reached }\n\
             - { id: d, do: { open-connection: { from: web, to: \"udp://db:80\", name: two } }, expect: reached }\n",
        );
        assert_eq!(
            found,
            [
                "no step before `c` opens a connection `one` from `db`",
                "step `d` tries `udp://db:80`, which is not a target",
            ]
        );
    }
}
