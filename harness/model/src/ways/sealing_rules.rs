//! Encryption configurations, and what steps do with the bytes that they seal.

use serde_json::{Value, json};

use super::object_rules::is_plural;
use super::tried::{ChangeVerb, TriedStep, plain_kind};
use crate::{Action, EncryptionShape, LeakPlace, LoadedScenario, ObjectTarget, ObservedRecord};

/// The first configuration, and those that the steps give the API server, in their order. One that
/// cannot be read, which the lint says elsewhere, is null.
pub(super) fn sealing_configurations(
    loaded: &LoadedScenario,
    first: &EncryptionShape,
    steps: &[TriedStep<'_>],
) -> Vec<Value> {
    let read = |file: &str| {
        let text = loaded.file_text(file).ok();
        let parsed = text.and_then(|text| serde_saphyr::from_str(&text).ok());
        parsed.unwrap_or(Value::Null)
    };
    let usual = |provider: &str| json!({"resources": [{"resources": ["secrets"], "providers": [{provider: {}}, {"identity": {}}]}]});
    let first = match first {
        EncryptionShape::Identity => return Vec::new(),
        EncryptionShape::Aescbc => usual("aescbc"),
        EncryptionShape::Aesgcm => usual("aesgcm"),
        EncryptionShape::Secretbox => usual("secretbox"),
        EncryptionShape::Config(file) | EncryptionShape::ReloadingConfig(file) => read(file),
    };
    let given = steps.iter().filter_map(|step| match &step.step.action {
        Action::SetEncryption(given) => Some(read(&given.with)),
        _ => None,
    });
    [first].into_iter().chain(given).collect()
}

/// The providers of each entry of a configuration, in their order.
pub(super) fn provider_lists(configuration: &Value) -> Vec<Vec<&str>> {
    let entries = configuration["resources"].as_array().into_iter().flatten();
    entries
        .map(|entry| {
            let providers = entry["providers"].as_array().into_iter().flatten();
            let named = providers.filter_map(|one| one.as_object()?.keys().next());
            named.map(String::as_str).collect()
        })
        .collect()
}

/// Whether one entry has `identity` before a provider that seals.
pub(super) fn has_identity_first(configuration: &Value) -> bool {
    let mut lists = provider_lists(configuration).into_iter();
    lists.any(|list| list.len() > 1 && list.first() == Some(&"identity"))
}

/// Whether one entry has `identity` behind a provider that seals.
pub(super) fn has_identity_behind(configuration: &Value) -> bool {
    let mut lists = provider_lists(configuration).into_iter();
    lists.any(|list| list.iter().skip(1).any(|one| *one == "identity"))
}

/// The resources that a configuration lists, such as `secrets` or `*.*`.
fn listed_resources(configuration: &Value) -> impl Iterator<Item = &str> {
    let entries = configuration["resources"].as_array().into_iter().flatten();
    let listed = entries.filter_map(|entry| entry["resources"].as_array());
    listed.flatten().filter_map(Value::as_str)
}

pub(super) fn lists_everything(configuration: &Value) -> bool {
    listed_resources(configuration).any(|one| one == "*.*")
}

/// Whether a configuration lists objects of this kind, in lower case, perhaps with a group.
pub(super) fn lists_kind(configuration: &Value, kind: &str) -> bool {
    let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
    listed_resources(configuration).any(|one| {
        let (plural, own_group) = one.split_once('.').unwrap_or((one, ""));
        let is_kind = plural == "*" || is_plural(plural, kind);
        one == "*.*" || is_kind && (own_group == group || own_group == "*" || group.is_empty())
    })
}

/// The object whose stored bytes a step looks at.
pub(super) fn stored_bytes<'a>(step: &TriedStep<'a>) -> Option<&'a ObjectTarget> {
    match &step.step.action {
        Action::ReadEtcdValue(target) => Some(target),
        Action::LookFor(ObservedRecord::Canary(canary)) => match &canary.place {
            LeakPlace::EtcdValue(target) => Some(target),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a step looks at what lies on the disk of etcd, or at a copy of it.
pub(super) fn looks_at_disk(step: &TriedStep<'_>) -> bool {
    match &step.step.action {
        Action::Restore(_) => true,
        Action::LookFor(ObservedRecord::Canary(canary)) => {
            matches!(canary.place, LeakPlace::EtcdFiles | LeakPlace::Snapshot(_))
        }
        _ => false,
    }
}

/// Whether a step looks for a value where no encryption of etcd is: in a log, in an event, in
/// another object, in an image. What was answered with a Secret is the Secret.
pub(super) fn looks_outside(steps: &[TriedStep<'_>], step: &TriedStep<'_>) -> bool {
    let Action::LookFor(ObservedRecord::Canary(canary)) = &step.step.action else {
        return false;
    };
    match &canary.place {
        LeakPlace::EtcdValue(_) | LeakPlace::EtcdFiles | LeakPlace::Snapshot(_) => false,
        LeakPlace::Audit
        | LeakPlace::Events
        | LeakPlace::ComponentLog(_)
        | LeakPlace::PodLog(_)
        | LeakPlace::Image(_) => true,
        LeakPlace::Field { of, .. } => plain_kind(of) != "secret",
        LeakPlace::Reply(id) => {
            let mut asked = steps.iter().filter(|step| step.step.id == *id);
            !asked.any(|step| reads_kind(step, "secret"))
        }
    }
}

/// Whether a step gets or lists objects of this kind.
pub(super) fn reads_kind(step: &TriedStep<'_>, kind: &str) -> bool {
    match &step.step.action {
        Action::Get(target) => plain_kind(target) == kind,
        Action::List { resource, .. } => is_plural(resource, kind),
        Action::Path(path) => path.contains(&format!("/{}", crate::plural_name(kind))),
        _ => false,
    }
}

/// Whether a step makes this object.
pub(super) fn makes_object(step: &TriedStep<'_>, target: &ObjectTarget) -> bool {
    let creates = step
        .changes()
        .into_iter()
        .any(|(verb, kind)| verb == ChangeVerb::Create && kind == plain_kind(target));
    let mut names = step.sent.iter().map(|object| &object["metadata"]["name"]);
    creates && names.any(|name| *name == *target.name)
}
