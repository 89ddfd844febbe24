//! What a world's cluster lacks for what the world does in it.

use std::collections::BTreeSet;

use super::{FindingPlace, LintNotes};
use crate::addons::{plain_registry, private_registry, registry};
use crate::names::{image_of, placeholder_names};
use crate::{
    Action, AddonInstall, Answer, AnswerSettling, Capability, ScenarioStep, ScenarioWorld,
    includes_addon,
};

impl LintNotes<'_> {
    pub(super) fn check_shapes(&mut self) {
        let scenario = &self.loaded.scenario;
        self.check_versions(FindingPlace::Key("install"), "install", &scenario.install);
        for (name, world) in &scenario.worlds {
            self.check_versions(FindingPlace::World(name), name, &world.install);
            self.check_parts(name, world);
            self.check_registry(name, world);
            self.nodeless_steps(name, world);
            self.check_enforcement(name, world);
        }
    }

    /// One addon has one version in one cluster.
    fn check_versions(
        &mut self,
        at: FindingPlace<'_>,
        name: &str,
        install: &BTreeSet<AddonInstall>,
    ) {
        if let Some(addon) = repeated_name(install.iter().map(|one| one.addon().name)) {
            self.add_finding(
                at,
                format!("`{name}` installs two versions of {addon}"),
                "keep one of them; a world can name another version than the scenario",
            );
        }
    }

    /// A part of an addon is nothing without it, and two answers to one question are none.
    fn check_parts(&mut self, name: &str, world: &ScenarioWorld) {
        let install = self.loaded.scenario.world_installs(world);
        for part in install.iter().map(|one| one.addon()) {
            let Some(whole) = part
                .part_of
                .filter(|whole| !includes_addon(&install, whole))
            else {
                continue;
            };
            self.add_finding(
                FindingPlace::World(name),
                format!("world `{name}` installs {part}, which is a part of {whole}"),
                format!("`install: [{whole}, {part}]`"),
            );
        }
        let written = self.loaded.scenario.install.iter().chain(&world.install);
        for one in written.filter(|one| one.addon().part_of.is_some()) {
            let is_usual = *one == AddonInstall::usual_version(one.addon());
            if !is_usual && !install.contains(one) {
                self.add_finding(
                    FindingPlace::World(name),
                    format!(
                        "world `{name}` installs {one}, which has another version than its whole"
                    ),
                    format!(
                        "`{}` alone: a part has the version of its whole",
                        one.addon()
                    ),
                );
            }
        }
        let contradictions = install.iter().filter_map(|one| one.addon().contradicts);
        for one in contradictions.filter(|one| includes_addon(&install, one.other)) {
            self.add_finding(
                FindingPlace::World(name),
                format!("world `{name}` {}", one.about),
                "keep one of them",
            );
        }
    }

    /// A placeholder for a registry stands for nothing where there is none.
    fn check_registry(&mut self, name: &str, world: &ScenarioWorld) {
        let scenario = &self.loaded.scenario;
        let install = scenario.world_installs(world);
        let has_registry = includes_addon(&install, &registry::ADDON)
            || includes_addon(&install, &plain_registry::ADDON);
        let has_private = includes_addon(&install, &private_registry::ADDON);
        let manifests = self.loaded.world_manifests(name);
        let texts: Vec<String> = manifests.map(|one| one.object.to_string()).collect();
        let names = || texts.iter().flat_map(|text| placeholder_names(text));
        let asked = names().find(|asked| is_private_text(asked));
        if let Some(asked) = asked.filter(|_| !has_private) {
            let what = format!(
                "no registry of world `{name}` wants credentials, and a manifest of it names `$({asked})`"
            );
            let hint = "`install: [registry, private-registry]`";
            self.add_finding(FindingPlace::World(name), what, hint);
        }
        let asked = names().find(|asked| {
            *asked == "registry" || asked.starts_with("front:") || is_made_image(asked)
        });
        if let Some(asked) = asked.filter(|_| !has_registry) {
            let what =
                format!("world `{name}` has no registry, and a manifest of it names `$({asked})`");
            self.add_finding(FindingPlace::World(name), what, "`install: [registry]`");
        }
    }

    /// What runs needs a node to run on.
    fn nodeless_steps(&mut self, name: &str, world: &ScenarioWorld) {
        let scenario = &self.loaded.scenario;
        if scenario.world_shape(world).nodes > 0 {
            return;
        }
        let steps = scenario.steps_in(name).filter(|step| needs_pod(step, name));
        for step in steps {
            let id = &step.id;
            let what = format!(
                "step `{id}` needs a pod that runs, and the cluster of world `{name}` has no node"
            );
            self.add_finding(FindingPlace::Step(step), what, "drop `nodes: 0`");
        }
    }

    /// A NetworkPolicy without enforcement changes nothing: it is only tried as the recipe that
    /// does not protect.
    fn check_enforcement(&mut self, name: &str, world: &ScenarioWorld) {
        let scenario = &self.loaded.scenario;
        let is_policy = |file: &String| {
            let objects = self.loaded.manifests.get(file).into_iter().flatten();
            objects.into_iter().any(|one| one.kind() == "NetworkPolicy")
        };
        let tries_wire = scenario.steps_in(name).any(|step| {
            matches!(
                step.action,
                Action::Reach(_) | Action::OpenConnection(_) | Action::CheckConnection(_)
            )
        });
        let file = world.apply.iter().find(|file| is_policy(file));
        if let Some(file) = file
            && tries_wire
            && !world.changes_nothing()
            && !scenario.world_shape(world).enforce_network_policy
        {
            let what = format!(
                "world `{name}` applies the NetworkPolicy in `{file}`, and its cluster does not enforce it"
            );
            self.add_finding(
                FindingPlace::InWorld(name, file),
                what,
                "`cluster: { enforce-network-policy: true }`",
            );
        }
    }
}

