//! Requests to the API server.

use std::time::Duration;

use cluster::Cluster;
use serde_json::Value;
use wait::{Look, Wait};

/// How many requests are under way at once.
pub(crate) const SIDE_BY_SIDE: usize = 32;

/// What the API server answered.
pub(crate) enum Reply {
    Done(Value),
    /// It refused: code and message.
    Refused(u16, String),
}

pub(crate) async fn send(cluster: &Cluster, method: &str, path: &str, body: &Value) -> Reply {
    let kind = if method == "PATCH" {
        "application/strategic-merge-patch+json"
    } else {
        "application/json"
    };
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", kind);
    let body = if body.is_null() {
        Vec::new()
    } else {
        serde_json::to_vec(body).unwrap()
    };
    let request = request.body(body).unwrap();
    match cluster.admin().request(request).await {
        Ok(reply) => Reply::Done(reply),
        Err(kube::Error::Api(status)) => Reply::Refused(status.code, status.message),
        Err(other) => panic!("{method} {path}: {other}"),
    }
}

/// A request that has to be granted.
pub(crate) async fn must(cluster: &Cluster, method: &str, path: &str, body: &Value) -> Value {
    match send(cluster, method, path, body).await {
        Reply::Done(reply) => reply,
        Reply::Refused(code, message) => panic!("{method} {path}: {code} {message}: {body}"),
    }
}

/// Looks again and again until it is so, for two minutes at most: the machine may be busy.
pub(crate) async fn until(what: &str, mut look: impl AsyncFnMut() -> Result<(), String>) {
    let wait = Wait {
        what,
        within: Duration::from_secs(120),
        every: Duration::from_millis(10),
    };
    let holds = wait.until_async(async || match look().await {
        Ok(()) => Look::Ready(()),
        Err(seen) => Look::NotYet(seen),
    });
    if let Err(late) = holds.await {
        panic!("{late}");
    }
}
