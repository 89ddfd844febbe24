//! What policies name: kinds, labels, registries.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{TrialObject, put_field};

/// A label's value where no policy says which.
const ANY_VALUE: &str = "trial";

/// A name in a registry that no policy names.
const OTHER_IMAGE: &str = "registry.example.com/trial:1.0";

/// The keys whose lists hold kinds or resources.
const KIND_KEYS: [&str; 2] = ["kinds", "resources"];

/// What of a policy names nothing that it is about.
const NOT_ITS_RULES: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];

/// What a set of policies names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyWords {
    /// Kinds and resources, in lower case; `*` stands for all.
    kinds: BTreeSet<String>,
    /// Labels that an object is to have, with a value that does.
    labels: BTreeMap<String, String>,
    /// An image that policies on registries admit, where one names any.
    image: Option<String>,
}

impl PolicyWords {
    /// Those of these policies.
    #[must_use]
    pub fn of_policies<'a>(policies: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut words = Self::default();
        for policy in policies {
            let own = policy.as_object().into_iter().flatten();
            for (key, value) in own.filter(|(key, _)| !NOT_ITS_RULES.contains(&key.as_str())) {
                words.read_value(key, value);
            }
        }
        words
    }

    /// Whether a policy speaks of this kind, or of all.
    #[must_use]
    pub fn names_kind(&self, kind: &str) -> bool {
        let kind = kind.to_lowercase();
        let plural = match kind.as_str() {
            "ingress" => "ingresses".to_owned(),
            "networkpolicy" => "networkpolicies".to_owned(),
            other => format!("{other}s"),
        };
        ["*", &kind, &plural]
            .iter()
            .any(|word| self.kinds.contains(*word))
    }

    /// The metadata of an object that has every label.
    pub(super) fn metadata(&self) -> Value {
        let mut labels: Map<String, Value> = Map::new();
        labels.insert("app".into(), json!("trial"));
        labels.extend(
            self.labels
                .iter()
                .map(|(key, value)| (key.clone(), json!(value))),
        );
        json!({ "name": "trial", "labels": labels })
    }

    /// An image that is admitted, and one of another registry.
    pub(super) fn images(&self) -> [String; 2] {
        let usual = self.image.clone();
        [
            usual.unwrap_or_else(|| "registry.box/trial:1.0".into()),
            OTHER_IMAGE.into(),
        ]
    }

    /// The object without each of its labels, and with each of them empty.
    pub(super) fn without_labels(&self, name: &str, object: &Value) -> Vec<TrialObject> {
        let variant = |what: String, labels: Value| {
            let mut object = object.clone();
            put_field(&mut object, "/metadata/labels", labels);
            TrialObject {
                name: format!("{name}-{what}"),
                variant_of: Some(name.to_owned()),
                object,
            }
        };
        let whole = object["metadata"]["labels"].as_object();
        let mut all = Vec::new();
        for (nth, key) in self.labels.keys().enumerate() {
            let mut without = whole.cloned().unwrap_or_default();
            let mut empty = without.clone();
            without.remove(key);
            empty.insert(key.clone(), json!(""));
            all.push(variant(
                format!("without-label-{}", nth + 1),
                without.into(),
            ));
            all.push(variant(format!("empty-label-{}", nth + 1), empty.into()));
        }
        if !all.is_empty() {
            all.push(variant("without-labels".into(), Value::Null));
        }
        all
    }

    fn read_value(&mut self, key: &str, value: &Value) {
        match value {
            Value::Object(fields) => {
                if key == "labels" {
                    self.read_labels(fields);
                }
                for (key, value) in fields {
                    self.read_value(bare_key(key), value);
                }
            }
            Value::Array(items) => {
                for item in items {
                    match item {
                        Value::String(word) if KIND_KEYS.contains(&key) => {
                            self.kinds.insert(kind_word(word));
                        }
                        // Parameters of a constraint are a list of keys.
                        Value::String(word) if key == "labels" => self.add_label(word, None),
                        Value::Object(fields) if key == "labels" => {
                            if let Some(word) = fields.get("key").and_then(Value::as_str) {
                                self.add_label(word, None);
                            }
                        }
                        other => self.read_value(key, other),
                    }
                }
            }
            Value::String(text) => self.read_text(key, text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Labels of a pattern.
    fn read_labels(&mut self, fields: &Map<String, Value>) {
        for (key, value) in fields {
            self.add_label(bare_key(key), value.as_str());
        }
    }

    fn add_label(&mut self, key: &str, value: Option<&str>) {
        if is_label_key(key) {
            let value = value.filter(|text| is_plain(text)).unwrap_or(ANY_VALUE);
            self.labels.insert(key.to_owned(), value.to_owned());
        }
    }

    /// Labels and registries in an expression, a pattern or a parameter.
    fn read_text(&mut self, key: &str, text: &str) {
        for quoted in quoted_texts(text) {
            let names_label = text.contains(&format!("labels['{quoted}']"))
                || text.contains(&format!("labels[\"{quoted}\"]"))
                || (text.contains(&format!("{quoted}' in "))
                    || text.contains(&format!("{quoted}\" in ")))
                    && text.contains("labels");
            if names_label {
                if is_label_key(quoted) {
                    self.labels
                        .entry(quoted.to_owned())
                        .or_insert_with(|| ANY_VALUE.into());
                }
            } else if let Some(image) = image_of(quoted) {
                self.image.get_or_insert(image);
            }
        }
        if matches!(key, "image" | "glob" | "repos") {
            let first = text.split('|').map(str::trim).find_map(image_of);
            if let Some(image) = first {
                self.image.get_or_insert(image);
            }
        }
    }
}

/// `apps/v1/Deployment` and `*/Pod` are about that kind, `pods/status` about pods.
fn kind_word(word: &str) -> String {
    let parts: Vec<&str> = word.split('/').collect();
    let named = parts
        .iter()
        .rev()
        .find(|part| part.chars().next().is_some_and(char::is_uppercase));
    named.or(parts.first()).unwrap_or(&word).to_lowercase()
}

/// A key of a pattern without Kyverno's anchors: `(image)`, `=(image)`, `+(team)`.
fn bare_key(key: &str) -> &str {
    match key.split_once('(') {
        Some(("" | "=" | "^" | "+" | "<" | "X", rest)) => rest.strip_suffix(')').unwrap_or(key),
        Some(_) | None => key,
    }
}

/// Whether a label can have it as its key (`kubernetes.io/name`).
fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.rsplit_once('/').unwrap_or(("a", key));
    let is_host = prefix.len() <= 253
        && prefix
            .bytes()
            .all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || b"-.".contains(&one));
    is_host && is_plain(name)
}

