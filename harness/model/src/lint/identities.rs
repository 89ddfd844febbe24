//! Who asks, and who is looked for in the audit log.

use std::collections::BTreeSet;

use super::{FindingPlace, LintNotes};
use crate::{Action, ImpersonateHeaders, ObservedRecord, ScenarioStep, StepIdentity};

/// The user of the administrator in a box.
const ADMINISTRATOR_NAME: &str = "admin";

/// Users of Kubernetes itself, ServiceAccounts among them.
const SYSTEM_PREFIX: &str = "system:";

impl LintNotes<'_> {
    pub(super) fn check_identities(&mut self) {
        for step in &self.loaded.scenario.steps {
            self.check_extra_keys(step);
            self.check_recorded_users(step);
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

    /// A user that no step asks as is never recorded, and `absent` would be believed.
    fn check_recorded_users(&mut self, step: &ScenarioStep) {
        let Action::LookFor(ObservedRecord::Audit(wanted)) = &step.action else {
            return;
        };
        let steps = self.loaded.scenario.steps.iter();
        let known: BTreeSet<&str> = steps
            .flat_map(|step| identity_parts(step.identity.as_ref()).0)
            .collect();
        let users = [&wanted.user, &wanted.impersonated].into_iter().flatten();
        let is_known = |user: &&String| {
            known.contains(user.as_str())
                || *user == ADMINISTRATOR_NAME
                || user.starts_with(SYSTEM_PREFIX)
        };
        let unknown: Vec<&String> = users.filter(|user| !is_known(user)).collect();
        for user in unknown {
            let what = format!(
                "step `{}` looks for the user `{user}`, and no step asks as it",
                step.id
            );
            self.add_finding(
                FindingPlace::InStep(step, user),
                what,
                "name a user of a step, or whom one impersonates",
            );
        }
    }
}

/// The users of an identity, and the keys of what else is told of them.
fn identity_parts(identity: Option<&StepIdentity>) -> (Vec<&str>, Vec<&str>) {
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
