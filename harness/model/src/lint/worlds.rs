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
                match &world.repairs {
                    Some(broken) => self.check_repair(name, world, broken),
                    None => {
                        let changes = self.differs(name, "bare");
                        self.check_effect(name, world, changes);
                    }
                }
                self.check_copy(name, world);
                self.check_contrast(name, world);
            }
        }
    }

    /// Whether a step that both worlds take is meant to be answered differently.
    fn differs(&self, one: &str, other: &str) -> bool {
        let scenario = &self.loaded.scenario;
        let mut both = scenario
            .steps_in(one)
            .filter(|step| scenario.takes_step(other, &step.id));
        both.any(|step| step.intended_verdict(one) != step.intended_verdict(other))
    }

    /// What is repaired was broken, and is as in `bare` again.
    fn check_repair(&mut self, name: &str, world: &ScenarioWorld, broken: &str) {
        let scenario = &self.loaded.scenario;
        let at = FindingPlace::InWorld(name, broken);
        let fault = match scenario.worlds.get(broken) {
            None => Some(("which is not a world", "correct the name, or add the world")),
            Some(_) if broken == "bare" || broken == name => Some((
                "which breaks nothing",
                "name the world in which something is broken",
            )),
            Some(other) if other.repairs.is_some() => Some((
                "which repairs another itself",
                "name the world in which something is broken",
            )),
            Some(other) if other.changes_nothing() => Some((
                "which is declared to change nothing",
                "name the world in which something is broken",
            )),
            Some(_) => None,
        };
        if let Some((fault, hint)) = fault {
            let what = format!("world `{name}` repairs `{broken}`, {fault}");
            return self.add_finding(at, what, hint);
        }
        if world.changes_nothing() {
            let what = format!("world `{name}` repairs `{broken}`, and is declared not to help");
            let hint = "drop `ineffective` or `did-not-help`: it is judged against what it repairs";
            return self.add_finding(at, what, hint);
        }
        let is_repaired = |step: &ScenarioStep| {
            let takes = [name, broken, "bare"].map(|world| scenario.takes_step(world, &step.id));
            let [own, other, bare] =
                [name, broken, "bare"].map(|world| step.intended_verdict(world));
            takes == [true; 3] && own == bare && other != bare
        };
        if !scenario.steps.iter().any(is_repaired) {
            let what = format!(
                "world `{name}` repairs nothing of `{broken}`: no cell that is broken there is as in `bare` again"
            );
            let hint = "what is repaired shows in a step that all three worlds take";
            self.add_finding(at, what, hint);
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
    }

    /// A world has something that the one it is judged against has not.
    fn check_copy(&mut self, name: &str, world: &ScenarioWorld) {
        let scenario = &self.loaded.scenario;
        let bare_skips = scenario
            .worlds
            .get("bare")
            .map(|bare| bare.skip_steps.as_slice())
            .unwrap_or_default();
        let nothing = world.apply.is_empty() && world.cluster.is_none() && world.install.is_empty();
        if nothing && world.skip_steps == bare_skips {
            let hint = "give it something to `apply` or to `install`, a `cluster` of another shape, or steps to `skip-steps`";
            self.add_finding(
                FindingPlace::World(name),
                format!("world `{name}` is `bare` under another name"),
                hint,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{LoadedScenario, ScenarioLibrary, lint_scenario, scenario_mutants};

    /// A scenario in which `broken` refuses what `bare` and `repaired` take.
    const REPAIRED: &str = "worlds:
  bare: {}
  broken: { apply: [quota.yaml] }
  repaired: { apply: [quota.yaml, limits.yaml], repairs: broken }
steps:
  - id: plain
    do: { create: pod.yaml }
    expect-in: { bare: admitted, broken: { denied: { by: { quota: q } } }, repaired: admitted }
  - { id: alive, do: { list: { resource: pods } }, expect: allowed }
leaves-out: { unlimited-namespace: one is enough, zero-limit: one is enough }
";

    fn loaded(scenario: &str) -> LoadedScenario {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("admission/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!("scenario: v2\nwhy: Because.\n{scenario}");
        let quota = "{apiVersion: v1, kind: ResourceQuota, metadata: {name: q}, spec: {hard: {limits.memory: 1Gi}}}";
        let limits = "{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: Container, default: {memory: 1Mi}}]}}";
        let pod = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: $(image:probe)}]}}";
        for (name, text) in [
            ("scenario.yaml", text.as_str()),
            ("quota.yaml", quota),
            ("limits.yaml", limits),
            ("pod.yaml", pod),
        ] {
            fs::write(dir.join(name), text).unwrap();
        }
        let mut library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        library.scenarios.remove(0)
    }

    /// What is found of worlds; the ways round a quota are looked up elsewhere.
    fn findings(scenario: &str) -> Vec<String> {
        let found = lint_scenario(&loaded(scenario)).into_iter();
        found
            .map(|finding| finding.what)
            .filter(|what| what.starts_with("world `repaired`"))
            .collect()
    }

    #[test]
    fn a_world_that_repairs_another_may_be_as_bare_is() {
        assert_eq!(findings(REPAIRED), Vec::<String>::new());
        assert_eq!(
            findings(&REPAIRED.replace(", repairs: broken", "")),
            ["world `repaired` changes no cell against `bare`"]
        );
    }

    #[test]
    fn what_is_repaired_was_broken_and_is_as_in_bare_again() {
        let quota = "{ denied: { by: { quota: q } } }";
        let still = REPAIRED.replace("repaired: admitted", &format!("repaired: {quota}"));
        let other = REPAIRED.replace("repaired: admitted", "repaired: invalid");
        for still in [still, other] {
            assert_eq!(
                findings(&still),
                [
                    "world `repaired` repairs nothing of `broken`: no cell that is broken there is as in `bare` again"
                ]
            );
        }
        for (text, fault) in [
            ("repairs: brokn", "repairs `brokn`, which is not a world"),
            ("repairs: bare", "repairs `bare`, which breaks nothing"),
            (
                "repairs: repaired",
                "repairs `repaired`, which breaks nothing",
            ),
            (
                "repairs: broken, ineffective: true",
                "repairs `broken`, and is declared not to help",
            ),
        ] {
            let found = findings(&REPAIRED.replace("repairs: broken", text));
            let told = format!("world `repaired` {fault}");
            assert_eq!(found.first(), Some(&told), "{found:?}");
        }
        for (key, fault) in [
            ("ineffective: true", "which is declared to change nothing"),
            ("repairs: bare", "which repairs another itself"),
        ] {
            let broken = REPAIRED.replace("[quota.yaml] }", &format!("[quota.yaml], {key} }}"));
            let told = format!("world `repaired` repairs `broken`, {fault}");
            assert_eq!(findings(&broken).first(), Some(&told));
        }
    }

    /// The break is not its control: without it, nothing would be there to repair.
    #[test]
    fn only_the_repair_is_taken_out_of_a_world_that_repairs() {
        let (_, found) = scenario_mutants(&loaded(REPAIRED), false);
        let taken: Vec<(&str, &str)> = found
            .iter()
            .map(|one| (one.of.as_str(), one.without.as_str()))
            .collect();
        assert_eq!(
            taken,
            [("broken", "quota.yaml"), ("repaired", "limits.yaml")]
        );
    }
}
