//! What must never be written down: the values of Secrets, and tokens.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::rules::{RedactionReason, all_rules};

/// `value` with the values of Secrets and tokens replaced by their sizes; lists and watch events
/// are looked into.
#[must_use]
pub fn redact_secrets(value: &Value) -> Value {
    let mut value = value.clone();
    mask_values(&mut value, false);
    value
}

/// The body of a request to `path`: a patch of a Secret does not say what it patches.
#[must_use]
pub fn redact_sent(path: &str, body: &Value) -> Value {
    let mut body = body.clone();
    mask_values(
        &mut body,
        path.split(['/', '?']).any(|part| part == "secrets"),
    );
    body
}

/// The text of a reply: a watch gives one JSON document a line.
#[must_use]
pub fn redact_reply(said: &str) -> String {
    let line = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(value) if value.is_object() => redact_secrets(&value).to_string(),
        _ => line.to_owned(),
    };
    redact_pod_text(&said.lines().map(line).collect::<Vec<_>>().join("\n"))
}

/// The whole object as `kubectl apply` keeps it.
const LAST_APPLIED: &str = "/annotations/kubectl.kubernetes.io~1last-applied-configuration";

fn mask_values(value: &mut Value, in_secrets: bool) {
    match value {
        Value::Object(fields) => {
            let kind = fields
                .get("kind")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let (secret, token) = (
                kind == "Secret" || in_secrets,
                matches!(kind, "TokenRequest" | "TokenReview"),
            );
            let secrets = kind == "SecretList" || secret;
            for (key, field) in fields.iter_mut() {
                match key.as_str() {
                    "data" if secret => seal_bytes(field, true),
                    "stringData" if secret => seal_bytes(field, false),
                    "status" | "spec" if token && field.get("token").is_some() => {
                        field["token"] = Value::from("<token>");
                    }
                    "value" if in_secrets => {
                        *field = Value::from(sealed_note(&plain_text(field), false))
                    }
                    "metadata" if secret => {
                        if let Some(kept) = field.pointer_mut(LAST_APPLIED) {
                            *kept = Value::from(sealed_note(&plain_text(kept), false));
                        }
                    }
                    "metadata" => {}
                    _ => mask_values(field, secrets),
                }
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| mask_values(item, in_secrets)),
        _ => {}
    }
}

/// A string itself; the JSON text of anything else.
fn plain_text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn seal_bytes(data: &mut Value, encoded: bool) {
    for (_, value) in data.as_object_mut().into_iter().flatten() {
        *value = Value::from(sealed_note(value.as_str().unwrap_or_default(), encoded));
    }
}

/// `<sealed N bytes>`. What is compressed is another size each time, since names are random.
fn sealed_note(text: &str, encoded: bool) -> String {
    let decoded = if encoded {
        STANDARD.decode(text).ok()
    } else {
        None
    };
    let bytes = decoded.as_deref().unwrap_or(text.as_bytes());
    if GZIP_BEGINS.iter().any(|begin| bytes.starts_with(begin)) {
        return "<sealed, compressed>".into();
    }
    format!("<sealed {} bytes>", bytes.len())
}

/// How gzip begins, as it is and in base64.
const GZIP_BEGINS: [&[u8]; 2] = [b"\x1f\x8b", b"H4sI"];

/// The keys of a Secret and the sizes of their values: `password <sealed 8 bytes>, …`.
#[must_use]
pub fn secret_keys(secret: &Value) -> String {
    let data = secret["data"].as_object();
    let mut keys: Vec<String> = data
        .into_iter()
        .flatten()
        .map(|(key, value)| {
            format!(
                "{key} {}",
                sealed_note(value.as_str().unwrap_or_default(), true)
            )
        })
        .collect();
    keys.sort();
    keys.join(", ")
}

/// Text that a pod said: what looks like a signed token is replaced, and only the beginning of long
/// texts is kept.
#[must_use]
pub fn redact_pod_text(said: &str) -> String {
    const LONGEST_TEXT: usize = 4000;
    let out = redact_tokens(said);
    match out.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &out[..end]),
        None => out,
    }
}

