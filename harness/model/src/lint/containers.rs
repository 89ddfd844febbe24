//! Containers that a step names, and pods of several of which it names none: the API server
//! refuses both, whatever is tried.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{FindingPlace, LintNotes};
use crate::{Action, AttachPod, CanaryMatch, LeakPlace, ObservedRecord, ScenarioStep};

/// The lists of a pod's containers. Where no container is named, only the first counts.
const CONTAINER_LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

impl LintNotes<'_> {
    pub(super) fn check_containers(&mut self) {
        for step in &self.loaded.scenario.steps {
            self.check_ending(step);
            match (&step.container, pod_of_one_container(&step.action)) {
                (Some(container), Some(pod)) => self.check_container(step, pod, container),
                (None, Some(pod)) => self.check_only_container(step, pod),
                (Some(_), None) => self.add_finding(
                    FindingPlace::Step(step),
                    format!("step `{}` names a container, and reads none", step.id),
                    "leave `container` out: it is for `exec`, and for the log of a pod",
                ),
                (None, None) => {}
            }
        }
    }

    /// The end of every kind is waited for where a quota may count it.
    fn check_ending(&mut self, step: &ScenarioStep) {
        let takes_its_time = matches!(
            step.action,
            Action::Delete(_)
                | Action::DeleteCollection(_)
                | Action::DeleteLabelled { .. }
                | Action::Evict(_)
        );
        if step.while_it_ends && !takes_its_time {
            self.add_finding(
                FindingPlace::Step(step),
                format!(
                    "step `{}` deletes nothing that takes its time to end",
                    step.id
                ),
                "leave `while-it-ends` out: it is for what is deleted or evicted",
            );
        }
    }

    fn check_container(&mut self, step: &ScenarioStep, pod: &str, container: &str) {
        let pods = self.pods_called(step, pod);
        let has_it = |pod: &&Value| container_names(pod, &CONTAINER_LISTS).contains(container);
        if pods.is_empty() || pods.iter().any(has_it) || self.is_added(container) {
            return;
        }
        let all: BTreeSet<&str> = pods
            .iter()
            .flat_map(|pod| container_names(pod, &CONTAINER_LISTS))
            .collect();
        self.add_finding(
            FindingPlace::Step(step),
            format!(
                "step `{}` names the container `{container}`, which pod `{pod}` does not have",
                step.id
            ),
            format!("it has {}", quoted_list(&all)),
        );
    }

    /// The API server does not choose among several.
    fn check_only_container(&mut self, step: &ScenarioStep, pod: &str) {
        let pods = self.pods_called(step, pod);
        let names = pods
            .iter()
            .map(|pod| container_names(pod, &CONTAINER_LISTS[..1]))
            .find(|names| names.len() > 1);
        if let Some(names) = names {
            self.add_finding(
                FindingPlace::Step(step),
                format!(
                    "pod `{pod}` has the containers {}, and step `{}` names none of them",
                    quoted_list(&names),
                    step.id
                ),
                "name it: `container: NAME`",
            );
        }
    }

    /// The pods of this name in what the worlds that take a step apply and send.
    fn pods_called(&self, step: &ScenarioStep, name: &str) -> Vec<&Value> {
        let scenario = &self.loaded.scenario;
        let takes_it = |world: &&String| scenario.steps_in(world).any(|one| one.id == step.id);
        let worlds = scenario.worlds.keys().filter(takes_it);
        let files: BTreeSet<&str> = worlds
            .flat_map(|world| {
                let applied = scenario.worlds[world].apply.iter().map(String::as_str);
                let sent = scenario.steps_in(world);
                applied.chain(sent.flat_map(|one| one.action.facts().reads))
            })
            .collect();
        let manifests = self.loaded.manifests.iter();
        let own = manifests.filter(|(file, _)| files.contains(file.as_str()));
        let all = own.flat_map(|(_, all)| all);
        all.filter(|one| one.kind() == "Pod" && one.name() == name)
            .map(|one| &one.object)
            .collect()
    }

    /// Whether something else than a pod holds this name: an ephemeral container that a step adds,
    /// a policy that adds a sidecar.
    fn is_added(&self, container: &str) -> bool {
        let all = self.loaded.manifests.values().flatten();
        all.filter(|one| one.kind() != "Pod")
            .any(|one| holds_word(&one.object, container))
    }
}

/// The pod of which this action reads one container through the API server.
fn pod_of_one_container(action: &Action) -> Option<&str> {
    match action {
        Action::Exec { pod, .. } | Action::AttachPod(AttachPod { pod, .. }) => Some(pod),
        Action::Get(target)
            if target.subresource.as_deref() == Some("log")
                && matches!(target.kind.as_str(), "pod" | "pods" | "po") =>
        {
            Some(&target.name)
        }
        Action::LookFor(ObservedRecord::Canary(CanaryMatch {
            place: LeakPlace::PodLog(pod),
            ..
        })) => Some(pod),
        _ => None,
    }
}

