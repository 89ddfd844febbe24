//! What a reply says.

use model::{ApiReply, ReplyBody};
use serde_json::Value;

/// How much of the server's words a person is shown.
const SHOWN_CHARACTERS: usize = 400;

/// The status code.
#[must_use]
pub fn status_code(reply: &ApiReply) -> Option<u16> {
    match reply {
        ApiReply::Http { code, .. } => Some(*code),
        ApiReply::Transport { .. } => None,
    }
}

/// The body, where it is JSON.
#[must_use]
pub fn reply_json(reply: &ApiReply) -> Option<&Value> {
    match reply {
        ApiReply::Http {
            body: ReplyBody::Json(value),
            ..
        } => Some(value),
        ApiReply::Http {
            body: ReplyBody::Text(_),
            ..
        }
        | ApiReply::Transport { .. } => None,
    }
}

/// The body, or `null` where it is no JSON: for fields that need not be there.
#[must_use]
pub fn reply_body(reply: &ApiReply) -> &Value {
    reply_json(reply).unwrap_or(&Value::Null)
}

/// Whether the server took it.
#[must_use]
pub fn was_taken(reply: &ApiReply) -> bool {
    matches!(status_code(reply), Some(200..=299))
}

/// The words of a `Status`, whole.
#[must_use]
pub fn server_message(reply: &ApiReply) -> Option<&str> {
    reply_body(reply)["message"].as_str()
}

/// What a reply says, in one line for a person: its beginning. What depends on the server's words
/// asks for its [`server_message`].
#[must_use]
pub fn reply_message(reply: &ApiReply) -> String {
    match reply {
        ApiReply::Transport { fault } => fault.clone(),
        ApiReply::Http { code, body, .. } => {
            let text = match body {
                ReplyBody::Json(value) => value["message"]
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned),
                ReplyBody::Text(text) => text.clone(),
            };
            format!(
                "{code}: {}",
                text.chars().take(SHOWN_CHARACTERS).collect::<String>()
            )
        }
    }
}

/// The status of a condition, where the object has it.
#[must_use]
pub fn condition_status<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|one| one["type"] == kind)?["status"].as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reply(body: ReplyBody) -> ApiReply {
        ApiReply::Http {
            code: 403,
            body,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn a_refusal_is_told_in_the_servers_words_and_their_beginning_shown() {
        let long = "x".repeat(SHOWN_CHARACTERS + 1);
        let refused = reply(ReplyBody::Json(json!({"message": long})));
        assert_eq!(
            server_message(&refused).map(str::len),
            Some(SHOWN_CHARACTERS + 1)
        );
        assert_eq!(
            reply_message(&refused),
            format!("403: {}", "x".repeat(SHOWN_CHARACTERS))
        );
        let text = reply(ReplyBody::Text("no".into()));
        assert_eq!(
            (reply_message(&text), server_message(&text)),
            ("403: no".into(), None)
        );
        assert!(reply_body(&text).is_null() && !was_taken(&text));
    }

    #[test]
    fn only_the_condition_that_is_asked_for_counts() {
        let object = json!({"status": {"conditions": [
            {"type": "Synced", "status": "True"}, {"type": "Ready", "status": "False"},
        ]}});
        assert_eq!(condition_status(&object, "Ready"), Some("False"));
        assert_eq!(condition_status(&object, "Established"), None);
        assert_eq!(condition_status(&json!({}), "Ready"), None);
    }
}
