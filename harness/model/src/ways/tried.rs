//! What a step sends, as far as it tells which way it tries.

use serde_json::Value;

use crate::{Action, LoadedScenario, ObjectTarget, ScenarioStep, StepIdentity, makes_pods};

/// A step, with the objects in the files that it sends.
#[derive(Clone)]
pub struct TriedStep<'a> {
    /// The step.
    pub step: &'a ScenarioStep,
    /// The objects, patches or containers that it sends.
    pub sent: Vec<&'a Value>,
}

/// How a step changes what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ChangeVerb {
    /// `create`, server-side apply of what is not there included.
    Create,
    /// `update`.
    Update,
    /// `patch`, server-side apply included.
    Patch,
    /// `delete`.
    Delete,
    /// `deletecollection`.
    DeleteCollection,
}

impl Action {
    /// The kind and the subresource that it goes through, where it goes through one.
    #[must_use]
    pub fn subresource(&self) -> Option<(String, &str)> {
        match self {
            Action::Patch {
                target,
                subresource,
                ..
            } => {
                let name = subresource.as_deref().or(target.subresource.as_deref())?;
                Some((plain_kind(target), name))
            }
            Action::UpdateSubresource {
                target,
                subresource,
                ..
            } => Some((plain_kind(target), subresource)),
            Action::Scale { target, .. } => Some((plain_kind(target), "scale")),
            Action::EphemeralContainer { .. } => Some(("pod".into(), "ephemeralcontainers")),
            Action::Evict(_) => Some(("pod".into(), "eviction")),
            Action::Bind { .. } => Some(("pod".into(), "binding")),
            Action::Exec { .. } => Some(("pod".into(), "exec")),
            Action::AttachPod(_) => Some(("pod".into(), "attach")),
            Action::PortForward(_) => Some(("pod".into(), "portforward")),
            Action::Token { .. } => Some(("serviceaccount".into(), "token")),
            Action::Get(target) | Action::Delete(target) => {
                Some((plain_kind(target), target.subresource.as_deref()?))
            }
            Action::Path(path) => {
                let proxied = ["pods", "services", "nodes"]
                    .into_iter()
                    .find(|plural| path.contains(&format!("/{plural}/")))?;
                path.contains("/proxy")
                    .then(|| (proxied.trim_end_matches('s').to_owned(), "proxy"))
            }
            Action::Create(_)
            | Action::Apply(_)
            | Action::Update(_)
            | Action::DeleteLabelled { .. }
            | Action::DeleteCollection(_)
            | Action::List { .. }
            | Action::Label { .. }
            | Action::WaitRunning(_)
            | Action::Reach(_)
            | Action::OpenConnection(_)
            | Action::CheckConnection(_)
            | Action::LookFor(_)
            | Action::Build(_)
            | Action::Push(_)
            | Action::Copy(_)
            | Action::Index(_)
            | Action::Tamper(_)
            | Action::Corrupt(_)
            | Action::Sbom(_)
            | Action::Attach(_)
            | Action::Sign(_)
            | Action::Attest(_)
            | Action::Verify(_)
            | Action::Scan(_)
            | Action::ReadEtcdValue(_)
            | Action::SetEncryption(_)
            | Action::RewriteSecrets(_)
            | Action::CreateSecrets(_)
            | Action::CheckSecrets
            | Action::Process(_)
            | Action::Node(_)
            | Action::Kms(_)
            | Action::CopyEtcdValue(_)
            | Action::Snapshot(_)
            | Action::Restore(_)
            | Action::Rotate(_)
            | Action::CheckPropagation(_)
            | Action::CheckAgent(_)
            | Action::CheckDelivery(_) => None,
        }
    }
}