/// Whether a label can have it as its value, and no pattern is in it.
fn is_plain(text: &str) -> bool {
    let ends = |one: Option<char>| one.is_some_and(|one| one.is_ascii_alphanumeric());
    text.len() <= 63
        && ends(text.chars().next())
        && ends(text.chars().next_back())
        && text
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || "-_.".contains(one))
}

/// What stands in quotes.
fn quoted_texts(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(['\'', '"']) {
        let quote = &rest[start..=start];
        let after = &rest[start + 1..];
        let Some(end) = after.find(quote) else { break };
        all.push(&after[..end]);
        rest = &after[end + 1..];
    }
    all
}

/// An image below a registry or repository that this names, as `registry.example/team/*` does.
fn image_of(word: &str) -> Option<String> {
    let word = word.trim_start_matches('^').replace("\\.", ".");
    let stem = word.trim_end_matches(['*', '.', '$', '?']);
    let (host, rest) = stem.split_once('/')?;
    let is_host = (host.contains('.') || host.contains(':'))
        && host
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || ".-:".contains(one));
    let is_path = rest
        .chars()
        .all(|one| one.is_ascii_alphanumeric() || "./-_:@".contains(one));
    // A label's key looks the same, without anything that may follow.
    let is_open = word.len() > stem.len() || stem.ends_with('/');
    (is_host && is_path && is_open).then(|| {
        let slash = if stem.ends_with('/') { "" } else { "/" };
        format!("{stem}{slash}trial:1.0")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(spec: Value) -> PolicyWords {
        PolicyWords::of_policies([&json!({ "spec": spec })])
    }

    #[test]
    fn kinds_are_read_in_every_engines_spelling() {
        let kyverno = words(
            json!({"rules": [{"match": {"any": [{"resources": {"kinds": ["apps/v1/Deployment", "*/Pod"]}}]}}]}),
        );
        assert!(kyverno.names_kind("Pod") && kyverno.names_kind("Deployment"));
        assert!(!kyverno.names_kind("Service"));
        let native = words(
            json!({"matchConstraints": {"resourceRules": [{"resources": ["ingresses", "pods/ephemeralcontainers"]}]}}),
        );
        assert!(native.names_kind("Ingress") && native.names_kind("Pod"));
        let all = words(json!({"match": {"kinds": [{"apiGroups": [""], "kinds": ["*"]}]}}));
        assert!(all.names_kind("Secret"));
    }

    #[test]
    fn labels_and_registries_are_read_out_of_patterns_and_expressions() {
        let pattern = words(
            json!({"pattern": {"metadata": {"labels": {"team": "?*", "tier": "gold"}},
            "spec": {"=(initContainers)": [{"image": "registry.corp.example/* | other.example/*"}]}}}),
        );
        assert_eq!(
            pattern.metadata()["labels"],
            json!({"app": "trial", "team": "trial", "tier": "gold"})
        );
        assert_eq!(pattern.images()[0], "registry.corp.example/trial:1.0");
        let expression = words(json!({"validations": [
            {"expression": "has(object.metadata.labels) && 'app.kubernetes.io/name' in object.metadata.labels"},
            {"expression": "object.spec.containers.all(c, c.image.startsWith('registry.corp.example/team/'))"}]}));
        assert_eq!(
            expression.metadata()["labels"]["app.kubernetes.io/name"],
            "trial"
        );
        assert_eq!(
            expression.images()[0],
            "registry.corp.example/team/trial:1.0"
        );
    }

    #[test]
    fn only_what_can_be_a_label_becomes_one() {
        let anchors = words(
            json!({"rules": [{"mutate": {"patchStrategicMerge": {"metadata": {"labels": {
            "+(team)": "x", "(tier)": "a-*", "?*": "y", "-bad": "z"}}}}}]}),
        );
        let wanted = json!({"app": "trial", "team": "x", "tier": "trial"});
        assert_eq!(anchors.metadata()["labels"], wanted);
        let constraint = words(
            json!({"parameters": {"labels": [{"key": "owner", "allowedRegex": "^[a-z]+$"}]}}),
        );
        assert_eq!(constraint.metadata()["labels"]["owner"], "trial");
        let list = words(json!({"parameters": {"labels": ["owner", "team"]}}));
        assert_eq!(list.metadata()["labels"]["team"], "trial");
    }

    #[test]
    fn what_names_nothing_gives_the_usual() {
        let none = words(json!({"validations": [{"expression": "true"}]}));
        assert_eq!(none.images()[1], OTHER_IMAGE);
        assert_eq!(none.metadata()["labels"], json!({"app": "trial"}));
        assert!(none.without_labels("pod", &json!({})).is_empty());
    }
}