/// The first name that is there twice.
fn repeated_name<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

/// Whether a placeholder is about the registry that wants credentials, in base64 or as it is.
fn is_private_text(name: &str) -> bool {
    let name = name.strip_prefix("base64:").unwrap_or(name);
    matches!(name, "private-registry" | "pull-config")
}

/// Whether a placeholder stands for an image that a step makes.
fn is_made_image(name: &str) -> bool {
    image_of(name).is_some()
}

/// Whether a step is about something that a pod does; one that is to be refused a node needs none.
fn needs_pod(step: &ScenarioStep, world: &str) -> bool {
    let facts = step.action.facts();
    let needs_node = facts.needs.contains(&Capability::Nodes(1));
    let is_done_by_a_pod = |answer: &Answer| {
        answer.is_positive() || matches!(answer, Answer::Blocked { .. } | Answer::Lost)
    };
    // An object stands for itself, whether or not a pod of it runs.
    let looks_at_objects = facts.settles == AnswerSettling::AsObjectsChange;
    needs_node && !looks_at_objects && step.intended_verdict(world).is_some_and(is_done_by_a_pod)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{ScenarioLibrary, lint_scenario};

    /// What is found in a scenario with these manifests beside it, of what this module looks for.
    fn findings(scenario: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("network/one");
        fs::create_dir_all(&dir).unwrap();
        fs::write(
            dir.join("scenario.yaml"),
            format!("scenario: v2\nwhy: Because.\n{scenario}"),
        )
        .unwrap();
        let pod = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: $(registry)/a}]}}";
        let policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: none}, spec: {podSelector: {}}}";
        let secret = "{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {.dockerconfigjson: $(base64:pull-config)}}";
        for (name, text) in [
            ("pod.yaml", pod),
            ("policy.yaml", policy),
            ("secret.yaml", secret),
        ] {
            if scenario.contains(name) {
                fs::write(dir.join(name), text).unwrap();
            }
        }
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        let found = lint_scenario(&library.scenarios[0]).into_iter();
        found
            .map(|finding| finding.what)
            .filter(|what| !what.contains("no step tries") && !what.contains("no other world"))
            .collect()
    }

    #[test]
    fn one_addon_has_one_version() {
        // None has a second one yet.
        assert_eq!(super::repeated_name(["kyverno", "vault"]), None);
        assert_eq!(
            super::repeated_name(["dns", "kyverno", "kyverno"]),
            Some("kyverno")
        );
    }

    #[test]
    fn a_registry_that_is_named_has_to_be_there() {
        let with = |install: &str| {
            findings(&format!(
                "{install}worlds: {{bare: {{}}}}\nsteps: [{{id: a, do: {{create: pod.yaml}}, expect: admitted}}]\n"
            ))
        };
        assert_eq!(
            with(""),
            ["world `bare` has no registry, and a manifest of it names `$(registry)`"]
        );
        assert_eq!(with("install: [registry]\n"), Vec::<String>::new());
    }

    #[test]
    fn a_registry_that_wants_credentials_has_to_be_there() {
        let with = |install: &str| {
            findings(&format!(
                "{install}worlds: {{bare: {{}}}}\nsteps: [{{id: a, do: {{create: secret.yaml}}, expect: admitted}}]\n"
            ))
        };
        let missing = "no registry of world `bare` wants credentials, and a manifest of it names `$(base64:pull-config)`";
        assert_eq!(with("install: [registry]\n"), [missing]);
        assert_eq!(
            with("install: [registry, private-registry]\n"),
            Vec::<String>::new()
        );
        assert_eq!(
            with("install: [private-registry]\n"),
            ["world `bare` installs private-registry, which is a part of registry"]
        );
    }

    #[test]
    fn what_runs_needs_a_node_and_what_is_refused_one_needs_none() {
        let with = |expect: &str| {
            findings(&format!(
                "cluster: {{nodes: 0}}\nworlds: {{bare: {{}}}}\nsteps:\n\
                 - {{id: a, do: {{wait-running: pod/a}}, expect: {expect}}}\n\
                 - {{id: b, do: {{list: {{resource: pods}}}}, expect: allowed}}\n"
            ))
        };
        assert_eq!(
            with("running"),
            ["step `a` needs a pod that runs, and the cluster of world `bare` has no node"]
        );
        assert_eq!(
            with("{not-started: {by: {scheduler: [no-node]}}}"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_policy_that_nobody_enforces_is_the_recipe_that_does_not_protect() {
        let with = |world: &str, answer: &str| {
            findings(&format!(
                "install: [dns]\nworlds:\n  bare: {{}}\n  policy: {{apply: [policy.yaml]{world}}}\nsteps:\n\
                 - {{id: a, do: {{reach: {{from: a, to: 'tcp://b:80'}}}}, expect-in: {{bare: reached, policy: {answer}}}}}\n\
                 - {{id: b, do: {{list: {{resource: pods}}}}, expect: allowed}}\n"
            ))
        };
        let nobody = "world `policy` applies the NetworkPolicy in `policy.yaml`, and its cluster does not enforce it";
        assert_eq!(with("", "{blocked: {at: connect}}"), [nobody]);
        assert_eq!(
            with(
                ", cluster: {enforce-network-policy: true}",
                "{blocked: {at: connect}}"
            ),
            Vec::<String>::new()
        );
        assert_eq!(with(", ineffective: true", "reached"), Vec::<String>::new());
    }
}
