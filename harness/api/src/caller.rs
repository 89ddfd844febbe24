//! Somebody who asks.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use error_chain::error_chain;
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use model::ApiReply;
use serde_json::Value;

use crate::call::ApiCall;
use crate::error::Error;
use crate::warning;

/// How long an API server may usually take for one reply.
pub const REPLIES_WITHIN: Duration = Duration::from_secs(30);

/// A client, and what goes with each of its requests.
#[derive(Clone)]
pub struct ApiCaller {
    /// The client.
    pub client: Client,
    /// More headers of each request, such as those of impersonation.
    pub headers: Vec<(String, String)>,
    /// Its `User-Agent`: an audit log tells by it whose request it was.
    pub agent: String,
    /// How long the server may take for one reply.
    pub deadline: Duration,
    /// Who is told of each request, if anybody is.
    pub listener: Option<RequestListener>,
}

/// Who is told of each request once it is answered, or was given up: the request, the reply where
/// one came, and the time that it took.
#[derive(Clone)]
pub struct RequestListener(Arc<RequestNotice>);

type RequestNotice = dyn Fn(&ApiCall, Option<&ApiReply>, Duration) + Send + Sync;

impl RequestListener {
    /// One who does this with it.
    pub fn new(
        notice: impl Fn(&ApiCall, Option<&ApiReply>, Duration) + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(notice))
    }
}

impl fmt::Debug for RequestListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestListener")
    }
}

/// A request with its reply.
#[derive(Clone, Debug)]
pub struct ApiExchange {
    /// The request.
    pub call: ApiCall,
    /// The headers that say who asks.
    pub headers: Vec<(String, String)>,
    /// The reply.
    pub reply: ApiReply,
    /// From the first byte out to the last byte in.
    pub took: Duration,
}

impl ApiCaller {
    /// One who is called so, with the usual deadline and no headers of its own.
    pub fn new(client: Client, agent: impl Into<String>) -> Self {
        Self {
            client,
            headers: Vec::new(),
            agent: agent.into(),
            deadline: REPLIES_WITHIN,
            listener: None,
        }
    }

    /// Sends a request and reads the whole reply; what stands in its way is a reply, too.
    pub async fn send_call(&self, call: ApiCall) -> ApiExchange {
        let start = Instant::now();
        let reply = self
            .ask_once(&call)
            .await
            .unwrap_or_else(|fault| ApiReply::Transport {
                fault: error_chain(&fault),
            });
        ApiExchange {
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
    pub async fn ask_once(&self, call: &ApiCall) -> Result<ApiReply, Error> {
        let (within, start) = (self.deadline, Instant::now());
        let replied = tokio::time::timeout(within, self.exchange_once(call))
            .await
            .map_err(|_| Error::Late { within })
            .flatten();
        self.tell_listener(call, replied.as_ref().ok(), start.elapsed());
        replied
    }

    /// Tells of a request that was sent another way.
    pub fn tell_listener(&self, call: &ApiCall, reply: Option<&ApiReply>, took: Duration) {
        if let Some(RequestListener(notice)) = &self.listener {
            notice(call, reply, took);
        }
    }

    /// The JSON that a request asks for.
    ///
    /// # Errors
    /// When there is no reply, or it is another one; then the error has the server's words.
    pub async fn obtain(&self, call: &ApiCall) -> Result<Value, Error> {
        match self.ask_once(call).await? {
            ApiReply::Http {
                code: 200..=299,
                body: model::ReplyBody::Json(body),
                ..
            } => Ok(body),
            reply => Err(Error::unexpected(&reply)),
        }
    }

    /// What is at a path.
    ///
    /// # Errors
    /// As [`Self::obtain`].
    pub async fn fetch_body(&self, path: impl Into<String>) -> Result<Value, Error> {
        self.obtain(&ApiCall::get(path)).await
    }

    /// A request's head.
    #[must_use]
    pub fn head(&self, call: &ApiCall) -> http::request::Builder {
        let mut builder = Request::builder()
            .method(call.method.clone())
            .uri(&call.path)
            .header("accept", call.accept)
            .header("user-agent", &self.agent);
        if let Some((media, _)) = &call.body {
            builder = builder.header("content-type", *media);
        }
        self.headers.iter().fold(builder, |builder, (name, value)| {
            builder.header(name, value)
        })
    }

    /// A connection that was kept open may end on the server's side just as it is used again. What
    /// only reads is then asked once more, as Go's client does (net/http,
    /// `persistConn.shouldRetryRequest`; RFC 9110, 9.2.2).
    async fn exchange_once(&self, call: &ApiCall) -> Result<ApiReply, Error> {
        match self.exchange_on_one_connection(call).await {
            Err(lost) if call.method.is_safe() && lost.is_unanswered() => {
                self.exchange_on_one_connection(call).await
            }
            replied => replied,
        }
    }

    async fn exchange_on_one_connection(&self, call: &ApiCall) -> Result<ApiReply, Error> {
        let body = match &call.body {
            Some((_, value)) => Body::from(value.to_string().into_bytes()),
            None => Body::empty(),
        };
        read_reply(self.client.send(self.head(call).body(body)?).await?).await
    }
}

/// A whole reply.
///
/// # Errors
/// When the connection breaks before its end.
pub async fn read_reply(response: Response<Body>) -> Result<ApiReply, Error> {
    let code = response.status().as_u16();
    let values = response.headers().get_all("warning").iter();
    let warnings = values
        .flat_map(|value| warning::warning_texts(&String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let bytes = response.into_body().collect_bytes().await?;
    Ok(ApiReply::Http {
        code,
        body: model::ReplyBody::from_bytes(&bytes),
        warnings,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Answers one request on each connection, and ends it when it has read another.
    async fn answer_once(mut connection: TcpStream) {
        let mut bytes = [0; 4096];
        let _ = connection.read(&mut bytes).await;
        let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        let _ = connection.write_all(reply).await;
        let _ = connection.read(&mut bytes).await;
    }

    /// The codes of two requests, none where there was no reply, and how many connections there were.
    async fn ask_twice(call: ApiCall) -> (Vec<Option<u16>>, usize) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let server = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer_once(connection));
            }
        });
        let config = kube::Config::new(format!("http://{address}").parse().unwrap());
        let caller = ApiCaller::new(Client::try_from(config).unwrap(), "test");
        let mut codes = Vec::new();
        for _ in 0..2 {
            codes.push(match caller.send_call(call.clone()).await.reply {
                ApiReply::Http { code, .. } => Some(code),
                ApiReply::Transport { .. } => None,
            });
        }
        server.abort();
        (codes, connections.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn only_what_reads_is_asked_again_when_a_kept_connection_ends() {
        let read = ask_twice(ApiCall::get("/version")).await;
        assert_eq!(read, (vec![Some(200), Some(200)], 2));
        let write = ask_twice(ApiCall::post("/api/v1/namespaces", json!({}))).await;
        assert_eq!(write, (vec![Some(200), None], 1));
    }
}
