//! Reading a reply: the heart of the safety claim. A refusal is only believed when its words are
//! known; everything else is [`Verdict::Broken`].

use serde_json::Value;

use crate::{Answer, ApiReply, Refuser, ReplyBody, ReplyContext, Verdict, denial_messages};

/// The API server's whole reply for a group or version that it does not serve.
const NO_SUCH_GROUP: &str = "404 page not found";

/// What this reply means.
///
/// Never panics, and never takes a fault for a refusal: transport faults, time-outs, 429 without a
/// disruption budget or a limit of events, every 403 whose text is not known, and every 5xx are
/// `Broken`; but for a webhook failing closed, what encryption at rest cannot encrypt or decrypt,
/// and the plugins that do not wrap what they say.
#[must_use]
pub fn read_reply(asked: ReplyContext, reply: &ApiReply) -> Verdict {
    match reply {
        ApiReply::Transport { fault } => Verdict::broken(format!("no reply: {fault}")),
        ApiReply::Http {
            code: 200..=299 | 101,
            ..
        } => success_answer(asked).into(),
        ApiReply::Http { code, body, .. } => match body {
            ReplyBody::Json(status) if status["kind"] == "Status" => {
                read_refusal(asked, *code, status)
            }
            ReplyBody::Text(text)
                if asked == ReplyContext::Kubelet
                    && *code == 403
                    && denial_messages::kubelet_unauthorized(text) =>
            {
                Answer::Forbidden.into()
            }
            ReplyBody::Text(text)
                if asked != ReplyContext::Kubelet
                    && *code == 404
                    && text.trim() == NO_SUCH_GROUP =>
            {
                Answer::Invalid.into()
            }
            other => unknown_reply(*code, "", &text_of(other)),
        },
    }
}

/// What it means that the request was carried out.
fn success_answer(asked: ReplyContext) -> Answer {
    match asked {
        ReplyContext::Change => Answer::Admitted,
        ReplyContext::Read | ReplyContext::Kubelet => Answer::Allowed,
    }
}

fn read_refusal(asked: ReplyContext, code: u16, status: &Value) -> Verdict {
    let message = status["message"].as_str().unwrap_or_default();
    let reason = status["reason"].as_str().unwrap_or_default();
    if let Some(answer) = read_message(code, message) {
        return answer.into();
    }
    if denial_messages::sealing_fault(code, message) {
        return Answer::EncryptionFailed.into();
    }
    let answer = match (code, reason) {
        (401, "Unauthorized") if message == "Unauthorized" => Answer::Unauthenticated,
        (403, "Forbidden") if denial_messages::is_unauthorized(message) => Answer::Forbidden,
        (403, "Forbidden")
            if asked == ReplyContext::Kubelet && denial_messages::upgrade_unauthorized(message) =>
        {
            Answer::Forbidden
        }
        (429, "TooManyRequests") if has_cause(status, "DisruptionBudget") => Answer::Denied {
            by: Refuser::DisruptionBudget,
        },
        (422, "Invalid") => Answer::Invalid,
        (400, "BadRequest") if schema_fault(message) || selector_fault(message) => Answer::Invalid,
        (404, "NotFound") if message == "the server could not find the requested resource" => {
            Answer::Invalid
        }
        (404, "NotFound") if message.ends_with(" not found") => Answer::NotFound,
        (409, "AlreadyExists" | "Conflict") => Answer::Conflict,
        (500, "") if message.starts_with("failed to create typed patch object (") => {
            Answer::Invalid
        }
        _ => return unknown_reply(code, reason, message),
    };
    answer.into()
}

/// The refusal that an admission message itself names, for replies and for the messages that
/// controllers pass on.
#[must_use]
pub fn read_message(code: u16, message: &str) -> Option<Answer> {
    let by = match code {
        500 => denial_messages::failing_closed(message)?,
        400..=499 => denial_messages::read_refuser(message)?,
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

/// Selectors by a field that objects of this type cannot be selected by (apimachinery
/// `pkg/runtime/conversion.go`; the conversions of each group in kubernetes `pkg/apis`).
fn selector_fault(message: &str) -> bool {
    message.starts_with("field label not supported")
        || message.contains(" is not a known field selector: only ")
}

fn has_cause(status: &Value, wanted: &str) -> bool {
    let causes = status["details"]["causes"].as_array();
    causes.is_some_and(|all| all.iter().any(|cause| cause["reason"] == wanted))
}

fn text_of(body: &ReplyBody) -> String {
    match body {
        ReplyBody::Json(value) => value.to_string(),
        ReplyBody::Text(text) => text.clone(),
    }
}

fn unknown_reply(code: u16, reason: &str, message: &str) -> Verdict {
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
