//! Who asks: what a request can carry as it is written.

use super::generated::{generated_names, makes_object};
use super::{FindingPlace, LintNotes, NAME_HINT};
use crate::scope::NAMESPACE_MARK;
use crate::spelling::suggest_word;
use crate::{Action, ImpersonateHeaders, ObjectManifest, ScenarioStep, StepIdentity};

/// The ServiceAccount that every namespace has.
pub(super) const DEFAULT_ACCOUNT: &str = "default";

const ACCOUNT_KIND: &str = "ServiceAccount";

impl LintNotes<'_> {
    pub(super) fn check_identities(&mut self) {
        for step in &self.loaded.scenario.steps {
            self.check_extra_keys(step);
            self.check_header_texts(step);
            self.check_path_text(step);
            self.check_account(step);
            self.check_recorded_users(step);
        }
    }

    /// What describes a user is carried in headers, which hold one line each and take spaces off
    /// its ends: the request could not be sent, or another user would ask.
    fn check_header_texts(&mut self, step: &ScenarioStep) {
        for text in header_texts(step.identity.as_ref()) {
            let fault = match text {
                "" => "is empty",
                _ if text.contains(char::is_control) => {
                    "has a line break or another control character"
                }
                _ if text != text.trim() => "has a space at an end",
                _ => continue,
            };
            let what = format!(
                "step `{}` asks as a user who is described by a text that {fault}: {text:?}",
                step.id
            );
            let hint = "write it without: a request cannot carry it in its headers";
            self.add_finding(FindingPlace::InStep(step, text), what, hint);
        }
        for name in account_names(step.identity.as_ref()) {
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
                let what = format!(
                    "step `{}` asks as a ServiceAccount with a name that no object can have: {name:?}",
                    step.id
                );
                self.add_finding(FindingPlace::InStep(step, name), what, NAME_HINT);
            }
        }
    }

    /// A ServiceAccount in the world's namespaces has a token only where something makes it.
    fn check_account(&mut self, step: &ScenarioStep) {
        let Some(StepIdentity::Serviceaccount {
            name, namespace, ..
        }) = &step.identity
        else {
            return;
        };
        let elsewhere = namespace.as_ref();
        if elsewhere.is_some_and(|namespace| !namespace.contains(NAMESPACE_MARK)) {
            return;
        }
        let manifests = self.loaded.manifests.values().flatten();
        let accounts = manifests.clone().filter(|one| one.kind() == ACCOUNT_KIND);
        let generated = manifests
            .clone()
            .flat_map(|one| generated_names(&one.object, ACCOUNT_KIND));
        let known: Vec<&str> = accounts
            .map(ObjectManifest::name)
            .chain([DEFAULT_ACCOUNT])
            .chain(generated)
            .collect();
        let is_made = known.contains(&name.as_str())
            || manifests
                .clone()
                .any(|one| makes_object(&one.object, &[ACCOUNT_KIND], Some(name)));
        if !is_made && !name.is_empty() {
            let what = format!(
                "step `{}` asks as the ServiceAccount `{name}`, which nothing makes",
                step.id
            );
            let hint = suggest_word(name, known, "apply it, or name one that is there");
            self.add_finding(FindingPlace::InStep(step, name), what, hint);
        }
    }

    /// A path is a part of a request's first line.
    fn check_path_text(&mut self, step: &ScenarioStep) {
        let Action::Path(path) = &step.action else {
            return;
        };
        if path.contains(|c: char| c.is_whitespace() || c.is_control()) {
            let what = format!(
                "step `{}` asks for a path with a space or a line break in it: {path:?}",
                step.id
            );
            let hint = "write `%20` for a space";
            self.add_finding(FindingPlace::InStep(step, path), what, hint);
        }
    }

    /// The API server takes these keys from the names of headers, which have no case.
    fn check_extra_keys(&mut self, step: &ScenarioStep) {
        let extra = identity_parts(step.identity.as_ref()).1;
        let keys = extra
            .into_iter()
            .filter(|key| key.chars().any(char::is_uppercase));
        for key in keys.collect::<Vec<_>>() {
            let what = format!("step `{}` has the key `{key}` in `extra`", step.id);
            self.add_finding(
                FindingPlace::InStep(step, key),
                what,
                "write it in lower case: the API server does",
            );
        }
    }
}

/// What describes the users of an identity: each is a header's text.
fn header_texts(identity: Option<&StepIdentity>) -> Vec<&str> {
    let (mut texts, other): (Vec<&str>, Option<&ImpersonateHeaders>) = match identity {
        None | Some(StepIdentity::Anonymous) => (Vec::new(), None),
        Some(StepIdentity::User {
            name,
            groups,
            uid,
            extra,
            impersonate,
        }) => {
            let first = [name].into_iter().chain(groups).chain(uid);
            let all = first.chain(extra.values().flatten());
            (all.map(String::as_str).collect(), impersonate.as_ref())
        }
        Some(StepIdentity::Serviceaccount { impersonate, .. }) => {
            (Vec::new(), impersonate.as_ref())
        }
    };
    if let Some(other) = other {
        let first = [&other.user].into_iter().chain(&other.groups);
        let all = first
            .chain(&other.uid)
            .chain(other.extra.values().flatten());
        texts.extend(all.map(String::as_str));
    }
    texts
}

