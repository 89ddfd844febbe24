//! Processes of the box that a step names: those of its world's cluster, and no others.

use std::collections::BTreeSet;

use super::{FindingPlace, LintNotes};
use crate::processes::{lasting_processes, logged_processes};
use crate::spelling::suggest_word;
use crate::{
    Action, Answer, CanaryMatch, ClusterSpec, LeakPlace, ObservedRecord, Refuser, ScenarioStep,
};

impl LintNotes<'_> {
    pub(super) fn check_processes(&mut self) {
        let scenario = &self.loaded.scenario;
        let mut told = BTreeSet::new();
        for world in scenario.worlds.keys() {
            // A file that is missing is said elsewhere.
            let Ok(cluster) = ClusterSpec::resolve(self.loaded, world) else {
                continue;
            };
            for step in scenario.steps_in(world) {
                for (name, known) in named_processes(step, world, &cluster) {
                    if !known.contains(name) && told.insert((step.id.as_str(), name)) {
                        self.add_missing(step, world, name, &known);
                    }
                }
                if let Action::Kms(kms) = &step.action
                    && !cluster.kms.contains(&kms.plugin)
                    && told.insert((step.id.as_str(), kms.plugin.as_str()))
                {
                    self.add_missing(step, world, &kms.plugin, &cluster.kms);
                }
            }
        }
    }

    fn add_missing(
        &mut self,
        step: &ScenarioStep,
        world: &str,
        name: &str,
        known: &BTreeSet<String>,
    ) {
        let what = format!(
            "step `{}` names the process `{name}`, and the cluster of world `{world}` has none of this name",
            step.id
        );
        let all: Vec<&str> = known.iter().map(String::as_str).collect();
        let there = match all.as_slice() {
            [] => "there is none".to_owned(),
            all => format!("there are {}", all.join(", ")),
        };
        let hint = suggest_word(name, all.iter().copied(), &there);
        let is_expected = expected_process(step, world) == Some(name);
        let at = if is_expected {
            FindingPlace::Expected(step, name)
        } else {
            FindingPlace::InStep(step, name)
        };
        self.add_finding(at, what, hint);
    }
}

/// The processes that a step names, each with those that it can name.
fn named_processes<'a>(
    step: &'a ScenarioStep,
    world: &str,
    cluster: &ClusterSpec,
) -> Vec<(&'a str, BTreeSet<String>)> {
    let mut named = Vec::new();
    match &step.action {
        Action::Process(change) => named.push((change.name(), lasting_processes(cluster))),
        Action::LookFor(ObservedRecord::Canary(CanaryMatch {
            place: LeakPlace::ComponentLog(name),
            ..
        })) => named.push((name.as_str(), logged_processes(cluster))),
        _ => {}
    }
    named.extend(expected_process(step, world).map(|name| (name, lasting_processes(cluster))));
    named
}

/// The process that is expected not to start.
fn expected_process<'a>(step: &'a ScenarioStep, world: &str) -> Option<&'a str> {
    match step.intended_verdict(world) {
        Some(Answer::NotStarted {
            by: Refuser::Process(name),
        }) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{LintFinding, ScenarioLibrary, lint_scenario};

    fn findings(cluster: &str, action: &str, expect: &str) -> Vec<LintFinding> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("secrets/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "scenario: v2\nwhy: Because.\ncluster: {{{cluster}}}\nworlds: {{bare: {{}}}}\nsteps:\n\
             - {{id: first, do: {{create: secret.yaml}}, expect: admitted}}\n\
             - id: one\n  do: {{{action}}}\n  expect: {expect}\n"
        );
        fs::write(dir.join("scenario.yaml"), &text).unwrap();
        let secret =
            "{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {a: $(canary:a)}}";
        fs::write(dir.join("secret.yaml"), secret).unwrap();
        if cluster.contains("config.yaml") {
            fs::write(
                dir.join("config.yaml"),
                "{kind: EncryptionConfiguration, a: $(kms:a)}",
            )
            .unwrap();
        }
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        let found = lint_scenario(&library.scenarios[0]).into_iter();
        found
            .filter(|finding| finding.what.contains("the process"))
            .collect()
    }

    const KMS: &str = "encryption: {config: config.yaml}";

    #[test]
    fn a_process_that_the_cluster_lacks_is_refused() {
        let in_log = "look-for: {canary: {of: a, in: {component-log: kubelt}}}";
        for (cluster, action, expect, name, line, hint) in [
            (
                "",
                "process: {kill: kube-apiservr}",
                "stopped",
                "kube-apiservr",
                8,
                "did you mean `kube-apiserver`? there are containerd, ",
            ),
            (
                "",
                in_log,
                "absent",
                "kubelt",
                8,
                "did you mean `kubelet`? there are containerd, ",
            ),
            (
                "",
                "process: {kill: kubelet-2}",
                "stopped",
                "kubelet-2",
                8,
                "did you mean `kubelet`? ",
            ),
            (
                "nodes: 0",
                "process: {kill: kubelet}",
                "stopped",
                "kubelet",
                8,
                "there are etcd, kube-apiserver, ",
            ),
            (
                "",
                "process: {kill: image-import}",
                "stopped",
                "image-import",
                8,
                "there are containerd, ",
            ),
            (
                "",
                "process: {kill: rekor}",
                "stopped",
                "rekor",
                8,
                "there are containerd, ",
            ),
            (
                "",
                "process: {start: etcd}",
                "{not-started: {by: {process: etc}}}",
                "etc",
                9,
                "did you mean `etcd`? ",
            ),
            ("", "kms: {plugin: a}", "done", "a", 8, "there is none"),
            (KMS, "kms: {plugin: b}", "done", "b", 8, "there are a"),
        ] {
            let found = findings(cluster, action, expect);
            assert_eq!(found.len(), 1, "{action}: {found:#?}");
            let told = format!(
                "step `one` names the process `{name}`, and the cluster of world `bare` has none of this name"
            );
            assert_eq!(
                (found[0].what.as_str(), found[0].place.line),
                (told.as_str(), line)
            );
            assert!(found[0].hint.starts_with(hint), "{}", found[0].hint);
        }
    }

    #[test]
    fn a_process_of_the_cluster_is_left_alone() {
        for (cluster, action, expect) in [
            ("", "process: {kill: kube-apiserver}", "stopped"),
            ("nodes: 2", "process: {kill: kubelet-2}", "stopped"),
            (
                "enforce-network-policy: true",
                "process: {kill: network-policy}",
                "stopped",
            ),
            (KMS, "process: {kill: kms-a}", "stopped"),
            (KMS, "kms: {plugin: a}", "done"),
            (
                "",
                "look-for: {canary: {of: a, in: {component-log: image-import}}}",
                "absent",
            ),
        ] {
            assert_eq!(findings(cluster, action, expect), [], "{action}");
        }
    }
}
