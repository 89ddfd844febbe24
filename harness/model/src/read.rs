//! Reading a reply: the heart of the safety claim. A refusal is only believed when its words are known;
//! everything else is [`Verdict::Broken`].

use serde_json::Value;

use crate::{Answer, Asked, Body, By, Reply, Verdict, texts};

/// The API server's whole reply for a group or version that it does not serve.
const NO_SUCH_GROUP: &str = "404 page not found";

/// What this reply means.
///
/// Never panics, and never takes a fault for a refusal: transport faults, time-outs, 429 without a disruption budget or a
/// limit of events, every 403 whose text is not known, and every 5xx are `Broken`; but for a webhook failing closed, what
/// encryption at rest cannot encrypt or decrypt, and the plugins that do not wrap what they say.
#[must_use]
pub fn read(asked: Asked, reply: &Reply) -> Verdict {
    match reply {
        Reply::Transport { fault } => Verdict::broken(format!("no reply: {fault}")),
        Reply::Http {
            code: 200..=299 | 101,
            ..
        } => success(asked).into(),
        Reply::Http { code, body, .. } => match body {
            Body::Json(status) if status["kind"] == "Status" => refusal(asked, *code, status),
            Body::Text(text)
                if asked == Asked::Kubelet && *code == 403 && texts::kubelet_unauthorized(text) =>
            {
                Answer::Forbidden.into()
            }
            Body::Text(text)
                if asked != Asked::Kubelet && *code == 404 && text.trim() == NO_SUCH_GROUP =>
            {
                Answer::Invalid.into()
            }
            other => unknown(*code, "", &text_of(other)),
        },
    }
}

/// What it means that the request was carried out.
fn success(asked: Asked) -> Answer {
    match asked {
        Asked::Change => Answer::Admitted,
        Asked::Read | Asked::Kubelet => Answer::Allowed,
    }
}

fn refusal(asked: Asked, code: u16, status: &Value) -> Verdict {
    let message = status["message"].as_str().unwrap_or_default();
    let reason = status["reason"].as_str().unwrap_or_default();
    if let Some(answer) = read_message(code, message) {
        return answer.into();
    }
    if texts::sealing_fault(code, message) {
        return Answer::EncryptionFailed.into();
    }
    let answer = match (code, reason) {
        (401, "Unauthorized") if message == "Unauthorized" => Answer::Unauthenticated,
        (403, "Forbidden") if texts::unauthorized(message) => Answer::Forbidden,
        (403, "Forbidden") if asked == Asked::Kubelet && texts::upgrade_unauthorized(message) => {
            Answer::Forbidden
        }
        (429, "TooManyRequests") if has_cause(status, "DisruptionBudget") => Answer::Denied {
            by: By::DisruptionBudget,
        },
        (422, "Invalid") => Answer::Invalid,
        (400, "BadRequest") if schema_fault(message) => Answer::Invalid,
        (404, "NotFound") if message == "the server could not find the requested resource" => {
            Answer::Invalid
        }
        (404, "NotFound") if message.ends_with(" not found") => Answer::NotFound,
        (409, "AlreadyExists" | "Conflict") => Answer::Conflict,
        (500, "") if message.starts_with("failed to create typed patch object (") => {
            Answer::Invalid
        }
        _ => return unknown(code, reason, message),
    };
    answer.into()
}

/// The refusal that an admission message itself names, for replies and for the messages that controllers pass on.
#[must_use]
pub fn read_message(code: u16, message: &str) -> Option<Answer> {
    let by = match code {
        500 => texts::failing_closed(message)?,
        400..=499 => texts::refuser(message)?,
        _ => return None,
    };
    Some(Answer::Denied { by })
}

/// Bodies that the server could not decode into the type they name.
fn schema_fault(message: &str) -> bool {
    [
        "strict decoding error",
        " in version \"",
        "cannot be handled as a ",
        "json: cannot unmarshal",
    ]
    .iter()
    .any(|text| message.contains(text))
}

fn has_cause(status: &Value, wanted: &str) -> bool {
    let causes = status["details"]["causes"].as_array();
    causes.is_some_and(|all| all.iter().any(|cause| cause["reason"] == wanted))
}

fn text_of(body: &Body) -> String {
    match body {
        Body::Json(value) => value.to_string(),
        Body::Text(text) => text.clone(),
    }
}

fn unknown(code: u16, reason: &str, message: &str) -> Verdict {
    let short: String = message.chars().take(300).collect();
    let reason = if reason.is_empty() {
        String::new()
    } else {
        format!(" {reason}")
    };
    Verdict::broken(format!(
        "the reply {code}{reason} is not one that is known: {short}"
    ))
}