impl<'a> TriedStep<'a> {
    /// The steps that the world of this name takes.
    pub(crate) fn in_world(loaded: &'a LoadedScenario, world: &str) -> Vec<Self> {
        let sent = |step: &'a ScenarioStep| {
            let files = step.action.facts().reads.into_iter();
            files
                .filter_map(|file| loaded.manifests.get(file))
                .flatten()
                .map(|manifest| &manifest.object)
                .collect()
        };
        loaded
            .scenario
            .steps_in(world)
            .map(|step| Self {
                step,
                sent: sent(step),
            })
            .collect()
    }

    /// What it changes, and how: kinds in lower case, without their groups.
    pub(crate) fn changes(&self) -> Vec<(ChangeVerb, String)> {
        use ChangeVerb::{Create, Delete, DeleteCollection, Patch, Update};
        let sent = |verbs: &[ChangeVerb]| {
            let kinds = self.sent.iter().filter_map(|object| kind_of(object));
            kinds
                .flat_map(|kind| verbs.iter().map(move |verb| (*verb, kind.clone())))
                .collect()
        };
        match &self.step.action {
            Action::Create(_) => sent(&[Create]),
            Action::Apply(_) => sent(&[Create, Patch]),
            Action::Update(_) => sent(&[Update]),
            Action::Patch { target, .. } | Action::Label { target, .. } => {
                vec![(Patch, plain_kind(target))]
            }
            Action::Scale { target, .. } | Action::UpdateSubresource { target, .. } => {
                vec![(Update, plain_kind(target))]
            }
            Action::Delete(target) => vec![(Delete, plain_kind(target))],
            Action::DeleteCollection(target) => vec![(DeleteCollection, plain_kind(target))],
            Action::DeleteLabelled { kind, .. } => {
                let kind = kind.split('.').next().unwrap_or_default();
                vec![(DeleteCollection, kind.to_owned())]
            }
            Action::EphemeralContainer { .. } => vec![(Patch, "pod".into())],
            Action::Evict(_) => vec![(Delete, "pod".into())],
            Action::Bind { .. } => vec![(Create, "pod".into())],
            Action::Token { .. } => vec![(Create, "serviceaccount".into())],
            // They ask the API server for nothing that a control of objects is about, or are the
            // operator's own hands: on images, on what etcd holds, on the cluster's processes.
            Action::Get(_)
            | Action::List { .. }
            | Action::AttachPod(_)
            | Action::PortForward(_)
            | Action::Exec { .. }
            | Action::Path(_)
            | Action::WaitRunning(_)
            | Action::Reach(_)
            | Action::OpenConnection(_)
            | Action::CheckConnection(_)
            | Action::LookFor(_)
            | Action::Build(_)
            | Action::Push(_)
            | Action::Copy(_)
            | Action::Index(_)
            | Action::Tamper(_)
            | Action::Corrupt(_)
            | Action::Sbom(_)
            | Action::Attach(_)
            | Action::Sign(_)
            | Action::Attest(_)
            | Action::Verify(_)
            | Action::Scan(_)
            | Action::ReadEtcdValue(_)
            | Action::SetEncryption(_)
            | Action::RewriteSecrets(_)
            | Action::CreateSecrets(_)
            | Action::CheckSecrets
            | Action::Process(_)
            | Action::Node(_)
            | Action::Kms(_)
            | Action::CopyEtcdValue(_)
            | Action::Snapshot(_)
            | Action::Restore(_)
            | Action::Rotate(_)
            | Action::CheckPropagation(_)
            | Action::CheckAgent(_)
            | Action::CheckDelivery(_) => Vec::new(),
        }
    }

    /// The kind and the subresource that it goes through, where it goes through one.
    pub(super) fn subresource(&self) -> Option<(String, &str)> {
        self.step.action.subresource()
    }

    /// Whether a controller makes pods because of it, or it waits for those.
    pub(super) fn is_workload(&self) -> bool {
        let waits = match &self.step.action {
            Action::WaitRunning(target) => makes_pods(&plain_kind(target)),
            _ => false,
        };
        let mut kinds = self.changes().into_iter().map(|(_, kind)| kind);
        waits || kinds.any(|kind| makes_pods(&kind))
    }

    /// Whether a field of this name is in what it sends.
    pub(super) fn sends_field(&self, name: &str) -> bool {
        self.sent.iter().any(|object| holds_field(object, name))
    }

    /// Whether this text is in its labels, or in what it sends.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        let labels = match &self.step.action {
            Action::Label { set, .. } => set.keys().any(|key| key.contains(text)),
            Action::Bind { labels, .. } => labels.keys().any(|key| key.contains(text)),
            _ => false,
        };
        labels || self.sent.iter().any(|one| one.to_string().contains(text))
    }

    /// Whether it asks in the name of another.
    pub(super) fn impersonates(&self) -> bool {
        match &self.step.identity {
            Some(
                StepIdentity::User { impersonate, .. }
                | StepIdentity::Serviceaccount { impersonate, .. },
            ) => impersonate.is_some(),
            Some(StepIdentity::Anonymous) | None => false,
        }
    }
}

/// The kind of an object with one, in lower case.
pub(super) fn kind_of(object: &Value) -> Option<String> {
    Some(object["kind"].as_str()?.to_lowercase())
}

/// The kind that a step names, without its group.
pub(super) fn plain_kind(target: &ObjectTarget) -> String {
    let kind = target.kind.split('.').next();
    kind.unwrap_or_default().to_owned()
}

/// Whether a field of this name is anywhere in a value, and holds something.
pub(crate) fn holds_field(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            key == name && !value.is_null() && *value != false || holds_field(value, name)
        }),
        Value::Array(items) => items.iter().any(|item| holds_field(item, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
