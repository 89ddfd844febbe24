//! What a policy makes beside the object that it admits (Kyverno 1.19: `generate` of a rule, and a
//! GeneratingPolicy).

use serde_json::Value;

/// Whether this object makes one of these kinds, with this name where one is given.
pub(super) fn makes_object(object: &Value, kinds: &[&str], name: Option<&str>) -> bool {
    // Its names are made in CEL.
    if has_text(&object["kind"], |kind| kind.ends_with("GeneratingPolicy")) {
        let text = object.to_string();
        return kinds.iter().any(|kind| text.contains(kind));
    }
    generate_rules(object).any(|rule| generates_object(rule, kinds, name))
}

/// The names that this object gives to those of one kind.
pub(super) fn generated_names<'a>(object: &'a Value, kind: &str) -> Vec<&'a str> {
    let own = generate_rules(object).filter(|one| one["kind"] == kind);
    own.filter_map(|one| one["name"].as_str()).collect()
}

/// Each `generate` of a policy's rules, and each `foreach` in it.
fn generate_rules(object: &Value) -> impl Iterator<Item = &Value> {
    let rules = object["spec"]["rules"].as_array().into_iter().flatten();
    rules.map(|rule| &rule["generate"]).flat_map(|generate| {
        let each = generate["foreach"].as_array().into_iter().flatten();
        [generate].into_iter().chain(each)
    })
}

fn generates_object(rule: &Value, kinds: &[&str], name: Option<&str>) -> bool {
    let is_kind = |kind: &Value| {
        has_text(kind, |kind| {
            kinds.contains(&kind.rsplit('/').next().unwrap_or_default())
        })
    };
    // Those that are cloned keep their names, which another cluster may have given them.
    let cloned = rule["cloneList"]["kinds"].as_array();
    if cloned.is_some_and(|kinds| kinds.iter().any(is_kind)) {
        return true;
    }
    let is_named = |made: &Value| name.is_none_or(|name| has_text(made, |made| may_be(made, name)));
    let data = &rule["data"];
    is_kind(&rule["kind"]) && is_named(&rule["name"])
        || is_kind(&data["kind"]) && is_named(&data["metadata"]["name"])
}

/// A name with a variable in it may become any.
fn may_be(made: &str, name: &str) -> bool {
    made == name || made.contains("{{")
}

fn has_text(value: &Value, is_it: impl Fn(&str) -> bool) -> bool {
    value.as_str().is_some_and(is_it)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const QUOTA: &[&str] = &["ResourceQuota"];

    fn makes(generate: &Value, name: Option<&str>) -> bool {
        let policy = json!({"kind": "ClusterPolicy", "spec": {"rules": [{"generate": generate}]}});
        makes_object(&policy, QUOTA, name)
    }

    #[test]
    fn what_a_rule_generates_is_made() {
        let named = json!({"kind": "ResourceQuota", "name": "memory"});
        assert!(makes(&named, Some("memory")) && makes(&named, None));
        assert!(!makes(&named, Some("memry")));
        let each = json!({"foreach": [{"kind": "ResourceQuota", "name": "memory"}]});
        assert!(makes(&each, Some("memory")) && !makes(&each, Some("memry")));
        let variable = json!({"kind": "ResourceQuota", "name": "{{request.object.metadata.name}}"});
        assert!(makes(&variable, Some("memory")));
        let cloned = json!({"cloneList": {"kinds": ["v1/Secret", "v1/ResourceQuota"]}});
        assert!(makes(&cloned, Some("memory")));
        let other = json!({"kind": "LimitRange", "name": "memory"});
        assert!(!makes(&other, Some("memory")) && !makes(&other, None));
        let secrets = json!({"cloneList": {"kinds": ["v1/Secret"]}});
        assert!(!makes(&secrets, Some("memory")));
    }

    #[test]
    fn what_is_only_named_is_not_made() {
        let binding = json!({"kind": "RoleBinding", "subjects": [{"kind": "ServiceAccount", "name": "robot"}]});
        assert!(!makes_object(&binding, &["ServiceAccount"], Some("robot")));
        let matched = json!({"kind": "ClusterPolicy", "spec": {"rules": [{"match": {"kind": "ResourceQuota", "name": "memory"}}]}});
        assert!(!makes_object(&matched, QUOTA, Some("memory")));
    }

    #[test]
    fn a_generating_policy_makes_the_kinds_that_it_writes() {
        let policy = json!({"kind": "GeneratingPolicy", "spec": {"variables": [{"expression": "{\"kind\": dyn(\"ResourceQuota\")}"}]}});
        assert!(makes_object(&policy, QUOTA, Some("memory")));
        assert!(!makes_object(&policy, &["ServiceAccount"], Some("robot")));
    }
}