fn container_names<'a>(pod: &'a Value, lists: &[&str]) -> BTreeSet<&'a str> {
    let containers = lists
        .iter()
        .filter_map(|list| pod["spec"][*list].as_array());
    containers
        .flatten()
        .filter_map(|container| container["name"].as_str())
        .collect()
}

/// Whether a text within this value has this word in it.
fn holds_word(value: &Value, word: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '-';
    match value {
        Value::String(text) => text.split(|c| !in_word(c)).any(|part| part == word),
        Value::Array(items) => items.iter().any(|item| holds_word(item, word)),
        Value::Object(fields) => fields.values().any(|field| holds_word(field, word)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn quoted_list(names: &BTreeSet<&str>) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{ScenarioLibrary, lint_scenario};

    const PODS: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: one}\nspec: {containers: [{name: app, image: a}], \
        initContainers: [{name: first, image: a}]}\n---\n\
        apiVersion: v1\nkind: Pod\nmetadata: {name: two}\nspec: {containers: [{name: app, image: a}, {name: side, image: a}]}\n";

    /// Pods of the same names, with a container more and one less.
    const OTHER_PODS: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: one}\nspec: {containers: [{name: app, image: a}, {name: extra, image: a}]}\n---\n\
        apiVersion: v1\nkind: Pod\nmetadata: {name: two}\nspec: {containers: [{name: app, image: a}]}\n";

    fn findings(step: &str) -> Vec<String> {
        findings_in("{bare: {apply: [pods.yaml]}}", step)
    }

    fn findings_in(worlds: &str, step: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("pods/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "scenario: v2\nwhy: Because.\nworlds: {worlds}\nsteps:\n\
             - {{id: debug, do: {{ephemeral-container: {{pod: one, with: debug.yaml}}}}, expect: admitted}}\n\
             - {{id: read, expect: allowed, {step}}}\n"
        );
        fs::write(dir.join("scenario.yaml"), text).unwrap();
        fs::write(dir.join("pods.yaml"), PODS).unwrap();
        if worlds.contains("others.yaml") {
            fs::write(dir.join("others.yaml"), OTHER_PODS).unwrap();
        }
        fs::write(dir.join("debug.yaml"), "{name: debug, image: a}").unwrap();
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        let found = lint_scenario(&library.scenarios[0]).into_iter();
        found.map(|finding| finding.what).collect()
    }

    #[test]
    fn a_pod_with_several_containers_is_read_by_name() {
        for step in [
            "do: {exec: {pod: two, command: [id]}}",
            "do: {get: pod/two/log}",
        ] {
            let told =
                "pod `two` has the containers `app`, `side`, and step `read` names none of them";
            assert_eq!(findings(step), [told], "{step}");
            assert_eq!(
                findings(&format!("container: side, {step}")),
                Vec::<String>::new()
            );
            let other = format!("container: sied, {step}");
            let told = "step `read` names the container `sied`, which pod `two` does not have";
            assert_eq!(findings(&other), [told]);
        }
    }

    #[test]
    fn every_container_of_a_pod_can_be_named() {
        for name in ["app", "first", "debug"] {
            let step = format!("container: {name}, do: {{get: pod/one/log}}");
            assert_eq!(findings(&step), Vec::<String>::new(), "{name}");
        }
        assert_eq!(findings("do: {get: pod/one/log}"), Vec::<String>::new());
    }

    #[test]
    fn a_container_is_looked_for_where_the_step_is_taken() {
        let extra = "container: extra, do: {get: pod/one/log}";
        let two = "do: {get: pod/two/log}";
        let named = "step `read` names the container `extra`, which pod `one` does not have";
        let unnamed =
            "pod `two` has the containers `app`, `side`, and step `read` names none of them";
        let both = "{bare: {apply: [pods.yaml]}, more: {apply: [others.yaml]}}";
        assert!(!findings_in(both, extra).contains(&named.to_owned()));
        assert!(findings_in(both, two).contains(&unnamed.to_owned()));
        let apart =
            "{bare: {apply: [pods.yaml], skip-steps: [read]}, more: {apply: [others.yaml]}}";
        assert!(!findings_in(apart, two).contains(&unnamed.to_owned()));
        let other =
            "{bare: {apply: [pods.yaml]}, more: {apply: [others.yaml], skip-steps: [read]}}";
        assert!(findings_in(other, extra).contains(&named.to_owned()));
        assert!(findings_in(other, two).contains(&unnamed.to_owned()));
    }

    #[test]
    fn keys_that_do_nothing_are_found() {
        assert_eq!(
            findings("container: app, do: {get: pod/two}"),
            ["step `read` names a container, and reads none"]
        );
        assert_eq!(
            findings("while-it-ends: true, do: {get: pod/one}"),
            ["step `read` deletes nothing that takes its time to end"]
        );
        for step in [
            "do: {delete: secret/one}",
            "do: {delete: namespace/one}",
            "do: {delete-collection: configmap/one}",
            "do: {evict: one}",
        ] {
            let deleted = findings(&format!("while-it-ends: true, {step}"));
            let told = "step `read` deletes nothing that takes its time to end".to_owned();
            assert!(!deleted.contains(&told), "{deleted:?}");
        }
    }
}
