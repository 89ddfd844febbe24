//! Label selectors.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::Error;

/// Labels of a pod, a namespace or a role.
pub(crate) type ObjectLabels = BTreeMap<String, String>;

/// A selector whose operators are known to be operators.
#[derive(Clone, Debug)]
pub(crate) struct ParsedSelector(Vec<SelectorTerm>);

#[derive(Clone, Debug)]
enum SelectorTerm {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl ParsedSelector {
    pub(crate) fn read(selector: &LabelSelector) -> Result<Self, Error> {
        let equal = selector.match_labels.iter().flatten();
        let mut terms: Vec<SelectorTerm> = equal
            .map(|(key, value)| SelectorTerm::In(key.clone(), vec![value.clone()]))
            .collect();
        for requirement in selector.match_expressions.iter().flatten() {
            terms.push(SelectorTerm::read(requirement)?);
        }
        Ok(Self(terms))
    }

    /// Whether every term holds; an empty selector selects everything.
    pub(crate) fn selects(&self, labels: &ObjectLabels) -> bool {
        self.0.iter().all(|term| term.holds(labels))
    }
}

impl SelectorTerm {
    fn read(requirement: &LabelSelectorRequirement) -> Result<Self, Error> {
        let key = requirement.key.clone();
        let values = requirement.values.clone().unwrap_or_default();
        match (requirement.operator.as_str(), values.is_empty()) {
            ("In", false) => Ok(Self::In(key, values)),
            ("NotIn", false) => Ok(Self::NotIn(key, values)),
            ("Exists", true) => Ok(Self::Exists(key)),
            ("DoesNotExist", true) => Ok(Self::Absent(key)),
            (operator, _) => Err(Error::Operator {
                operator: operator.to_owned(),
            }),
        }
    }

    /// What has no such label is also `NotIn`.
    fn holds(&self, labels: &ObjectLabels) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Self::Exists(key) => labels.contains_key(key),
            Self::Absent(key) => !labels.contains_key(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
    use serde_json::{Value, json};

    use super::*;

    fn selects(selector: Value, labels: &[(&str, &str)]) -> bool {
        let selector: LabelSelector = serde_json::from_value(selector).unwrap();
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        ParsedSelector::read(&selector).unwrap().selects(&labels)
    }

    #[test]
    fn every_operator_says_what_it_means() {
        let expression = |key: &str, operator: &str, values: &[&str]| {
            let mut term = json!({"key": key, "operator": operator});
            if !values.is_empty() {
                term["values"] = json!(values);
            }
            json!({"matchExpressions": [term]})
        };
        let app = [("app", "web")];
        assert!(selects(json!({}), &[]) && selects(json!({}), &app));
        assert!(selects(json!({"matchLabels": {"app": "web"}}), &app));
        assert!(!selects(json!({"matchLabels": {"app": "db"}}), &app));
        assert!(!selects(
            json!({"matchLabels": {"app": "web", "tier": "x"}}),
            &app
        ));
        assert!(selects(expression("app", "In", &["db", "web"]), &app));
        assert!(!selects(expression("app", "In", &["db"]), &app));
        assert!(!selects(expression("tier", "In", &["web"]), &app));
        assert!(!selects(expression("app", "NotIn", &["web"]), &app));
        assert!(selects(expression("app", "NotIn", &["db"]), &app));
        assert!(
            selects(expression("tier", "NotIn", &["web"]), &app),
            "what has no such label is not in"
        );
        assert!(selects(expression("app", "Exists", &[]), &app));
        assert!(!selects(expression("tier", "Exists", &[]), &app));
        assert!(!selects(expression("app", "DoesNotExist", &[]), &app));
        assert!(selects(expression("tier", "DoesNotExist", &[]), &app));
        let both = json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]});
        assert!(!selects(both, &app), "all of it has to hold");
    }

    #[test]
    fn what_is_no_operator_is_said() {
        for (operator, values) in [
            ("Equals", json!(["a"])),
            ("In", json!([])),
            ("Exists", json!(["a"])),
        ] {
            let term = json!({"matchExpressions": [{"key": "app", "operator": operator, "values": values}]});
            let selector: LabelSelector = serde_json::from_value(term).unwrap();
            ParsedSelector::read(&selector).unwrap_err();
        }
    }
}
