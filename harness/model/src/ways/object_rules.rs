//! What rules on requests ask for, and what steps change of it.

use serde_json::Value;

use super::HeldControl;
use super::right_ways::grants;
use super::tried::{ChangeVerb, TriedStep};
use crate::spelling::plural_name;

/// Subresources through which a part of the object is set as well, with a word of what a policy
/// says of that part (kubernetes 1.36 `pkg/registry`, the strategies of each kind: `status` of most
/// kinds takes the labels that came with it; `core/pod/storage`: the labels of a
/// binding overwrite the pod's where `PodTopologyLabelsAdmission` is on, as it is from 1.35).
const OTHER_DOORS: [(&str, &str, &str); 14] = [
    ("pods", "status", "metadata"),
    ("pods", "status", "status"),
    ("pods", "binding", "labels"),
    ("pods", "ephemeralcontainers", "ontainers"),
    ("pods", "resize", "resources"),
    ("namespaces", "status", "metadata"),
    ("namespaces", "finalize", "metadata"),
    ("nodes", "status", "metadata"),
    ("services", "status", "externalIPs"),
    ("deployments", "scale", "replicas"),
    ("replicasets", "scale", "replicas"),
    ("statefulsets", "scale", "replicas"),
    ("persistentvolumes", "status", "metadata"),
    ("*", "status", "metadata"),
];

pub(super) const CHANGE_VERBS: &[&str] = &["update", "patch", "delete", "deletecollection"];
pub(super) const POLICY_KINDS: [&str; 4] = [
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
];

pub(super) fn namespaces_can_be_changed(control: &HeldControl<'_>) -> bool {
    grants(&control.rights, &["update", "patch"], "", &["namespaces"])
}

pub(super) fn relabels(step: &TriedStep<'_>, label: &str) -> bool {
    let mut changes = step.changes().into_iter();
    changes.any(|(_, kind)| kind == "namespace") && step.mentions(label)
}

/// Every rule of a policy or webhook.
pub(super) fn rules<'a>(control: &HeldControl<'a>) -> Vec<&'a Value> {
    let of = |object: &'a Value| {
        let policy = object["spec"]["matchConstraints"]["resourceRules"].as_array();
        let hooks = object["webhooks"].as_array().into_iter().flatten();
        let hooks = hooks.filter_map(|hook| hook["rules"].as_array());
        policy.into_iter().chain(hooks).flatten()
    };
    control.objects.iter().copied().flat_map(of).collect()
}

pub(super) fn has_operation(control: &HeldControl<'_>, operation: &str) -> bool {
    rules(control)
        .iter()
        .filter_map(|rule| rule["operations"].as_array())
        .flatten()
        .any(|one| one == operation || one == "*")
}

/// The resources that the rules name, in the plural; subresources as `PLURAL/NAME`.
pub(super) fn rule_resources(control: &HeldControl<'_>) -> Vec<String> {
    rules(control)
        .iter()
        .filter_map(|rule| rule["resources"].as_array())
        .flatten()
        .filter_map(|one| one.as_str().map(str::to_owned))
        .collect()
}

/// The resources that the rules name, each with a subresource that they do not name.
pub(super) fn other_doors(control: &HeldControl<'_>) -> Vec<(&'static str, &'static str)> {
    let resources = rule_resources(control);
    let is_named = |plural: &str, door: &str| {
        let whole = format!("{plural}/{door}");
        let mut all = resources.iter();
        all.any(|one| *one == whole || one == "*/*" || *one == format!("{plural}/*"))
    };
    OTHER_DOORS
        .into_iter()
        .filter(|(plural, ..)| resources.iter().any(|one| one == plural))
        .filter(|(plural, door, _)| !is_named(plural, door))
        .filter(|(.., word)| expressions(control).iter().any(|one| one.contains(word)))
        .map(|(plural, door, _)| (plural, door))
        .collect()
}