/// The same text without what looks like a signed token, by the rules for secrets.
#[must_use]
pub fn redact_tokens(said: &str) -> String {
    all_rules()
        .iter()
        .filter(|rule| rule.reason == RedactionReason::Secret)
        .fold(said.to_owned(), |text, rule| rule.apply(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_secrets_are_gone_wherever_they_are() {
        let secret = json!({"kind": "Secret", "metadata": {"name": "a"}, "data": {"password": "aHVudGVyMg=="},
                            "stringData": {"plain": "hunter2"}});
        let list = json!({"kind": "SecretList", "items": [{"metadata": {"name": "a"}, "data": {"password": "aHVudGVyMg=="}}]});
        let event = json!({"type": "ADDED", "object": secret});
        for value in [secret, list, event] {
            let text = redact_secrets(&value).to_string();
            assert!(
                !text.contains("hunter2") && !text.contains("aHVudGVyMg"),
                "{text}"
            );
            assert!(
                text.contains("<sealed 7 bytes>") && text.contains("password"),
                "{text}"
            );
        }
    }

    #[test]
    fn patches_of_secrets_say_no_values() {
        let path = "/api/v1/namespaces/a/secrets/b?dryRun=All";
        let merge = json!({"stringData": {"password": "hunter2"}});
        let json = json!([{"op": "replace", "path": "/data/password", "value": "aHVudGVyMg=="},
                          {"op": "replace", "path": "/data", "value": {"password": "hunter2"}}]);
        for body in [merge, json] {
            let text = redact_sent(path, &body).to_string();
            assert!(
                !text.contains("hunter2") && !text.contains("aHVudGVyMg"),
                "{text}"
            );
        }
        let map = json!([{"op": "add", "path": "/data/a", "value": "b"}]);
        assert_eq!(
            redact_sent("/api/v1/namespaces/a/configmaps/secrets-of-b", &map),
            map
        );
    }

    #[test]
    fn what_kubectl_keeps_of_a_secret_is_gone() {
        let kept =
            json!({"kubectl.kubernetes.io/last-applied-configuration": "hunter2", "team": "a"});
        let secret = json!({"kind": "Secret", "metadata": {"name": "a", "annotations": kept}});
        let text = redact_secrets(&secret).to_string();
        assert!(
            !text.contains("hunter2") && text.contains("\"team\""),
            "{text}"
        );
    }

    #[test]
    fn watched_secrets_say_no_values() {
        let one =
            r#"{"type":"ADDED","object":{"kind":"Secret","data":{"password":"aHVudGVyMg=="}}}"#;
        let said = redact_reply(&format!("{one}\n{one}\nplain words"));
        assert!(
            !said.contains("aHVudGVyMg") && said.ends_with("\nplain words"),
            "{said}"
        );
    }

    #[test]
    fn tokens_are_gone_and_config_maps_stay() {
        let token =
            json!({"kind": "TokenRequest", "status": {"token": "eyJ", "expirationTimestamp": "t"}});
        assert_eq!(
            redact_secrets(&token)["status"],
            json!({"token": "<token>", "expirationTimestamp": "t"})
        );
        let map = json!({"kind": "ConfigMap", "data": {"a": "b"}});
        assert_eq!(redact_secrets(&map), map);
    }

    #[test]
    fn tokens_in_texts_are_gone() {
        assert_eq!(
            redact_pod_text("a eyJhbGciOi.eyJpc3Mi.c2ln\nb eyJust"),
            "a <token>\nb eyJust"
        );
        assert_eq!(
            redact_pod_text("it is eyJhbGciOi.eyJpc3Mi.c2ln."),
            "it is <token>"
        );
        assert_eq!(redact_pod_text(&"é".repeat(5000)).chars().count(), 4001);
    }

    #[test]
    fn keys_say_their_sizes() {
        assert_eq!(
            secret_keys(&json!({"data": {"b": "", "a": "aHVudGVyMg=="}})),
            "a <sealed 7 bytes>, b <sealed 0 bytes>"
        );
        assert_eq!(
            secret_keys(&json!({"data": {"release": STANDARD.encode("H4sIAAAA")}})),
            "release <sealed, compressed>"
        );
    }
}