/// The names of objects in the identity of a ServiceAccount.
fn account_names(identity: Option<&StepIdentity>) -> Vec<&str> {
    match identity {
        Some(StepIdentity::Serviceaccount {
            name,
            namespace,
            bound_to,
            ..
        }) => {
            let all = [name].into_iter().chain(namespace).chain(bound_to);
            all.map(String::as_str).collect()
        }
        None | Some(StepIdentity::User { .. } | StepIdentity::Anonymous) => Vec::new(),
    }
}

/// The users of an identity, and the keys of what else is told of them.
pub(super) fn identity_parts(identity: Option<&StepIdentity>) -> (Vec<&str>, Vec<&str>) {
    let (own, own_extra, other): (_, _, Option<&ImpersonateHeaders>) = match identity {
        None | Some(StepIdentity::Anonymous) => (None, None, None),
        Some(StepIdentity::User {
            name,
            extra,
            impersonate,
            ..
        }) => (Some(name.as_str()), Some(extra), impersonate.as_ref()),
        Some(StepIdentity::Serviceaccount { impersonate, .. }) => {
            (None, None, impersonate.as_ref())
        }
    };
    let users = own
        .into_iter()
        .chain(other.map(|other| other.user.as_str()));
    let extra = own_extra.into_iter().chain(other.map(|other| &other.extra));
    (
        users.collect(),
        extra
            .flat_map(|extra| extra.keys().map(String::as_str))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{LintFinding, ScenarioLibrary, lint_scenario};

    fn findings(identity: &str, action: &str) -> Vec<LintFinding> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("rbac/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "scenario: v2\nwhy: Because.\nworlds: {{bare: {{install: [kyverno, kyverno-controllers], apply: [account.yaml, made.yaml]}}}}\nsteps:\n- id: one\n  as: {identity}\n  \
             do: {{{action}}}\n  expect: allowed\n"
        );
        fs::write(dir.join("scenario.yaml"), text).unwrap();
        let account = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: robot}}";
        fs::write(dir.join("account.yaml"), account).unwrap();
        let made = "{apiVersion: kyverno.io/v1, kind: Policy, metadata: {name: makes}, spec: {rules: [{name: a, \
                    match: {any: [{resources: {kinds: [Pod]}}]}, generate: {apiVersion: v1, kind: ServiceAccount, name: courier}}, \
                    {name: b, match: {any: [{resources: {kinds: [Pod]}}]}, generate: {apiVersion: v1, kind: ConfigMap, name: postman}}]}}";
        fs::write(dir.join("made.yaml"), made).unwrap();
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        lint_scenario(&library.scenarios[0])
    }

    #[test]
    fn what_a_request_cannot_carry_is_refused() {
        for (identity, fault) in [
            (r#"{user: {name: "jane\ndoe"}}"#, "has a line break"),
            (r#"{user: {name: "jane\tdoe"}}"#, "has a line break"),
            (r#"{user: {name: ""}}"#, "is empty"),
            (r#"{user: {name: "jane "}}"#, "has a space at an end"),
            (
                r#"{user: {name: jane, groups: [a, "b\nc"]}}"#,
                "has a line break",
            ),
            (r#"{user: {name: jane, uid: "1\r"}}"#, "has a line break"),
            (
                r#"{user: {name: jane, extra: {a: ["b\n"]}}}"#,
                "has a line break",
            ),
            (
                r#"{user: {name: jane, impersonate: {user: "a\nb"}}}"#,
                "has a line break",
            ),
            (
                r#"{serviceaccount: {name: default, impersonate: {user: b, groups: [" c"]}}}"#,
                "has a space at an end",
            ),
        ] {
            let found = findings(identity, "path: /version");
            assert_eq!(found.len(), 1, "{identity}: {found:#?}");
            let told = "step `one` asks as a user who is described by a text that ";
            let what = found[0].what.strip_prefix(told).unwrap();
            assert!(what.starts_with(fault), "{what}");
            assert!(!found[0].what.contains('\n'), "{what}");
            assert_eq!(found[0].place.line, 6);
        }
        let found = findings(r#"{serviceaccount: {name: "a\nb"}}"#, "path: /version");
        assert!(found[0].what.contains("a name that no object can have"));
        let found = findings("{user: {name: jane}}", "path: /api/v1/a b");
        assert!(found[0].what.contains("a path with a space"), "{found:#?}");
        assert_eq!(found[0].place.line, 7);
    }

    #[test]
    fn an_account_that_nothing_makes_is_refused() {
        let found = findings("{serviceaccount: {name: postman}}", "path: /version");
        assert!(
            found[0]
                .what
                .ends_with("ServiceAccount `postman`, which nothing makes")
        );
        let found = findings("{serviceaccount: {name: robt}}", "path: /version");
        assert_eq!(found.len(), 1, "{found:#?}");
        let told = "step `one` asks as the ServiceAccount `robt`, which nothing makes";
        assert_eq!((found[0].what.as_str(), found[0].place.line), (told, 6));
        assert!(found[0].hint.starts_with("did you mean `robot`? "));
    }

    #[test]
    fn what_it_can_carry_is_left_alone() {
        for identity in [
            "{user: {name: jane doe, groups: [größe], uid: '7', extra: {a.io/b: [x y]}}}",
            "{user: {name: \"system:node:$(node)\", impersonate: {user: joe}}}",
            "{serviceaccount: {name: robot, namespace: $(namespace)-other}}",
            "{serviceaccount: {name: default}}",
            "{serviceaccount: {name: courier}}",
            "{serviceaccount: {name: anything, namespace: kube-system}}",
            "anonymous",
        ] {
            assert_eq!(findings(identity, "path: /version"), [], "{identity}");
        }
    }
}
