//! Whose signature or statement a step wants: an identity that nothing can judge is refused, and so
//! is a type of statement that is not one. A certificate is judged by one subject and one issuer,
//! each exactly or by an expression (cosign 3.1 `verify --certificate-identity` and its like).

use super::{FindingPlace, LintNotes};
use crate::spelling::suggest_word;
use crate::{Action, PREDICATE_TYPES, ScenarioStep, VerifyTrust, compile_expression};

impl LintNotes<'_> {
    pub(super) fn check_trust(&mut self) {
        for step in &self.loaded.scenario.steps {
            let verify = match &step.action {
                Action::Verify(verify) => verify,
                Action::Attest(attest) => {
                    self.check_predicate_type(step, &attest.kind);
                    continue;
                }
                _ => continue,
            };
            if let Some(kind) = &verify.kind {
                self.check_predicate_type(step, kind);
            }
            let VerifyTrust::Identity {
                subject,
                subject_like,
                issuer,
                issuer_like,
            } = &verify.by
            else {
                continue;
            };
            self.check_party(step, "subject", subject.as_deref(), subject_like.as_deref());
            self.check_party(step, "issuer", issuer.as_deref(), issuer_like.as_deref());
        }
    }

    /// A type is one of cosign's words or a URI: it refuses others before it looks at anything.
    fn check_predicate_type(&mut self, step: &ScenarioStep, kind: &str) {
        let mut words = PREDICATE_TYPES.into_iter().map(|(word, _)| word);
        if words.any(|word| word == kind) || is_uri(kind) {
            return;
        }
        let what = format!(
            "step `{}` names the type `{kind}`, which is neither a word of cosign's nor a URI",
            step.id
        );
        let known: Vec<&str> = PREDICATE_TYPES.iter().map(|(word, _)| *word).collect();
        let there = format!("there are {}", known.join(", "));
        let hint = suggest_word(kind, known, &there);
        self.add_finding(FindingPlace::InStep(step, kind), what, hint);
    }

    /// One of the two parties that a certificate names.
    fn check_party(
        &mut self,
        step: &ScenarioStep,
        party: &str,
        exactly: Option<&str>,
        like: Option<&str>,
    ) {
        let id = &step.id;
        let (word, what) = match (exactly, like) {
            (None, None) => ("identity", format!("step `{id}` wants no `{party}`")),
            (Some(_), Some(_)) => (
                party,
                format!("step `{id}` wants `{party}` and an expression for it"),
            ),
            (Some(text), None) | (None, Some(text)) if text.trim().is_empty() => (
                party,
                format!("step `{id}` wants `{party}` without a letter"),
            ),
            (Some(_), None) => return,
            (None, Some(text)) => match compile_expression(text) {
                Ok(_) => return,
                Err(fault) => (
                    party,
                    format!("step `{id}` wants `{party}` like `{text}`: {fault}"),
                ),
            },
        };
        let hint = format!("give an identity one of `{party}` and `{party}-like`");
        self.add_finding(FindingPlace::InStep(step, word), what, hint);
    }
}

/// As Go's `url.ParseRequestURI` takes it: with a scheme, or an absolute path.
fn is_uri(text: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    text.starts_with('/')
        || text
            .split_once(':')
            .is_some_and(|(scheme, _)| is_scheme(scheme))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{ScenarioLibrary, lint_scenario};

    fn findings(identity: &str) -> Vec<String> {
        let by = format!("by: {{identity: {identity}}}");
        verify_findings(&by)
    }

    fn verify_findings(asked: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("signing/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "scenario: v2\nwhy: Because.\ninstall: [registry, sigstore]\nworlds: {{bare: {{}}}}\nsteps:\n\
             - {{id: build, do: {{build: {{image: app}}}}, expect: done}}\n\
             - id: one\n  do: {{verify: {{image: app, {asked}}}}}\n  expect: verified\n"
        );
        fs::write(dir.join("scenario.yaml"), text).unwrap();
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        let found = lint_scenario(&library.scenarios[0]).into_iter();
        let of_step = found.filter(|one| {
            let told = ["step `one` wants", "step `one` names the type"];
            told.iter().any(|begin| one.what.starts_with(begin))
        });
        of_step
            .map(|one| {
                assert_eq!(one.place.line, 8, "{}", one.snippet);
                one.what
            })
            .collect()
    }

    #[test]
    fn an_identity_that_nothing_can_judge_is_refused() {
        for (identity, wanted) in [
            (
                "{}",
                vec![
                    "step `one` wants no `subject`",
                    "step `one` wants no `issuer`",
                ],
            ),
            ("{subject: a}", vec!["step `one` wants no `issuer`"]),
            ("{issuer-like: a}", vec!["step `one` wants no `subject`"]),
            (
                "{subject: a, subject-like: b, issuer: c}",
                vec!["step `one` wants `subject` and an expression for it"],
            ),
            (
                "{subject: a, issuer: c, issuer-like: d}",
                vec!["step `one` wants `issuer` and an expression for it"],
            ),
            (
                "{subject: '', issuer-like: ' '}",
                vec![
                    "step `one` wants `subject` without a letter",
                    "step `one` wants `issuer` without a letter",
                ],
            ),
            (
                "{subject-like: '(', issuer: c}",
                vec!["step `one` wants `subject` like `(`: not an expression: unclosed group"],
            ),
            (
                "{subject: a, issuer-like: 'a**'}",
                vec![
                    "step `one` wants `issuer` like `a**`: not an expression: `* repeated` is not in the \
                     syntax of RE2",
                ],
            ),
        ] {
            assert_eq!(findings(identity), wanted, "{identity}");
        }
    }

    #[test]
    fn a_type_is_a_word_of_cosigns_or_a_uri() {
        let of_type = |kind: &str| verify_findings(&format!("by: {{key: a}}, type: '{kind}'"));
        for kind in ["slsaprovenanc", "x y", ""] {
            let told = format!(
                "step `one` names the type `{kind}`, which is neither a word of cosign's nor a URI"
            );
            assert_eq!(of_type(kind), [told]);
        }
        for kind in ["openvex", "https://slsa.dev/provenance/v1", "urn:a", "/a"] {
            assert_eq!(of_type(kind), Vec::<String>::new(), "{kind}");
        }
    }

    #[test]
    fn one_that_can_be_judged_is_left_alone() {
        for identity in [
            "{subject: 'https://kubernetes.io/namespaces/$(namespace)/serviceaccounts/a', issuer: c}",
            "{subject-like: '^\\Qa.b\\E$', issuer-like: .*}",
            "{subject-like: '/namespaces/$(namespace)/', issuer: c}",
        ] {
            assert_eq!(findings(identity), Vec::<String>::new(), "{identity}");
        }
    }
}
