//! The few requests that installing takes, as administrator.

use std::time::Duration;

use api::{
    ApiCall, ApiCaller, MERGE_PATCH, TokenRequest, collection_path, object_path, reply_body,
    reply_message, server_message, status_code,
};
use futures::future::try_join_all;
use kube::Client;
use model::ApiReply;
use serde_json::{Value, json};
use wait::{ConditionWait, WaitLook};

use crate::Error;

/// How long an engine may take until it refuses what it has to, and the API server for one reply.
const REFUSES_WITHIN: Duration = Duration::from_secs(60);

/// From one look to the next, at what usually comes soon.
const POLL_INTERVAL: Duration = Duration::from_millis(40);

const USER_AGENT: &str = "gauntlet-addons";

/// The administrator, who installs addons.
pub(crate) struct Admin(ApiCaller);

impl Admin {
    pub(crate) fn new(client: Client) -> Self {
        Self(ApiCaller {
            deadline: REFUSES_WITHIN,
            ..ApiCaller::new(client, USER_AGENT)
        })
    }

    /// The same, with one more header in each request.
    pub(crate) fn with_header(&self, name: &'static str, value: &str) -> Self {
        let mut caller = self.0.clone();
        caller.headers.push((name.to_owned(), value.to_owned()));
        Self(caller)
    }

    /// Puts all of these there, side by side: first namespaces, then what pods need, then what
    /// makes pods, and last what has them asked about everything else.
    pub(crate) async fn apply_all(&self, objects: &[Value]) -> Result<(), Error> {
        let turn = |object: &Value| match object["kind"].as_str() {
            Some("Namespace") => 0,
            Some("Deployment" | "StatefulSet") => 2,
            Some("ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration") => 3,
            _ => 1,
        };
        for now in 0..=3 {
            let due = objects.iter().filter(|object| turn(object) == now);
            try_join_all(due.map(|object| self.apply_object(object))).await?;
            if now == 1 {
                self.wait_for_roles(objects).await?;
            }
        }
        Ok(())
    }

    /// Waits until the aggregated roles among these objects have rules: a controller collects them,
    /// and what pods may do comes from there.
    pub(crate) async fn wait_for_roles(&self, objects: &[Value]) -> Result<(), Error> {
        let aggregated = objects.iter().filter(|object| {
            object["kind"] == "ClusterRole" && object["aggregationRule"].is_object()
        });
        let waits = aggregated.map(async |role: &Value| {
            let what = format!("rules in the role {}", role["metadata"]["name"]);
            let path = object_path(role);
            wait_until(&what, POLL_INTERVAL, async || {
                let reply = self.get(&path).await?;
                let rules = reply_body(&reply)["rules"].as_array();
                let filled = rules.is_some_and(|rules| !rules.is_empty());
                Ok(WaitLook::when(filled, || "it has none".into()))
            })
            .await
        });
        try_join_all(waits).await.map(drop)
    }

    /// Gives the Deployments among these objects the pods that they are to have.
    pub(crate) async fn start_pods(&self, objects: &[Value]) -> Result<(), Error> {
        let held = objects
            .iter()
            .filter(|object| object["kind"] == "Deployment");
        let starts = held.map(async |deployment: &Value| {
            let whole = json!({"spec": {"replicas": wanted_replicas(deployment)}});
            let call = ApiCall::patch(object_path(deployment), MERGE_PATCH, whole);
            put_object(&self.ask(&call).await?, deployment)
        });
        try_join_all(starts).await.map(drop)
    }

    /// Puts `object` there, by server-side apply.
    pub(crate) async fn apply_object(&self, object: &Value) -> Result<(), Error> {
        self.apply_at(&object_path(object), object).await
    }

    /// Puts `object` at this path, by server-side apply. A webhook that is not up yet is waited
    /// for.
    pub(crate) async fn apply_at(&self, path: &str, object: &Value) -> Result<(), Error> {
        let call = ApiCall::apply(path, object.clone());
        let reply = self.ask(&call).await?;
        if !fails_closed(&reply) {
            return put_object(&reply, object);
        }
        let taken = async || {
            let reply = self.ask(&call).await?;
            Ok(if fails_closed(&reply) {
                WaitLook::NotYet(reply_message(&reply))
            } else {
                WaitLook::Ready(reply)
            })
        };
        put_object(
            &wait_until("webhooks to answer", POLL_INTERVAL, taken).await?,
            object,
        )
    }

    /// Creates `object`, which is too large to be applied fast.
    pub(crate) async fn create_object(&self, object: &Value) -> Result<(), Error> {
        let call = ApiCall::post(collection_path(object), object.clone());
        put_object(&self.ask(&call).await?, object)
    }

    /// Tries to create `object`, without storing it.
    pub(crate) async fn dry_run(&self, object: &Value) -> Result<ApiReply, Error> {
        let call = ApiCall::post(collection_path(object), object.clone());
        self.ask(&call.dry_run(true)).await
    }

    /// What is said of what is at this path.
    pub(crate) async fn get(&self, path: &str) -> Result<ApiReply, Error> {
        self.ask(&ApiCall::get(path)).await
    }

    pub(crate) async fn delete_path(&self, object: &Value) -> Result<ApiReply, Error> {
        self.delete_at(&object_path(object)).await
    }

    pub(crate) async fn delete_at(&self, path: &str) -> Result<ApiReply, Error> {
        self.ask(&ApiCall::delete(path)).await
    }

    /// A token of a ServiceAccount, for the API server.
    pub(crate) async fn request_token(&self, namespace: &str, name: &str) -> Result<String, Error> {
        let call = TokenRequest::default().call(namespace, name);
        let reply = self.ask(&call).await?;
        api::reply_token(&reply).map(str::to_owned).ok_or_else(|| {
            Error::refused(format!("no token for the ServiceAccount `{name}`"), &reply)
        })
    }

    pub(crate) async fn ask(&self, call: &ApiCall) -> Result<ApiReply, Error> {
        Ok(self.0.ask_once(call).await?)
    }
}

/// Whether the webhook of an addon that is not up yet stands in the way, perhaps of another addon.
fn fails_closed(reply: &ApiReply) -> bool {
    let is_webhook = |words: &str| words.contains("failed calling webhook");
    status_code(reply) == Some(500) && server_message(reply).is_some_and(is_webhook)
}

/// How many pods a Deployment asks for; one, where it does not say.
fn wanted_replicas(deployment: &Value) -> u64 {
    deployment["spec"]["replicas"].as_u64().unwrap_or(1)
}

fn put_object(reply: &ApiReply, object: &Value) -> Result<(), Error> {
    if api::was_taken(reply) {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let kind = object["kind"].as_str().unwrap_or_default();
    Err(Error::refused(
        format!("the {kind} `{name}` was not taken"),
        reply,
    ))
}

/// Looks until the condition holds; a look that fails shows that it does not yet.
pub(crate) async fn wait_until<T>(
    what: &str,
    every: Duration,
    mut look: impl AsyncFnMut() -> Result<WaitLook<T>, Error>,
) -> Result<T, Error> {
    let wait = ConditionWait {
        what,
        within: REFUSES_WITHIN,
        every,
    };
    let looks = async || look().await.unwrap_or_else(WaitLook::from);
    Ok(wait.until_async(looks).await?)
}
