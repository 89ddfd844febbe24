//! Keys of a step that its action does not heed: what is meant by them does not happen.

use super::{FindingPlace, LintNotes};
use crate::{Action, ObjectManifest, ScenarioStep};

impl LintNotes<'_> {
    pub(super) fn check_step_keys(&mut self) {
        for step in &self.loaded.scenario.steps {
            let heeded = step.action.heeded_keys();
            let keys = [
                (
                    "as",
                    step.identity.is_some() && !heeded.identity,
                    "drop it: no request is sent in the name of the step's identity",
                ),
                (
                    "dry-run",
                    step.dry_run && !heeded.dry_run,
                    "drop it: nothing is sent that the API server could decide without storing it",
                ),
                (
                    "drop-unknown-fields",
                    step.drop_unknown_fields && !heeded.drop_unknown,
                    "drop it: no object is sent whose fields the API server could drop",
                ),
                (
                    "namespace",
                    step.namespace.is_some() && !heeded.namespace,
                    "drop it: nothing in `do` is in a namespace that a step can name",
                ),
            ];
            for (key, _, hint) in keys.into_iter().filter(|(_, is_idle, _)| *is_idle) {
                let what = format!(
                    "step `{}` says `{key}`, which `{}` does not heed",
                    step.id,
                    step.action.word()
                );
                self.add_finding(FindingPlace::StepKey(step, key), what, hint);
            }
            self.check_own_namespace(step);
        }
    }

    /// An object that names its namespace is sent there.
    fn check_own_namespace(&mut self, step: &ScenarioStep) {
        let (Some(namespace), Action::Create(file) | Action::Apply(file) | Action::Update(file)) =
            (&step.namespace, &step.action)
        else {
            return;
        };
        let own = self.loaded.single(file).map(ObjectManifest::namespace);
        if own.is_some_and(|own| !own.is_empty() && own != namespace) {
            let what = format!(
                "step `{}` says `namespace`, and the object in `{file}` names its own",
                step.id
            );
            let hint = "drop one of them: the object is sent where it says itself";
            self.add_finding(FindingPlace::StepKey(step, "namespace"), what, hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{LintFinding, ScenarioLibrary, lint_scenario};

    const POD: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: own}}";

    fn findings(keys: &str, action: &str, expect: &str) -> Vec<LintFinding> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("pods/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "scenario: v2\nwhy: Because.\nworlds: {{bare: {{}}}}\nsteps:\n\
             - {{id: first, do: {{path: /version}}, expect: allowed}}\n- id: one\n  {keys}\n  do: {{{action}}}\n  expect: {expect}\n"
        );
        fs::write(dir.join("scenario.yaml"), &text).unwrap();
        if text.contains("own.yaml") {
            fs::write(dir.join("own.yaml"), POD).unwrap();
        }
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        let found = lint_scenario(&library.scenarios[0]).into_iter();
        found
            .filter(|finding| {
                finding.what.contains("does not heed") || finding.what.contains("names its own")
            })
            .collect()
    }

    const JANE: &str = "as: {user: {name: jane}}";
    const LOOK: &str = "look-for: {output: {of: first, contains: major}}";

    #[test]
    fn a_key_that_does_nothing_is_refused() {
        for (keys, action, expect, told) in [
            (JANE, LOOK, "found", "`as`, which `look-for`"),
            (
                "dry-run: true",
                LOOK,
                "found",
                "`dry-run`, which `look-for`",
            ),
            (
                "dry-run: true",
                "get: pod/a",
                "allowed",
                "`dry-run`, which `get`",
            ),
            (
                JANE,
                "wait-running: pod/a",
                "running",
                "`as`, which `wait-running`",
            ),
            (
                JANE,
                "create-secrets: 3",
                "done",
                "`as`, which `create-secrets`",
            ),
            (
                JANE,
                "read-etcd-value: secret/a",
                "plaintext",
                "`as`, which `read-etcd-value`",
            ),
            (
                "namespace: other",
                "path: /version",
                "allowed",
                "`namespace`, which `path`",
            ),
            (
                "namespace: other",
                "list: {resource: pods, all-namespaces: true}",
                "allowed",
                "`namespace`, which `list`",
            ),
            (
                "namespace: other",
                LOOK,
                "found",
                "`namespace`, which `look-for`",
            ),
            (
                "drop-unknown-fields: true",
                "label: {target: pod/a, set: {a: b}}",
                "admitted",
                "`drop-unknown-fields`, which `label`",
            ),
        ] {
            let found = findings(keys, action, expect);
            assert_eq!(found.len(), 1, "{keys} {action}: {found:#?}");
            assert_eq!(
                found[0].what,
                format!("step `one` says {told} does not heed")
            );
            assert_eq!((found[0].place.line, found[0].place.column), (7, 3));
            assert!(found[0].hint.starts_with("drop it: "), "{}", found[0].hint);
        }
    }

    #[test]
    fn a_key_that_does_something_is_left_alone() {
        for (keys, action, expect) in [
            (JANE, "get: pod/a", "allowed"),
            (JANE, "path: /version", "allowed"),
            (JANE, "exec: {pod: a, command: [id]}", "allowed"),
            (
                JANE,
                "rotate: {secret: a, key: b, to: c, watch: {}, within: 1}",
                "admitted",
            ),
            ("dry-run: true", "delete: pod/a", "admitted"),
            (
                "dry-run: true",
                "scale: {target: deployment/a, replicas: 1}",
                "admitted",
            ),
            ("namespace: other", "list: {resource: pods}", "allowed"),
            ("namespace: other", "look-for: {object: pod/a}", "found"),
            ("namespace: other", "create-secrets: 3", "done"),
            ("drop-unknown-fields: true", "create: own.yaml", "admitted"),
            ("namespace: own", "create: own.yaml", "admitted"),
        ] {
            assert_eq!(findings(keys, action, expect), [], "{keys} {action}");
        }
    }

    #[test]
    fn an_object_is_sent_where_it_says_itself() {
        let found = findings("namespace: other", "create: own.yaml", "admitted");
        assert_eq!(found.len(), 1, "{found:#?}");
        let told = "step `one` says `namespace`, and the object in `own.yaml` names its own";
        assert_eq!((found[0].what.as_str(), found[0].place.line), (told, 7));
    }
}
