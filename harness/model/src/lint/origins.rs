//! Where answers are defined, and where recipes come from: words that say nothing.

use super::{FindingPlace, LintNotes};
use crate::{Action, AnswerOrigin, LoadedScenario};

/// What a world's name begins with that is said to be copied.
const COPIED_NAME_PREFIX: &str = "copied";

impl LintNotes<'_> {
    pub(super) fn check_origins(&mut self) {
        let origins = match &self.loaded.scenario.holds {
            Some(origins) if origins.is_empty() => {
                self.add_finding(
                    FindingPlace::Key("holds"),
                    "`holds` says nothing".into(),
                    "say where the answers are defined, or drop the key",
                );
                return;
            }
            Some(origins) => origins.as_slice(),
            None => return,
        };
        for (index, origin) in origins.iter().enumerate() {
            if let Some(what) = origin.origin_fault() {
                self.add_finding(
                    FindingPlace::Key("holds"),
                    what,
                    "name the first release of which it is true",
                );
            }
            if origins[..index].contains(origin) {
                let what = format!("`holds` says twice that it holds {origin}");
                self.add_finding(FindingPlace::Key("holds"), what, "say it once");
            }
            if let Some((what, hint)) = missing_basis(self.loaded, origin) {
                self.add_finding(FindingPlace::Key("holds"), what.into(), hint);
            }
        }
    }

    pub(super) fn check_sources(&mut self) {
        for (name, world) in &self.loaded.scenario.worlds {
            match &world.copied_from {
                Some(source) if source.trim().is_empty() => self.add_finding(
                    FindingPlace::World(name),
                    format!("world `{name}` was copied from nowhere"),
                    "name the document, project or issue in `copied-from`",
                ),
                None if name.starts_with(COPIED_NAME_PREFIX) => self.add_finding(
                    FindingPlace::World(name),
                    format!("world `{name}` is called copied, and does not say from where"),
                    "name the document, project or issue in `copied-from`, or call it otherwise",
                ),
                Some(_) | None => {}
            }
        }
    }
}

/// What a scenario has nothing of, and says that its answers rest on.
fn missing_basis(
    loaded: &LoadedScenario,
    origin: &AnswerOrigin,
) -> Option<(&'static str, &'static str)> {
    let scenario = &loaded.scenario;
    match origin {
        AnswerOrigin::Specification | AnswerOrigin::Release(_) => None,
        AnswerOrigin::BoxEnforcer => {
            let mut worlds = scenario.worlds.values();
            let is_enforced =
                worlds.any(|world| scenario.world_shape(world).enforce_network_policy);
            (!is_enforced).then_some((
                "no world of this scenario enforces NetworkPolicies",
                "drop `box-enforcer`",
            ))
        }
        AnswerOrigin::StandIn => {
            let mut steps = scenario.steps.iter();
            let stands_in = steps.any(|step| {
                matches!(
                    step.action,
                    Action::Kms(_) | Action::CheckAgent(_) | Action::CheckDelivery(_)
                )
            });
            (!stands_in && !loaded.text.contains("$(kms:")).then_some((
                "nothing in this scenario stands in for a real program",
                "drop `stand-in`",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{LintFinding, ScenarioLibrary, lint_scenario};

    fn findings(head: &str, world: &str) -> Vec<LintFinding> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("pods/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "scenario: v2\nwhy: Because.\n{head}worlds:\n  bare: {{}}\n  {world}\nsteps:\n\
             - {{id: a, do: {{path: /version}}, expect: allowed}}\n\
             - {{id: b, do: {{path: /healthz}}, expect-in: {{bare: allowed, {}: forbidden}}}}\n",
            world.split(':').next().unwrap()
        );
        fs::write(dir.join("scenario.yaml"), text).unwrap();
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        lint_scenario(&library.scenarios[0])
    }

    #[test]
    fn where_it_holds_is_said_once_and_rests_on_something() {
        for (head, what) in [
            ("holds: []\n", "`holds` says nothing"),
            (
                "holds: [specification, specification]\n",
                "`holds` says twice that it holds by the specification",
            ),
            (
                "holds: [{release: kubernetes}]\n",
                "`kubernetes` is not a release: write a program and its version, as in `kubernetes 1.35`",
            ),
            (
                "holds: [box-enforcer]\n",
                "no world of this scenario enforces NetworkPolicies",
            ),
            (
                "holds: [stand-in]\n",
                "nothing in this scenario stands in for a real program",
            ),
        ] {
            let found = findings(head, "other: {install: [dns]}");
            let whats: Vec<&str> = found.iter().map(|finding| finding.what.as_str()).collect();
            assert_eq!(whats, [what], "{head}");
            assert_eq!((found[0].place.line, found[0].place.column), (3, 1));
        }
        let good = "cluster: {enforce-network-policy: true}\nholds: [box-enforcer, {release: kubernetes 1.35}]\n";
        assert_eq!(findings(good, "other: {install: [dns]}"), []);
    }

    #[test]
    fn what_is_copied_says_from_where() {
        for (world, what) in [
            (
                "other: {install: [dns], copied-from: ' '}",
                "world `other` was copied from nowhere",
            ),
            (
                "copied-rule: {install: [dns]}",
                "world `copied-rule` is called copied, and does not say from where",
            ),
        ] {
            let found = findings("", world);
            let whats: Vec<&str> = found.iter().map(|finding| finding.what.as_str()).collect();
            assert_eq!(whats, [what]);
            assert_eq!(found[0].place.line, 5, "{world}");
        }
        assert_eq!(
            findings("", "copied: {install: [dns], copied-from: a page}"),
            []
        );
    }
}
