//! Whether a webhook is surely asked about the request of a step. What may or may not be so counts
//! as no: a finding has to be certain.

use serde_json::Value;

use super::LintNotes;
use crate::scope::{NAMESPACE_MARK, OWN_NAMESPACE};
use crate::spelling::plural_name;
use crate::{Action, KindIsolation, ObjectTarget, ScenarioStep, object_kind, object_kind_called};

/// A request that a step has the API server admit.
pub(super) struct AdmittedRequest<'a> {
    /// What it can be: an object that is applied may be there or not.
    operations: &'static [&'static str],
    group: String,
    /// The resource in the plural, with its subresource.
    resource: String,
    /// The namespace, where it is known.
    namespace: Option<&'a str>,
    /// The object that is sent, where there is one.
    object: Option<&'a Value>,
}

impl LintNotes<'_> {
    /// The requests that a step has the API server admit.
    pub(super) fn requests_of<'a>(&'a self, step: &'a ScenarioStep) -> Vec<AdmittedRequest<'a>> {
        let place = step.namespace.as_deref().unwrap_or(NAMESPACE_MARK);
        let sent = |file: &str, operations| {
            let sent = self.loaded.manifests.get(file).into_iter().flatten();
            sent.map(|one| sent_request(operations, &one.object, place))
                .collect()
        };
        let one = |operations, target| vec![target_request(operations, target, place)];
        match &step.action {
            Action::Create(file) => sent(file, &["CREATE"]),
            Action::Apply(file) => sent(file, &["CREATE", "UPDATE"]),
            Action::Update(file) => sent(file, &["UPDATE"]),
            Action::Patch { target, .. }
            | Action::UpdateSubresource { target, .. }
            | Action::Label { target, .. } => one(&["UPDATE"], target),
            Action::Delete(target) | Action::DeleteCollection(target) => one(&["DELETE"], target),
            Action::WaitRunning(_) => vec![pod_request(&["CREATE"], "pods", place)],
            Action::Evict(_) => vec![pod_request(&["CREATE"], "pods/eviction", place)],
            Action::Exec { .. } => vec![pod_request(&["CONNECT"], "pods/exec", place)],
            Action::AttachPod(_) => vec![pod_request(&["CONNECT"], "pods/attach", place)],
            Action::PortForward(_) => vec![pod_request(&["CONNECT"], "pods/portforward", place)],
            // Changes of which it is not told here what is sent, or which objects they meet.
            Action::DeleteLabelled { .. }
            | Action::Scale { .. }
            | Action::EphemeralContainer { .. }
            | Action::Bind { .. }
            | Action::Token { .. }
            | Action::Rotate(_)
            | Action::CreateSecrets(_)
            | Action::RewriteSecrets(_) => Vec::new(),
            // What webhooks are not asked about.
            Action::Get(_)
            | Action::List { .. }
            | Action::Path(_)
            | Action::LookFor(_)
            | Action::Reach(_)
            | Action::OpenConnection(_)
            | Action::CheckConnection(_)
            | Action::CheckAgent(_)
            | Action::CheckDelivery(_)
            | Action::CheckPropagation(_)
            | Action::CheckSecrets
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
            | Action::CopyEtcdValue(_)
            | Action::SetEncryption(_)
            | Action::Process(_)
            | Action::Node(_)
            | Action::Kms(_)
            | Action::Snapshot(_)
            | Action::Restore(_) => Vec::new(),
        }
    }
}

fn sent_request<'a>(
    operations: &'static [&'static str],
    object: &'a Value,
    place: &'a str,
) -> AdmittedRequest<'a> {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let known = object_kind(version, kind);
    let is_namespaced = known.is_some_and(|one| one.isolation == KindIsolation::Namespace);
    let own = object["metadata"]["namespace"].as_str();
    let named = object["metadata"]["name"].as_str();
    AdmittedRequest {
        operations,
        group: version
            .rsplit_once('/')
            .map_or("", |(group, _)| group)
            .to_owned(),
        resource: plural_name(kind),
        namespace: match kind {
            "Namespace" => named,
            _ if is_namespaced => own.or(Some(place)),
            _ => own,
        },
        object: Some(object),
    }
}

