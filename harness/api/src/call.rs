//! One request.

use std::fmt::Write;

use http::Method;
use model::ReplyContext;
use serde_json::Value;

/// Plain JSON.
pub const JSON_BODY: &str = "application/json";
/// A merge patch.
pub const MERGE_PATCH: &str = "application/merge-patch+json";
/// A strategic merge patch.
pub const STRATEGIC_MERGE_PATCH: &str = "application/strategic-merge-patch+json";
/// A patch of single operations.
pub const JSON_PATCH: &str = "application/json-patch+json";
/// Server-side apply.
pub const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// JSON before anything else; a kubelet gives a log as plain text or not at all.
const ACCEPTED_TYPES: &str = "application/json, */*;q=0.8";

/// One request.
#[derive(Clone, Debug)]
pub struct ApiCall {
    /// The method.
    pub method: Method,
    /// The path, with its query.
    pub path: String,
    /// The body and its media type.
    pub body: Option<(&'static str, Value)>,
    /// The media types that the reply may be in.
    pub accept: &'static str,
    /// The object or server that it concerns in the end.
    pub asked: ReplyContext,
}

impl ApiCall {
    /// What is at this path.
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            body: None,
            accept: ACCEPTED_TYPES,
            asked: ReplyContext::Read,
        }
    }

    /// The method and the path as a person reads it: on one line, and without what a URL needs.
    #[must_use]
    pub fn plain_text(&self) -> String {
        let plain = percent_decode(&self.path);
        let plain = plain.replace(char::is_control, " ");
        format!("{} {plain}", self.method)
    }

    /// Deletes what is at this path.
    pub fn delete(path: impl Into<String>) -> Self {
        Self {
            method: Method::DELETE,
            asked: ReplyContext::Change,
            ..Self::get(path)
        }
    }

    /// Makes an object in the collection at this path.
    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self {
            method: Method::POST,
            asked: ReplyContext::Change,
            body: Some((JSON_BODY, body)),
            ..Self::get(path)
        }
    }

    /// Replaces the object at this path.
    pub fn put(path: impl Into<String>, body: Value) -> Self {
        Self {
            method: Method::PUT,
            ..Self::post(path, body)
        }
    }

    /// Changes the object at this path by a patch of this media type.
    pub fn patch(path: impl Into<String>, media: &'static str, body: Value) -> Self {
        Self {
            method: Method::PATCH,
            asked: ReplyContext::Change,
            body: Some((media, body)),
            ..Self::get(path)
        }
    }

    /// Server-side apply by the field manager `gauntlet`, conflicts forced.
    #[must_use]
    pub fn apply(path: &str, body: Value) -> Self {
        Self::patch(path, APPLY_PATCH, body)
            .with_query("fieldManager", "gauntlet")
            .with_query("force", "true")
    }

    /// With one more query parameter.
    #[must_use]
    pub fn with_query(mut self, key: &str, value: &str) -> Self {
        let mark = if self.path.contains('?') { '&' } else { '?' };
        self.path = format!("{}{mark}{key}={}", self.path, percent_encode(value));
        self
    }

    /// With `dryRun=All`, if it is one.
    #[must_use]
    pub fn dry_run(self, dry: bool) -> Self {
        if dry {
            self.with_query("dryRun", "All")
        } else {
            self
        }
    }
}

/// Percent-encodes everything that is not plainly a part of a path segment or a query value.
#[must_use]
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A text without its percent signs; what is not UTF-8 then, or no code, stays.
fn percent_decode(text: &str) -> String {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, behind)) = rest.split_first() {
        let code = behind
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|code| std::str::from_utf8(code).ok())
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        match code {
            Some(byte) => {
                out.push(byte);
                rest = &behind[2..];
            }
            None => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_a_request_on_one_line() {
        let call = ApiCall::get("/api/v1/pods/a/exec")
            .with_query("command", "echo 50% \n of ä")
            .with_query("stdout", "true");
        assert_eq!(
            call.plain_text(),
            "GET /api/v1/pods/a/exec?command=echo 50%   of ä&stdout=true"
        );
        for odd in ["/a%2", "/%zz%", "/%ff"] {
            assert_eq!(ApiCall::get(odd).plain_text(), format!("GET {odd}"));
        }
    }

    #[test]
    fn queries_are_encoded() {
        let call = ApiCall::get("/api/v1/pods")
            .with_query("fieldSelector", "metadata.name=a b")
            .dry_run(true);
        assert_eq!(
            call.path,
            "/api/v1/pods?fieldSelector=metadata.name%3Da%20b&dryRun=All"
        );
    }

    #[test]
    fn an_object_is_applied_by_one_field_manager_whoever_has_it() {
        let call = ApiCall::apply("/api/v1/namespaces/a", Value::Null);
        assert_eq!(
            call.path,
            "/api/v1/namespaces/a?fieldManager=gauntlet&force=true"
        );
        assert_eq!(
            (call.method, call.body),
            (Method::PATCH, Some((APPLY_PATCH, Value::Null)))
        );
    }
}
