//! Requests to the API server.

use std::time::Duration;

use api::{
    ApiCall, ApiCaller, JSON_BODY, STRATEGIC_MERGE_PATCH, reply_message, server_message,
    status_code, was_taken,
};
use cluster::Cluster;
use serde_json::Value;
use wait::{ConditionWait, WaitLook};

/// How many requests are under way at once.
pub(crate) const SIDE_BY_SIDE: usize = 32;

/// What the API server answered.
pub(crate) enum Reply {
    Done(Value),
    /// It refused: code and message.
    Refused(u16, String),
}

pub(crate) async fn send(cluster: &Cluster, method: &str, path: &str, body: &Value) -> Reply {
    let media = if method == "PATCH" {
        STRATEGIC_MERGE_PATCH
    } else {
        JSON_BODY
    };
    let call = ApiCall {
        method: method.parse().unwrap(),
        body: (!body.is_null()).then(|| (media, body.clone())),
        ..ApiCall::get(path)
    };
    let caller = ApiCaller::new(cluster.admin_client().clone(), "gauntlet-oracle");
    match caller.ask_once(&call).await {
        Ok(reply) if was_taken(&reply) => Reply::Done(api::reply_body(&reply).clone()),
        Ok(reply) => {
            let message =
                server_message(&reply).map_or_else(|| reply_message(&reply), str::to_owned);
            Reply::Refused(status_code(&reply).unwrap_or_default(), message)
        }
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
    let wait = ConditionWait {
        what,
        within: Duration::from_secs(120),
        every: Duration::from_millis(10),
    };
    let holds = wait.until_async(async || match look().await {
        Ok(()) => WaitLook::Ready(()),
        Err(seen) => WaitLook::NotYet(seen),
    });
    if let Err(late) = holds.await {
        panic!("{late}");
    }
}
