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
        let requests = self.requests_of(step);
        let meets = |hook: &Value, asked: Option<&Value>| {
            requests
                .iter()
                .any(|one| one.meets_rules(hook) && one.meets_selectors(hook, asked))
        };
        let rival = match by {
            Refuser::FailingClosed(name) | Refuser::Webhook(name) => {
                let named = hooks.iter().find(|one| one.hook["name"] == **name);
                let named = named
                    .filter(|one| requests.iter().any(|request| request.meets_rules(one.hook)));
                named.and_then(|named| {
                    hooks
                        .iter()
                        .filter(|one| !std::ptr::eq(*one, named))
                        .find(|one| meets(one.hook, Some(named.hook)))
                })
            }
            Refuser::Engine { policy, .. } if self.verifies_images(policy) => None,
            Refuser::Engine { .. } => hooks.iter().find(|one| meets(one.hook, None)),
            _ => None,
        };
        let rival = rival.map(|rival| rival.hook["name"].as_str().unwrap_or_default().to_owned());
        if let Some(rival) = rival {
            self.add_finding(
                FindingPlace::Step(step),
                format!(
                    "step `{}` is refused by {by} in `{world}`, and by webhook `{rival}` as well: which of them is named is chance",
                    step.id
                ),
                "the API server asks them at a time, and tells of the first: give them other rules, or worlds of their own",
            );
        }
    }

    /// Whether one of Kyverno's policies refuses in the mutating pass: what it says of images is
    /// asked there, before any validating webhook.
    fn verifies_images(&self, policies: &str) -> bool {
        let manifests = self.loaded.manifests.values().flatten();
        let rules = manifests
            .filter(|one| policies.split(", ").any(|name| name == one.name()))
            .filter_map(|one| one.object["spec"]["rules"].as_array());
        rules.flatten().any(|rule| !rule["verifyImages"].is_null())
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

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{ScenarioLibrary, lint_scenario};

    fn hook(name: &str, resources: &str, more: &str) -> String {
        format!(
            "{{name: {name}.test, rules: [{{apiGroups: ['*'], operations: [CREATE], resources: [{resources}]}}]{more}}}"
        )
    }

    /// What is found of two webhooks of one world, of which a step names the first.
    fn findings(one: &str, other: &str, between: &str) -> usize {
        let by = "{failing-closed: one.test}";
        findings_by(
            by,
            "apply: [one.yaml, other.yaml]",
            [one, other],
            between,
            "",
        )
    }

    /// What is found of a policy of Kyverno whose rule has this, beside a webhook.
    fn found_of_engine(rule: &str, other: &str) -> usize {
        let world = "install: [kyverno], apply: [policy.yaml, other.yaml]";
        findings_by("{kyverno: team}", world, [other, other], "", rule)
    }

    fn findings_by(
        by: &str,
        world: &str,
        [one, other]: [&str; 2],
        between: &str,
        rule: &str,
    ) -> usize {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("admission/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "scenario: v2\nwhy: Because.\nworlds: {{bare: {{}}, shut: {{{world}}}}}\nsteps:\n\
             {between}- {{id: make, do: {{create: pod.yaml}}, expect-in: {{bare: admitted, shut: {{denied: {{by: {by}}}}}}}}}\n"
        );
        fs::write(dir.join("scenario.yaml"), text).unwrap();
        let policy = format!(
            "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: team}}, spec: {{rules: [{{name: a{rule}}}]}}}}"
        );
        if world.contains("policy.yaml") {
            fs::write(dir.join("policy.yaml"), policy).unwrap();
        }
        let hooks = [("one", one), ("other", other)];
        for (name, hook) in hooks.into_iter().filter(|(name, _)| world.contains(name)) {
            let text = format!(
                "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {{name: {name}}}\nwebhooks: [{hook}]\n"
            );
            fs::write(dir.join(format!("{name}.yaml")), text).unwrap();
        }
        fs::write(
            dir.join("pod.yaml"),
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: web}}\n",
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
            let place = place.replace('a', "$(namespace)");
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
    fn the_request_of_the_step_has_to_meet_both() {
        let both = |resources: &str| {
            findings(
                &hook("one", resources, ""),
                &hook("other", resources, ""),
                "",
            )
        };
        assert_eq!(both("pods, secrets"), 1);
        assert_eq!(both("secrets"), 0);
        let one = hook("one", "pods, secrets", "");
        assert_eq!(findings(&one, &hook("other", "secrets", ""), ""), 0);
        let apps = hook("other", "pods", "").replace("'*'", "apps");
        assert_eq!(findings(&one, &apps, ""), 0);
        let updates = hook("other", "pods", "").replace("CREATE", "UPDATE");
        assert_eq!(findings(&one, &updates, ""), 0);
    }

    #[test]
    fn what_may_or_may_not_meet_is_left_alone() {
        let one = hook("one", "pods", "");
        for more in [
            ", namespaceSelector: {matchLabels: {team: a}}",
            ", namespaceSelector: {matchExpressions: [{key: team, operator: Exists}]}",
            ", objectSelector: {matchLabels: {app: other}}",
            ", matchConditions: [{name: a, expression: 'request.name == \"b\"'}]",
        ] {
            let other = hook("other", "pods", more);
            assert_eq!(findings(&one, &other, ""), 0, "{more}");
            assert_eq!(found_of_engine("", &other), 0, "{more}");
            let same = hook("one", "pods", more);
            assert_eq!(findings(&same, &other, ""), 1, "{more}");
        }
        let seen = hook(
            "other",
            "pods",
            ", objectSelector: {matchLabels: {app: web}}",
        );
        assert_eq!(findings(&one, &seen, ""), 1);
    }

    #[test]
    fn an_engine_refuses_beside_a_webhook_and_after_its_look_at_images() {
        let other = hook("other", "pods", "");
        assert_eq!(found_of_engine("", &other), 1);
        assert_eq!(
            found_of_engine(", verifyImages: [{imageReferences: ['*']}]", &other),
            0
        );
        assert_eq!(found_of_engine("", &other.replace("'*'", "apps")), 0);
    }
}
