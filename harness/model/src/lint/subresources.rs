//! Subresources: what a resource does not have is not there, and what an action does not ask for is
//! not asked for.

use super::resources::IMPERSONATED_PARTS;
use super::{FindingPlace, LintNotes};
use crate::served::{
    all_subresources, is_own_group, own_resources, resource_of_kind, subresources,
};
use crate::spelling::suggest_word;
use crate::{Action, ObjectTarget, ObservedRecord, ScenarioStep, object_kind_called};

impl LintNotes<'_> {
    pub(super) fn check_subresources(&mut self) {
        for step in &self.loaded.scenario.steps {
            match &step.action {
                Action::Get(target) => self.check_object(step, target, None),
                Action::Patch {
                    target,
                    subresource,
                    ..
                } => self.check_object(step, target, subresource.as_deref()),
                Action::UpdateSubresource {
                    target,
                    subresource,
                    ..
                } => self.check_object(step, target, Some(subresource)),
                Action::LookFor(ObservedRecord::Audit(wanted)) => {
                    if let Some(name) = &wanted.subresource {
                        self.check_recorded(step, wanted.resource.as_deref(), name);
                    }
                }
                _ => {}
            }
            for target in whole_targets(&step.action) {
                self.refuse_subresource(step, target);
            }
        }
    }

    fn check_object(&mut self, step: &ScenarioStep, target: &ObjectTarget, other: Option<&str>) {
        if let (Some(own), Some(other)) = (&target.subresource, other)
            && own != other
        {
            let what = format!("step `{}` names two subresources", step.id);
            self.add_finding(FindingPlace::InStep(step, other), what, "keep one of them");
        }
        let named = [target.subresource.as_deref(), other];
        for name in named.into_iter().flatten() {
            let plural = resource_of_kind(&target.kind);
            let is_own = is_own_kind(&target.kind) && !self.defines(&target.kind);
            self.check_name(step, &plural, is_own, name);
        }
    }

    /// What the audit log is asked for; any of them where no resource is named.
    fn check_recorded(&mut self, step: &ScenarioStep, resource: Option<&str>, name: &str) {
        match resource {
            Some(resource) if !resource.contains("$(") => {
                self.check_name(step, resource, is_own_resource(resource), name);
            }
            _ if !all_subresources().any(|one| one == name) => {
                let what = format!(
                    "step `{}` looks for the subresource `{name}`, which nothing has",
                    step.id
                );
                let hint = suggest_word(name, all_subresources(), "correct the name");
                self.add_finding(FindingPlace::InStep(step, name), what, hint);
            }
            _ => {}
        }
    }

    fn check_name(&mut self, step: &ScenarioStep, plural: &str, is_own: bool, name: &str) {
        let known = subresources(plural, is_own);
        if known.contains(&name) || name.contains("$(") {
            return;
        }
        let what = format!(
            "step `{}` names the subresource `{name}`, which `{plural}` do not have",
            step.id
        );
        let there = if known.is_empty() {
            "they have none".to_owned()
        } else {
            format!("they have {}", known.join(", "))
        };
        let hint = suggest_word(name, known.iter().copied(), &there);
        self.add_finding(FindingPlace::InStep(step, name), what, hint);
    }

    fn refuse_subresource(&mut self, step: &ScenarioStep, target: &ObjectTarget) {
        if let Some(name) = &target.subresource {
            let what = format!(
                "step `{}` names the subresource `{name}`, and `{}` is about the whole object",
                step.id,
                step.action.word()
            );
            let hint = "write KIND/NAME; `get` and `patch` know subresources";
            self.add_finding(FindingPlace::InStep(step, name), what, hint);
        }
    }
}

/// The objects that an action names and asks for as a whole.
fn whole_targets(action: &Action) -> Vec<&ObjectTarget> {
    match action {
        Action::Get(_) | Action::Patch { .. } => Vec::new(),
        Action::Delete(target)
        | Action::DeleteCollection(target)
        | Action::Label { target, .. }
        | Action::UpdateSubresource { target, .. }
        | Action::Scale { target, .. } => vec![target],
        other => super::resources::named_targets(other),
    }
}

/// Whether a kind, perhaps with its group, is one of the API server's own.
fn is_own_kind(name: &str) -> bool {
    is_own_group(match object_kind_called(name) {
        Some(kind) => kind.group,
        None => name.split_once('.').map_or("", |(_, group)| group),
    })
}

