//! What the server made of an object: the leaves that were sent and came back different, and labels
//! and annotations that no request sent.

use serde_json::Value;

/// Keys that controllers and the server itself add to any object, sooner or later.
const ADDED_KEYS: [&str; 2] = [
    "kubernetes.io/metadata.name",
    "deployment.kubernetes.io/revision",
];

/// Paths that are never what the author meant to say something with.
const IGNORED_PATHS: [&str; 3] = [
    "/metadata/managedFields",
    "/metadata/resourceVersion",
    "/status",
];

/// One line for each difference, `POINTER: SENT -> GOT`.
pub(crate) fn changed_fields(sent: &Value, got: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let secret = got["kind"] == "Secret";
    compare_values(sent, Some(got), &mut String::new(), &mut |at, sent, got| {
        let hidden = secret && (at.starts_with("/data") || at.starts_with("/stringData"));
        if !hidden && !IGNORED_PATHS.iter().any(|prefix| at.starts_with(prefix)) {
            lines.push(format!(
                "{at}: {sent} -> {}",
                got.map_or("(absent)".into(), Value::to_string)
            ));
        }
    });
    for map in ["labels", "annotations"] {
        lines.extend(added_fields(sent, got, map));
    }
    lines
}

fn compare_values(
    sent: &Value,
    got: Option<&Value>,
    at: &mut String,
    say: &mut dyn FnMut(&str, &Value, Option<&Value>),
) {
    match (sent, got) {
        (Value::Object(fields), Some(Value::Object(others))) => {
            for (key, value) in fields {
                pointer_step(at, &key.replace('~', "~0").replace('/', "~1"), |at| {
                    compare_values(value, others.get(key), at, say)
                });
            }
        }
        (Value::Array(items), Some(Value::Array(others))) => {
            let named = !items.is_empty()
                && items
                    .iter()
                    .chain(others)
                    .all(|item| item["name"].is_string());
            for (index, item) in items.iter().enumerate() {
                let by_name = |other: &&Value| other["name"] == item["name"];
                let other = if named {
                    others.iter().find(by_name)
                } else {
                    others.get(index)
                };
                pointer_step(at, &index.to_string(), |at| {
                    compare_values(item, other, at, say)
                });
            }
        }
        (sent, None | Some(Value::Null)) if is_nothing(sent) => {}
        (sent, got) if got == Some(sent) => {}
        (sent, got) => say(at, sent, got),
    }
}

fn pointer_step(at: &mut String, key: &str, then: impl FnOnce(&mut String)) {
    let length = at.len();
    at.push('/');
    at.push_str(key);
    then(at);
    at.truncate(length);
}

/// What a server may leave out and still say the same.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_nothing),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_u64() == Some(0),
    }
}

fn added_fields(sent: &Value, got: &Value, map: &str) -> Vec<String> {
    let (sent, got) = (&sent["metadata"][map], got["metadata"][map].as_object());
    let news = got
        .into_iter()
        .flatten()
        .filter(|(key, _)| sent.get(key.as_str()).is_none());
    news.filter(|(key, _)| !ADDED_KEYS.contains(&key.as_str()))
        .map(|(key, value)| {
            format!(
                "/metadata/{map}/{}: (not sent) -> {value}",
                key.replace('/', "~1")
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::changed_fields;
    use serde_json::json;

    #[test]
    fn what_came_back_as_sent_is_silent() {
        let sent = json!({"kind": "Pod", "metadata": {"name": "a", "labels": {"x": "y"}},
                          "spec": {"hostNetwork": false, "securityContext": {}, "containers": [{"name": "c"}]}});
        let got = json!({"kind": "Pod", "metadata": {"name": "a", "uid": "u", "labels": {"x": "y"}},
                         "spec": {"containers": [{"name": "injected"}, {"name": "c", "image": "i"}], "nodeName": "n"}});
        assert!(
            changed_fields(&sent, &got).is_empty(),
            "{:?}",
            changed_fields(&sent, &got)
        );
    }

    #[test]
    fn other_leaves_and_new_labels_are_told() {
        let sent = json!({"metadata": {"labels": {"a/b": "1"}}, "spec": {"replicas": 3, "gone": "x", "list": [1, 2]}});
        let got = json!({"metadata": {"labels": {"a/b": "2", "new": "n"}, "annotations": {"k/l": "v"}},
                         "spec": {"replicas": 1, "list": [1, 3]}});
        assert_eq!(
            changed_fields(&sent, &got),
            [
                r#"/metadata/labels/a~1b: "1" -> "2""#,
                "/spec/replicas: 3 -> 1",
                r#"/spec/gone: "x" -> (absent)"#,
                "/spec/list/1: 2 -> 3",
                r#"/metadata/labels/new: (not sent) -> "n""#,
                r#"/metadata/annotations/k~1l: (not sent) -> "v""#,
            ]
        );
    }

    #[test]
    fn values_of_secrets_are_not_told() {
        let sent = json!({"kind": "Secret", "stringData": {"password": "hunter2"}});
        assert!(
            changed_fields(
                &sent,
                &json!({"kind": "Secret", "data": {"password": "other"}})
            )
            .is_empty()
        );
    }
}
