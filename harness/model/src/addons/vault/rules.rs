//! What a role of Vault lets in: read out of the commands that write it, which are its manifest.

use std::collections::BTreeMap;

use crate::ways::{StoppedStep, TriedStep, is_secret_look};
use crate::{Action, Answer, LoadedScenario, ObservedRecord};

/// A role as the commands of a world leave it: what is written later counts.
pub(super) type VaultRole = BTreeMap<String, String>;

/// The path and the fields of a `vault write`.
fn vault_write(action: &Action) -> Option<(&str, Vec<(&str, &str)>)> {
    let Action::Exec { command, .. } = action else {
        return None;
    };
    let mut words = command.iter().map(String::as_str);
    let program = words.next()?;
    if !(program == "vault" || program.ends_with("/vault")) || words.next() != Some("write") {
        return None;
    }
    let mut words = words.filter(|word| !word.starts_with('-'));
    let path = words.next()?;
    Some((
        path,
        words.filter_map(|word| word.split_once('=')).collect(),
    ))
}

/// Every role that these steps write, by its path.
pub(super) fn written_roles(steps: &[TriedStep<'_>]) -> BTreeMap<String, VaultRole> {
    let mut roles: BTreeMap<String, VaultRole> = BTreeMap::new();
    for (path, fields) in steps
        .iter()
        .filter_map(|step| vault_write(&step.step.action))
    {
        if path.starts_with("auth/") && path.contains("/role/") {
            let fields = fields.into_iter();
            let fields = fields.map(|(key, value)| (key.to_owned(), value.to_owned()));
            roles.entry(path.to_owned()).or_default().extend(fields);
        }
    }
    roles
}

fn writes_roles(steps: &[TriedStep<'_>]) -> bool {
    !written_roles(steps).is_empty()
}

/// The tokens that these steps log in with, as they are written.
pub(super) fn login_tokens<'a>(steps: &[TriedStep<'a>]) -> Vec<&'a str> {
    let logins = steps
        .iter()
        .filter_map(|step| login_fields(&step.step.action));
    let tokens = logins.flatten().filter(|(key, _)| *key == "jwt");
    tokens.map(|(_, value)| value).collect()
}

fn login_fields(action: &Action) -> Option<Vec<(&str, &str)>> {
    let (path, fields) = vault_write(action)?;
    path.ends_with("/login").then_some(fields)
}

/// Whether this looks into what a login was answered.
fn is_login_output(steps: &[TriedStep<'_>], action: &Action) -> bool {
    let Action::LookFor(ObservedRecord::Output(output)) = action else {
        return false;
    };
    steps
        .iter()
        .any(|step| step.step.id == output.of && login_fields(&step.step.action).is_some())
}

/// Whether another world leaves its roles otherwise than this one.
fn has_other_role(loaded: &LoadedScenario, world: &str) -> bool {
    let roles = |world: &str| written_roles(&TriedStep::in_world(loaded, world));
    let own = roles(world);
    let mut others = loaded.scenario.worlds.keys();
    others.any(|other| roles(other) != own)
}

/// Whether Vault keeps somebody out: by what it answers a login with, or by another role.
pub(super) fn keeps_out(stopped: &StoppedStep<'_, '_>) -> bool {
    let action = &stopped.step.step.action;
    stopped.has_addon(&super::ADDON)
        && writes_roles(stopped.steps)
        && stopped.answer() == Some(&Answer::Absent)
        && (is_login_output(stopped.steps, action)
            || is_secret_look(action) && has_other_role(stopped.loaded, stopped.world))
}