/// The same of a resource in the plural.
fn is_own_resource(plural: &str) -> bool {
    own_resources().any(|one| one.plural == plural) || IMPERSONATED_PARTS.contains(&plural)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{LintFinding, ScenarioLibrary, lint_scenario};

    fn findings(step: &str) -> Vec<LintFinding> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("pods/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "scenario: v2\nwhy: Because.\nworlds: {{bare: {{}}}}\nsteps:\n\
             - {{id: first, do: {{path: /version}}, expect: allowed}}\n- id: one\n  do: {step}\n"
        );
        fs::write(dir.join("scenario.yaml"), &text).unwrap();
        if text.contains("a.yaml") {
            fs::write(dir.join("a.yaml"), "{status: {}}").unwrap();
        }
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        let found = lint_scenario(&library.scenarios[0]).into_iter();
        found
            .filter(|finding| finding.what.contains("subresource"))
            .collect()
    }

    #[test]
    fn what_a_resource_does_not_have_is_refused() {
        for (step, what, hint) in [
            (
                "{get: pod/a/logs}, expect: allowed",
                "step `one` names the subresource `logs`, which `pods` do not have",
                "did you mean `log`? they have attach, ",
            ),
            (
                "{get: secret/a/status}, expect: allowed",
                "step `one` names the subresource `status`, which `secrets` do not have",
                "they have none",
            ),
            (
                "{get: networkpolicy.networking.k8s.io/a/status}, expect: allowed",
                "step `one` names the subresource `status`, which `networkpolicies` do not have",
                "they have none",
            ),
            (
                "{patch: {target: deployment.apps/a, subresource: resize, with: a.yaml}}, expect: admitted",
                "step `one` names the subresource `resize`, which `deployments` do not have",
                "they have scale, status",
            ),
            (
                "{get: clusterpolicy.kyverno.io/a/finalize}, expect: allowed",
                "step `one` names the subresource `finalize`, which `clusterpolicies` do not have",
                "they have scale, status",
            ),
            (
                "{patch: {target: pod/a/status, subresource: resize, with: a.yaml}}, expect: admitted",
                "step `one` names two subresources",
                "keep one of them",
            ),
            (
                "{delete: pod/a/status}, expect: admitted",
                "step `one` names the subresource `status`, and `delete` is about the whole object",
                "write KIND/NAME; ",
            ),
            (
                "{look-for: {object: pod/a/status}}, expect: found",
                "step `one` names the subresource `status`, and `look-for` is about the whole object",
                "write KIND/NAME; ",
            ),
            (
                "{look-for: {audit: {resource: pods, subresource: exek}}}, expect: absent",
                "step `one` names the subresource `exek`, which `pods` do not have",
                "did you mean `exec`? ",
            ),
            (
                "{look-for: {audit: {subresource: tokn}}}, expect: absent",
                "step `one` looks for the subresource `tokn`, which nothing has",
                "did you mean `token`? ",
            ),
        ] {
            let found = findings(&step.replace(", expect", "\n  expect"));
            assert_eq!(found.len(), 1, "{step}: {found:#?}");
            assert_eq!(found[0].what, what);
            assert!(found[0].hint.starts_with(hint), "{}", found[0].hint);
            assert!(
                found[0].place.line == 7 && found[0].place.column > 7,
                "{}",
                found[0].snippet
            );
        }
    }

    #[test]
    fn what_it_has_is_left_alone() {
        for step in [
            "{get: pod/a/log}\n  expect: allowed",
            "{get: clusterpolicy.kyverno.io/a/status}\n  expect: allowed",
            "{get: widget.shop.example/a/scale}\n  expect: allowed",
            "{patch: {target: namespace/a, subresource: finalize, with: a.yaml}}\n  expect: admitted",
            "{patch: {target: certificatesigningrequest.certificates.k8s.io/a/approval, with: a.yaml}}\n  expect: admitted",
            "{look-for: {audit: {resource: serviceaccounts, subresource: token}}}\n  expect: found",
            "{look-for: {audit: {subresource: proxy}}}\n  expect: found",
        ] {
            assert_eq!(findings(step), [], "{step}");
        }
    }
}