/// Whether an expression asks for `request.name`, which is not `request.namespace`.
pub(super) fn asks_for_name(expression: &str) -> bool {
    let mut ends = expression.split("request.name").skip(1);
    ends.any(|rest| !rest.starts_with("space"))
}

/// What the policies ask.
pub(super) fn expressions(control: &HeldControl<'_>) -> Vec<String> {
    let of = |object: &&Value| {
        let spec = &object["spec"];
        [
            &spec["validations"],
            &spec["variables"],
            &spec["matchConditions"],
        ]
        .map(Value::to_string)
    };
    control.objects.iter().flat_map(of).collect()
}

pub(super) fn changes_guarded(
    control: &HeldControl<'_>,
    steps: &[TriedStep<'_>],
    verbs: &[ChangeVerb],
) -> bool {
    let resources = rule_resources(control);
    let is_guarded = |kind: &str| {
        resources
            .iter()
            .map(|one| one.split('/').next().unwrap_or_default())
            .any(|plural| plural == "*" || is_plural(plural, kind))
    };
    let whole = steps.iter().filter(|step| step.subresource().is_none());
    let changes = whole.flat_map(TriedStep::changes);
    changes
        .filter(|(verb, _)| verbs.contains(verb))
        .any(|(_, kind)| is_guarded(&kind))
}

pub(super) fn changed_kinds(steps: &[TriedStep<'_>]) -> Vec<String> {
    let changes = steps.iter().flat_map(TriedStep::changes);
    changes.map(|(_, kind)| kind).collect()
}

/// Whether a resource is that of a kind, both in lower case.
pub(super) fn is_plural(plural: &str, kind: &str) -> bool {
    plural == kind || plural_name(kind) == plural
}

pub(super) fn parameter_kinds(control: &HeldControl<'_>) -> Vec<String> {
    let kinds = control
        .objects
        .iter()
        .filter_map(|object| object["spec"]["paramKind"]["kind"].as_str());
    kinds.map(str::to_lowercase).collect()
}

/// The labels by which objects or namespaces are selected; the namespace's own name is none that
/// can be changed.
pub(super) fn selecting_labels(control: &HeldControl<'_>) -> Vec<String> {
    let mut labels = Vec::new();
    for object in &control.objects {
        collect_labels(object, &mut labels);
    }
    labels.retain(|label| label != "kubernetes.io/metadata.name");
    if let Some(addon) = control.kind.addon_control()
        && namespaces_can_be_changed(control)
    {
        labels.extend(addon.webhook_labels.iter().map(|&label| label.to_owned()));
    }
    labels
}

pub(super) fn collect_labels(value: &Value, labels: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if matches!(
                    name.as_str(),
                    "namespaceSelector" | "objectSelector" | "selector"
                ) {
                    labels.extend(selector_keys(value));
                } else {
                    collect_labels(value, labels);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_labels(item, labels)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The keys that a label selector asks for.
pub(crate) fn selector_keys(selector: &Value) -> Vec<String> {
    let exact = selector["matchLabels"].as_object().into_iter();
    let expressions = selector["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten();
    let asked = expressions.filter_map(|one| one["key"].as_str());
    exact
        .flat_map(|labels| labels.keys().map(String::as_str))
        .chain(asked)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_request_is_not_its_namespace() {
        assert!(asks_for_name("request.name == 'a'"));
        assert!(asks_for_name("request.namespace + request.name"));
        assert!(!asks_for_name("request.namespace == 'a'"));
    }

    #[test]
    fn a_resource_is_that_of_its_kind() {
        for (plural, kind) in [
            ("pods", "pod"),
            ("networkpolicies", "networkpolicy"),
            ("ingresses", "ingress"),
            ("endpoints", "endpoints"),
        ] {
            assert!(is_plural(plural, kind), "{plural} {kind}");
        }
        assert!(!is_plural("pods", "node"));
    }
}
