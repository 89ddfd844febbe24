//! Somebody who asks.

use std::time::{Duration, Instant};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use model::Reply;
use serde_json::Value;

use crate::call::Call;
use crate::error::{Error, chain};
use crate::warning;

/// How long an API server may usually take for one reply.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A client, and what goes with each of its requests.
#[derive(Clone)]
pub struct Caller {
    /// The client.
    pub client: Client,
    /// More headers of each request, such as those of impersonation.
    pub headers: Vec<(&'static str, String)>,
    /// Its `User-Agent`: an audit log tells by it whose request it was.
    pub agent: String,
    /// How long the server may take for one reply.
    pub deadline: Duration,
}

/// A request with its reply.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The request.
    pub call: Call,
    /// The headers that say as whom.
    pub headers: Vec<(&'static str, String)>,
    /// The reply.
    pub reply: Reply,
    /// From the first byte out to the last byte in.
    pub took: Duration,
}

impl Caller {
    /// One who is called so, with the usual deadline and no headers of its own.
    pub fn new(client: Client, agent: impl Into<String>) -> Self {
        Self {
            client,
            headers: Vec::new(),
            agent: agent.into(),
            deadline: DEADLINE,
        }
    }

    /// Sends a request and reads the whole reply; what stands in its way is a reply, too.
    pub async fn send(&self, call: Call) -> Exchange {
        let start = Instant::now();
        let reply = self
            .ask(&call)
            .await
            .unwrap_or_else(|fault| Reply::Transport {
                fault: chain(&fault),
            });
        Exchange {
            call,
            headers: self.headers.clone(),
            reply,
            took: start.elapsed(),
        }
    }

    /// The whole reply to a request.
    ///
    /// # Errors
    /// When there is none, or not in time.
    pub async fn ask(&self, call: &Call) -> Result<Reply, Error> {
        let within = self.deadline;
        tokio::time::timeout(within, self.exchange(call))
            .await
            .map_err(|_| Error::Late { within })?
    }

    /// The JSON that a request asks for.
    ///
    /// # Errors
    /// When there is no reply, or it is another one; then the error has the server's words.
    pub async fn obtain(&self, call: &Call) -> Result<Value, Error> {
        match self.ask(call).await? {
            Reply::Http {
                code: 200..=299,
                body: model::Body::Json(body),
                ..
            } => Ok(body),
            reply => Err(Error::unexpected(&reply)),
        }
    }

    /// What is at a path.
    ///
    /// # Errors
    /// As [`Self::obtain`].
    pub async fn fetch(&self, path: impl Into<String>) -> Result<Value, Error> {
        self.obtain(&Call::get(path)).await
    }

    /// A request's head.
    #[must_use]
    pub fn head(&self, call: &Call) -> http::request::Builder {
        let mut builder = Request::builder()
            .method(call.method.clone())
            .uri(&call.path)
            .header("accept", call.accept)
            .header("user-agent", &self.agent);
        if let Some((media, _)) = &call.body {
            builder = builder.header("content-type", *media);
        }
        self.headers.iter().fold(builder, |builder, (name, value)| {
            builder.header(*name, value)
        })
    }

    async fn exchange(&self, call: &Call) -> Result<Reply, Error> {
        let body = match &call.body {
            Some((_, value)) => Body::from(value.to_string().into_bytes()),
            None => Body::empty(),
        };
        read(self.client.send(self.head(call).body(body)?).await?).await
    }
}

/// A whole reply.
///
/// # Errors
/// When the connection breaks before its end.
pub async fn read(response: Response<Body>) -> Result<Reply, Error> {
    let code = response.status().as_u16();
    let values = response.headers().get_all("warning").iter();
    let warnings = values
        .flat_map(|value| warning::texts(&String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let bytes = response.into_body().collect_bytes().await?;
    Ok(Reply::Http {
        code,
        body: model::Body::of(&bytes),
        warnings,
    })
}
