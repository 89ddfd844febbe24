//! Which objects a quota with a scope counts (kubernetes 1.36
//! `pkg/quota/v1/evaluator/core/pods.go`, `podMatchesScopeFunc`).

use serde_json::{Value, json};

use crate::Error;
use crate::discovery::ApiResource;

/// The one scope that is not for pods.
const CLAIM_SCOPE: &str = "VolumeAttributesClass";

/// Whether a quota of this spec counts an object of this kind. A scope is for pods, but for one for
/// claims; other objects are in none.
///
/// # Errors
/// When a scope is not known.
pub(super) fn matches_scopes(
    spec: &Value,
    counted: &ApiResource,
    item: &Value,
) -> Result<bool, Error> {
    let plain = spec["scopes"].as_array().into_iter().flatten();
    let plain = plain.map(|scope| json!({"scopeName": scope, "operator": "Exists"}));
    let selected = spec["scopeSelector"]["matchExpressions"].as_array();
    let selected = selected.into_iter().flatten().cloned();
    for scope in plain.chain(selected) {
        let is_of_claims = scope["scopeName"] == CLAIM_SCOPE;
        let is_in = match (counted.group.as_str(), counted.plural.as_str()) {
            ("", "pods") => !is_of_claims && is_in_scope(item, &scope)?,
            ("", "persistentvolumeclaims") if is_of_claims => {
                return Err(unknown_scope(CLAIM_SCOPE));
            }
            _ => false,
        };
        if !is_in {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_in_scope(pod: &Value, scope: &Value) -> Result<bool, Error> {
    let is_terminating = pod["spec"]["activeDeadlineSeconds"].is_number();
    let is_best_effort = pod["status"]["qosClass"] == "BestEffort";
    Ok(match scope["scopeName"].as_str().unwrap_or_default() {
        "Terminating" => is_terminating,
        "NotTerminating" => !is_terminating,
        "BestEffort" => is_best_effort,
        "NotBestEffort" => !is_best_effort,
        "PriorityClass" => is_of_class(pod, scope)?,
        "CrossNamespacePodAffinity" => looks_at_other_namespaces(&pod["spec"]["affinity"]),
        other => return Err(unknown_scope(other)),
    })
}

fn unknown_scope(scope: &str) -> Error {
    Error::unsupported(format!(
        "it is not known what a quota of the scope {scope} counts"
    ))
}

fn is_of_class(pod: &Value, scope: &Value) -> Result<bool, Error> {
    let class = pod["spec"]["priorityClassName"].as_str();
    let class = class.filter(|class| !class.is_empty());
    let mut values = scope["values"].as_array().into_iter().flatten();
    let is_named = values.any(|value| class.is_some_and(|class| value == class));
    match scope["operator"].as_str().unwrap_or_default() {
        "Exists" => Ok(class.is_some()),
        "DoesNotExist" => Ok(class.is_none()),
        "In" => Ok(is_named),
        "NotIn" => Ok(!is_named),
        other => Err(Error::unsupported(format!(
            "it is not known what a scope's operator {other} selects"
        ))),
    }
}

fn looks_at_other_namespaces(affinity: &Value) -> bool {
    let terms = |kind: &str| {
        let rules = &affinity[kind];
        let required = rules["requiredDuringSchedulingIgnoredDuringExecution"].as_array();
        let preferred = rules["preferredDuringSchedulingIgnoredDuringExecution"].as_array();
        let preferred = preferred.into_iter().flatten();
        let preferred = preferred.map(|one| &one["podAffinityTerm"]);
        required.into_iter().flatten().chain(preferred).any(|term| {
            let named = term["namespaces"].as_array();
            named.is_some_and(|all| !all.is_empty()) || term["namespaceSelector"].is_object()
        })
    };
    terms("podAffinity") || terms("podAntiAffinity")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(spec: &Value, pod: &Value) -> bool {
        matches_scopes(spec, &ApiResource::guess_resource("v1", "Pod"), pod).unwrap()
    }

    #[test]
    fn every_scope_has_to_match() {
        let spec = json!({"scopes": ["NotTerminating", "BestEffort"]});
        let pod = |quality: &str, deadline: Value| json!({"spec": {"activeDeadlineSeconds": deadline}, "status": {"qosClass": quality}});
        assert!(counts(&spec, &pod("BestEffort", Value::Null)));
        assert!(!counts(&spec, &pod("Burstable", Value::Null)));
        assert!(!counts(&spec, &pod("BestEffort", json!(5))));
        assert!(counts(&json!({}), &pod("Burstable", json!(5))));
        let other = json!({"scopes": ["NotBestEffort", "Terminating"]});
        assert!(counts(&other, &pod("Burstable", json!(5))));
    }

    #[test]
    fn classes_are_selected_by_name() {
        let spec = |operator: &str, values: Value| json!({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": operator, "values": values}]}});
        let of = |class: &str| json!({"spec": {"priorityClassName": class}});
        let without = json!({"spec": {}});
        assert!(counts(&spec("In", json!(["high"])), &of("high")));
        assert!(!counts(&spec("In", json!(["high"])), &of("low")));
        assert!(!counts(&spec("In", json!(["high"])), &without));
        assert!(counts(&spec("NotIn", json!(["high"])), &without));
        assert!(counts(&spec("Exists", Value::Null), &of("low")));
        assert!(counts(&spec("DoesNotExist", Value::Null), &without));
    }

    #[test]
    fn an_affinity_may_look_at_other_namespaces() {
        let spec = json!({"scopes": ["CrossNamespacePodAffinity"]});
        let pod = |term: Value| json!({"spec": {"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"podAffinityTerm": term}]}}}});
        assert!(counts(&spec, &pod(json!({"namespaces": ["other"]}))));
        assert!(counts(&spec, &pod(json!({"namespaceSelector": {}}))));
        assert!(!counts(&spec, &pod(json!({"topologyKey": "a"}))));
    }

    #[test]
    fn what_is_not_known_is_said_and_other_kinds_are_in_no_scope() {
        let pods = ApiResource::guess_resource("v1", "Pod");
        let unknown = json!({"scopes": ["Tomorrow"]});
        assert!(matches_scopes(&unknown, &pods, &json!({})).is_err());
        let of_claims = json!({"scopes": [CLAIM_SCOPE]});
        let claims = ApiResource::guess_resource("v1", "PersistentVolumeClaim");
        assert!(matches_scopes(&of_claims, &claims, &json!({})).is_err());
        assert!(!matches_scopes(&of_claims, &pods, &json!({})).unwrap());
        let services = ApiResource::guess_resource("v1", "Service");
        let scoped = json!({"scopes": ["NotTerminating"]});
        assert!(!matches_scopes(&scoped, &services, &json!({})).unwrap());
    }
}
