//! Plain requests and the replies to them, exactly as they came: no client's view lies between.

use std::fmt::Write;
use std::time::{Duration, Instant};

use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use model::{Asked, Reply};
use serde_json::Value;

use crate::Error;
use crate::warning;

/// How long the API server may take for one reply.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The `User-Agent` of what the engine asks for itself: set-up, looks and canaries.
pub(crate) const OWN_AGENT: &str = "gauntlet-engine";

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The path, with its query.
    pub(crate) path: String,
    /// The body and its media type.
    pub(crate) body: Option<(&'static str, Value)>,
    /// Whom it concerns in the end.
    pub(crate) asked: Asked,
}

/// A request with its reply.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) call: Call,
    /// The headers that say as whom.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) reply: Reply,
    /// From the first byte out to the last byte in.
    pub(crate) took: Duration,
}

/// Somebody who asks: a client, and the headers of each of its requests.
#[derive(Clone)]
pub(crate) struct Who {
    pub(crate) client: Client,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) agent: String,
}

pub(crate) const JSON: &str = "application/json";

/// JSON before anything else; a kubelet gives a log as plain text or not at all.
const ACCEPT: &str = "application/json, */*;q=0.8";

pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const APPLY: &str = "application/apply-patch+yaml";

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            body: None,
            asked: Asked::Read,
        }
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self {
            method: Method::DELETE,
            asked: Asked::Change,
            ..Self::get(path)
        }
    }

    pub(crate) fn post(path: impl Into<String>, body: Value) -> Self {
        Self {
            method: Method::POST,
            asked: Asked::Change,
            body: Some((JSON, body)),
            ..Self::get(path)
        }
    }

    pub(crate) fn put(path: impl Into<String>, body: Value) -> Self {
        Self {
            method: Method::PUT,
            ..Self::post(path, body)
        }
    }

    pub(crate) fn patch(path: impl Into<String>, media: &'static str, body: Value) -> Self {
        Self {
            method: Method::PATCH,
            asked: Asked::Change,
            body: Some((media, body)),
            ..Self::get(path)
        }
    }

    /// Server-side apply by the field manager `gauntlet`, conflicts forced.
    pub(crate) fn apply(path: &str, body: Value) -> Self {
        Self::patch(path, APPLY, body)
            .query("fieldManager", "gauntlet")
            .query("force", "true")
    }

    /// With one more query parameter.
    pub(crate) fn query(mut self, key: &str, value: &str) -> Self {
        let mark = if self.path.contains('?') { '&' } else { '?' };
        self.path = format!("{}{mark}{key}={}", self.path, encode(value));
        self
    }

    /// With `dryRun=All`, if it is one.
    pub(crate) fn dry(self, dry: bool) -> Self {
        if dry {
            self.query("dryRun", "All")
        } else {
            self
        }
    }
}

impl Who {
    /// Sends a request and reads the whole reply.
    pub(crate) async fn send(&self, call: Call) -> Exchange {
        let start = Instant::now();
        let reply = match tokio::time::timeout(DEADLINE, self.ask(&call)).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(fault)) => Reply::Transport {
                fault: fault.in_one_line(),
            },
            Err(_) => Reply::Transport {
                fault: format!("no reply within {} s", DEADLINE.as_secs()),
            },
        };
        Exchange {
            call,
            headers: self.headers.clone(),
            reply,
            took: start.elapsed(),
        }
    }

    /// The body of a reply to GET, or what the server said instead.
    pub(crate) async fn fetch(&self, path: impl Into<String>) -> Result<Value, Error> {
        let exchange = self.send(Call::get(path)).await;
        match exchange.reply {
            Reply::Http {
                code: 200..=299,
                body: model::Body::Json(body),
                ..
            } => Ok(body),
            reply => Err(Error::reply(&reply)),
        }
    }

    async fn ask(&self, call: &Call) -> Result<Reply, Error> {
        let body = match &call.body {
            Some((_, value)) => Body::from(value.to_string().into_bytes()),
            None => Body::empty(),
        };
        let request = self.request(call).body(body).map_err(Error::lost)?;
        let response = self.client.send(request).await.map_err(Error::lost)?;
        read(response).await
    }

    /// The request's head.
    pub(crate) fn request(&self, call: &Call) -> http::request::Builder {
        let mut builder = Request::builder()
            .method(call.method.clone())
            .uri(&call.path);
        builder = builder
            .header("accept", ACCEPT)
            .header("user-agent", &self.agent);
        if let Some((media, _)) = &call.body {
            builder = builder.header("content-type", *media);
        }
        self.headers.iter().fold(builder, |builder, (name, value)| {
            builder.header(*name, value)
        })
    }
}

/// A whole reply.
pub(crate) async fn read(response: Response<Body>) -> Result<Reply, Error> {
    let code = response.status().as_u16();
    let values = response.headers().get_all("warning").iter();
    let warnings = values
        .flat_map(|value| warning::texts(&String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let bytes = response
        .into_body()
        .collect_bytes()
        .await
        .map_err(Error::lost)?;
    Ok(Reply::Http {
        code,
        body: model::Body::of(&bytes),
        warnings,
    })
}

/// The status code.
pub(crate) fn code(reply: &Reply) -> Option<u16> {
    match reply {
        Reply::Http { code, .. } => Some(*code),
        Reply::Transport { .. } => None,
    }
}

/// The body, where it is JSON.
pub(crate) fn json(reply: &Reply) -> Option<&Value> {
    match reply {
        Reply::Http {
            body: model::Body::Json(value),
            ..
        } => Some(value),
        _ => None,
    }
}

/// Whether the server took it.
pub(crate) fn taken(reply: &Reply) -> bool {
    matches!(code(reply), Some(200..=299))
}

/// What a reply says, in one line for a person.
pub(crate) fn said(reply: &Reply) -> String {
    match reply {
        Reply::Transport { fault } => fault.clone(),
        Reply::Http { code, body, .. } => {
            let text = match body {
                model::Body::Json(value) => value["message"]
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned),
                model::Body::Text(text) => text.clone(),
            };
            format!("{code}: {}", text.chars().take(400).collect::<String>())
        }
    }
}

/// Percent-encodes everything that is not plainly a part of a path segment or a query value.
pub(crate) fn encode(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        let call = Call::get("/api/v1/pods")
            .query("fieldSelector", "metadata.name=a b")
            .dry(true);
        assert_eq!(
            call.path,
            "/api/v1/pods?fieldSelector=metadata.name%3Da%20b&dryRun=All"
        );
    }
}
