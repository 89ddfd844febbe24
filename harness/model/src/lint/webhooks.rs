//! Validating webhooks that would refuse the same request: the API server asks them all at a time,
//! and tells of the one that answers first (apiserver
//! `pkg/admission/plugin/webhook/validating/dispatcher.go`). Which one a refusal names is chance.
//! Mutating webhooks are asked one after the other, and before these.

use serde_json::Value;

use super::{FindingPlace, LintNotes};
use crate::spelling::plural_name;
use crate::{Action, Answer, LoadedScenario, ObjectTarget, Refuser, ScenarioStep};

const CONFIGURATION_KIND: &str = "ValidatingWebhookConfiguration";

/// A webhook that refuses what it cannot be asked about.
struct ClosingWebhook<'a> {
    /// The name of its configuration.
    configuration: &'a str,
    hook: &'a Value,
}

impl LintNotes<'_> {
    pub(super) fn check_webhooks(&mut self) {
        let loaded = self.loaded;
        for (world, controls) in &loaded.scenario.worlds {
            let mut hooks = Vec::new();
            for file in &controls.apply {
                take_file(loaded, file, &mut hooks);
            }
            for step in loaded.scenario.steps_in(world) {
                self.check_refusal(world, step, &hooks);
                follow_step(loaded, world, step, &mut hooks);
            }
        }
    }

    fn check_refusal(&mut self, world: &str, step: &ScenarioStep, hooks: &[ClosingWebhook<'_>]) {
        let Some(Answer::Denied { by } | Answer::NotStarted { by }) = step.intended_verdict(world)
        else {
            return;
        };
        let rival = match by {
            Refuser::FailingClosed(name) | Refuser::Webhook(name) => {
                let named = hooks.iter().find(|one| one.hook["name"] == **name);
                named.and_then(|named| {
                    hooks
                        .iter()
                        .filter(|one| !std::ptr::eq(*one, named))
                        .find(|one| may_meet(one.hook, named.hook))
                })
            }
            Refuser::Engine { .. } => {
                let requests = self.requests_of(step);
                hooks.iter().find(|one| {
                    requests
                        .iter()
                        .any(|(operation, plural)| is_asked(one.hook, operation, plural))
                })
            }
            _ => None,
        };
        if let Some(rival) = rival {
            let name = rival.hook["name"].as_str().unwrap_or_default();
            self.add_finding(
                FindingPlace::Step(step),
                format!(
                    "step `{}` is refused by {by} in `{world}`, and by webhook `{name}` as well: which of them is named is chance",
                    step.id
                ),
                "the API server asks them at a time, and tells of the first: give them other rules, or worlds of their own",
            );
        }
    }

    /// The requests that a step has the API server admit: operation, and resource in the plural.
    fn requests_of(&self, step: &ScenarioStep) -> Vec<(&'static str, String)> {
        let sent = |file: &str, operation: &'static str| {
            let sent = self.loaded.manifests.get(file).into_iter().flatten();
            sent.map(|one| (operation, plural_name(one.kind())))
                .collect()
        };
        match &step.action {
            Action::Create(file) | Action::Apply(file) => sent(file, "CREATE"),
            Action::Update(file) => sent(file, "UPDATE"),
            Action::WaitRunning(_) => vec![("CREATE", "pods".into())],
            _ => Vec::new(),
        }
    }
}

/// Notes the webhooks of a file that fail closed, instead of those of the same configuration.
fn take_file<'a>(loaded: &'a LoadedScenario, file: &str, hooks: &mut Vec<ClosingWebhook<'a>>) {
    let all = loaded.manifests.get(file).into_iter().flatten();
    for manifest in all.filter(|one| one.kind() == CONFIGURATION_KIND) {
        let own = manifest.object["webhooks"].as_array().into_iter().flatten();
        let closing = own.filter(|hook| hook["failurePolicy"] != "Ignore");
        hooks.retain(|one| one.configuration != manifest.name());
        hooks.extend(closing.map(|hook| ClosingWebhook {
            configuration: manifest.name(),
            hook,
        }));
    }
}

/// What a step changes of the webhooks. One that is patched may refuse nothing any more.
fn follow_step<'a>(
    loaded: &'a LoadedScenario,
    world: &str,
    step: &ScenarioStep,
    hooks: &mut Vec<ClosingWebhook<'a>>,
) {
    if step.dry_run || step.intended_verdict(world) != Some(&Answer::Admitted) {
        return;
    }
    match &step.action {
        Action::Delete(target)
        | Action::DeleteCollection(target)
        | Action::Patch { target, .. }
        | Action::Label { target, .. }
            if is_configuration(target) =>
        {
            hooks.retain(|one| one.configuration != target.name);
        }
        Action::Create(file) | Action::Apply(file) | Action::Update(file) => {
            take_file(loaded, file, hooks);
        }
        _ => {}
    }
}

fn is_configuration(target: &ObjectTarget) -> bool {
    let kind = target.kind.split('.').next().unwrap_or_default();
    plural_name(kind) == plural_name(CONFIGURATION_KIND) || kind == plural_name(CONFIGURATION_KIND)
}