fn target_request<'a>(
    operations: &'static [&'static str],
    target: &'a ObjectTarget,
    place: &'a str,
) -> AdmittedRequest<'a> {
    let (kind, group) = target
        .kind
        .split_once('.')
        .unwrap_or((target.kind.as_str(), ""));
    let known = object_kind_called(&target.kind);
    let plural = known.map_or_else(|| plural_name(kind), |one| plural_name(one.kind));
    let subresource = target.subresource.as_ref();
    AdmittedRequest {
        operations,
        group: known.map_or(group, |one| one.group).to_owned(),
        resource: subresource.map_or_else(|| plural.clone(), |under| format!("{plural}/{under}")),
        namespace: known.and_then(|one| match one.isolation {
            KindIsolation::Namespace => Some(place),
            _ if one.kind == "Namespace" => Some(target.name.as_str()),
            _ => None,
        }),
        object: None,
    }
}

fn pod_request<'a>(
    operations: &'static [&'static str],
    resource: &str,
    place: &'a str,
) -> AdmittedRequest<'a> {
    AdmittedRequest {
        operations,
        group: String::new(),
        resource: resource.to_owned(),
        namespace: Some(place),
        object: None,
    }
}

impl AdmittedRequest<'_> {
    /// Whether a webhook is asked about this, whatever it says of objects and namespaces.
    pub(super) fn meets_rules(&self, hook: &Value) -> bool {
        self.operations.iter().all(|operation| {
            rules_of(hook).any(|rule| {
                has_word(rule, "operations", operation)
                    && has_word(rule, "apiGroups", &self.group)
                    && has_word(rule, "resources", &self.resource)
            })
        })
    }

    /// Whether a webhook's selectors and conditions surely let this through: there are none, or
    /// they are those of another that is asked, or they are plain labels that are seen.
    pub(super) fn meets_selectors(&self, hook: &Value, asked: Option<&Value>) -> bool {
        let is_same = |key: &str| {
            let other = asked.map(|asked| &asked[key]);
            is_empty(&hook[key]) || other == Some(&hook[key])
        };
        is_same("matchConditions")
            && (is_same("namespaceSelector") || self.is_in_namespace(&hook["namespaceSelector"]))
            && (is_same("objectSelector") || self.has_labels(&hook["objectSelector"]))
    }

    fn is_in_namespace(&self, selector: &Value) -> bool {
        selects(selector, |key, value| {
            key == OWN_NAMESPACE && self.namespace.is_some_and(|place| value == place)
        })
    }

    fn has_labels(&self, selector: &Value) -> bool {
        let labels = self.object.map(|object| &object["metadata"]["labels"]);
        selects(selector, |key, value| {
            labels.is_some_and(|labels| labels[key] == *value)
        })
    }
}

/// Whether each label of a selector that has nothing else is met.
fn selects(selector: &Value, is_met: impl Fn(&str, &Value) -> bool) -> bool {
    is_empty(&selector["matchExpressions"])
        && selector["matchLabels"]
            .as_object()
            .is_some_and(|labels| labels.iter().all(|(key, value)| is_met(key, value)))
}

fn is_empty(value: &Value) -> bool {
    value.is_null()
        || value.as_array().is_some_and(Vec::is_empty)
        || value.as_object().is_some_and(serde_json::Map::is_empty)
}

fn rules_of(hook: &Value) -> impl Iterator<Item = &Value> {
    hook["rules"].as_array().into_iter().flatten()
}

fn has_word(rule: &Value, key: &str, wanted: &str) -> bool {
    let mut words = rule[key].as_array().into_iter().flatten();
    words.any(|word| word.as_str().is_some_and(|word| covers_word(word, wanted)))
}

/// `*` stands for any word, and among resources for none with a subresource.
fn covers_word(wide: &str, narrow: &str) -> bool {
    let (whole, under) = narrow.split_once('/').unwrap_or((narrow, ""));
    match wide.split_once('/') {
        None => wide == narrow || wide == "*" && under.is_empty(),
        Some((one, other)) => {
            (one == "*" || one == whole)
                && (other == under || other == "*" && (one == "*" || !under.is_empty()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_for_others() {
        assert!(covers_word("*", "pods") && covers_word("pods/*", "pods/exec"));
        assert!(covers_word("*/*", "pods/exec") && covers_word("pods", "pods"));
        assert!(covers_word("*/exec", "pods/exec") && covers_word("*", ""));
        assert!(!covers_word("*", "pods/exec") && !covers_word("pods", "pods/exec"));
        assert!(!covers_word("pods/exec", "pods") && !covers_word("apps", ""));
    }
}