/// Whether a request can be that both webhooks are asked about.
fn may_meet(one: &Value, other: &Value) -> bool {
    let selectors = ["namespaceSelector", "objectSelector"];
    let are_apart = selectors.iter().any(|selector| {
        let labels = one[*selector]["matchLabels"].as_object();
        labels.into_iter().flatten().any(|(key, value)| {
            let theirs = &other[*selector]["matchLabels"][key];
            !theirs.is_null() && theirs != value
        })
    });
    !are_apart
        && rules_of(one).any(|rule| rules_of(other).any(|theirs| rules_overlap(rule, theirs)))
}

fn rules_of(hook: &Value) -> impl Iterator<Item = &Value> {
    hook["rules"].as_array().into_iter().flatten()
}

fn rules_overlap(one: &Value, other: &Value) -> bool {
    let words = |rule: &Value, key: &str| -> Vec<String> {
        let words = rule[key].as_array().into_iter().flatten();
        let words = words.filter_map(Value::as_str);
        words.map(str::to_owned).collect()
    };
    ["apiGroups", "operations", "resources"].iter().all(|key| {
        let theirs = words(other, key);
        words(one, key)
            .iter()
            .any(|word| theirs.iter().any(|their| words_meet(word, their)))
    })
}

/// `*` stands for any word, and among resources for none with a subresource.
fn words_meet(one: &str, other: &str) -> bool {
    let covers = |wide: &str, narrow: &str| {
        wide == narrow
            || wide == "*/*"
            || wide == "*" && !narrow.contains('/')
            || wide
                .strip_suffix("/*")
                .is_some_and(|whole| narrow.split('/').next() == Some(whole))
    };
    covers(one, other) || covers(other, one)
}

/// Whether a webhook is asked about this request, as far as its rules say.
fn is_asked(hook: &Value, operation: &str, plural: &str) -> bool {
    let names = |rule: &Value, key: &str, wanted: &str| {
        let mut words = rule[key].as_array().into_iter().flatten();
        words.any(|word| word.as_str().is_some_and(|word| words_meet(word, wanted)))
    };
    rules_of(hook)
        .any(|rule| names(rule, "operations", operation) && names(rule, "resources", plural))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::{ScenarioLibrary, lint_scenario};

    fn hook(name: &str, resources: &str, more: &str) -> String {
        format!(
            "{{name: {name}.test, rules: [{{apiGroups: ['*'], operations: [CREATE], resources: [{resources}]}}]{more}}}"
        )
    }

    /// What is found of two webhooks of one world, of which a step names the first.
    fn findings(one: &str, other: &str, between: &str) -> usize {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("admission/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "scenario: v2\nwhy: Because.\nworlds: {{bare: {{}}, shut: {{apply: [one.yaml, other.yaml]}}}}\nsteps:\n\
             {between}- {{id: make, do: {{create: pod.yaml}}, expect-in: {{bare: admitted, shut: {{denied: {{by: {{failing-closed: one.test}}}}}}}}}}\n"
        );
        fs::write(dir.join("scenario.yaml"), text).unwrap();
        for (name, hook) in [("one", one), ("other", other)] {
            let text = format!(
                "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {{name: {name}}}\nwebhooks: [{hook}]\n"
            );
            fs::write(dir.join(format!("{name}.yaml")), text).unwrap();
        }
        fs::write(
            dir.join("pod.yaml"),
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n",
        )
        .unwrap();
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        lint_scenario(&library.scenarios[0])
            .iter()
            .filter(|finding| finding.what.contains("which of them is named is chance"))
            .count()
    }

    #[test]
    fn two_that_refuse_the_same_request_are_found() {
        let one = hook("one", "pods", "");
        assert_eq!(findings(&one, &hook("other", "pods", ""), ""), 1);
        assert_eq!(findings(&one, &hook("other", "'*'", ""), ""), 1);
        assert_eq!(findings(&one, &hook("other", "secrets", ""), ""), 0);
        let ignoring = hook("other", "pods", ", failurePolicy: Ignore");
        assert_eq!(findings(&one, &ignoring, ""), 0);
    }

    #[test]
    fn those_of_other_namespaces_never_meet() {
        let of = |name: &str, place: &str| {
            let selector = format!(
                ", namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {place}}}}}"
            );
            hook(name, "pods", &selector)
        };
        assert_eq!(findings(&of("one", "a"), &of("other", "b"), ""), 0);
        assert_eq!(findings(&of("one", "a"), &of("other", "a"), ""), 1);
    }

    #[test]
    fn one_that_is_deleted_or_changed_before_refuses_nothing() {
        let (one, other) = (hook("one", "pods", ""), hook("other", "pods", ""));
        let gone = "- {id: away, do: {delete: validatingwebhookconfiguration/other}, expect-in: {bare: not-found, shut: admitted}}\n";
        assert_eq!(findings(&one, &other, gone), 0);
        let different =
            "- {id: away, do: {delete: validatingwebhookconfiguration/third}, expect: not-found}\n";
        assert_eq!(findings(&one, &other, different), 1);
    }

    #[test]
    fn words_stand_for_others() {
        assert!(words_meet("*", "pods") && words_meet("pods/*", "pods/exec"));
        assert!(words_meet("*/*", "pods/exec") && words_meet("pods", "pods"));
        assert!(!words_meet("*", "pods/exec") && !words_meet("pods", "pods/exec"));
        let hook = json!({"rules": [{"operations": ["CREATE"], "resources": ["pods"]}]});
        assert!(is_asked(&hook, "CREATE", "pods") && !is_asked(&hook, "UPDATE", "pods"));
    }
}
