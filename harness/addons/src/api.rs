//! The few requests that installing takes.

use std::time::Duration;

use futures::future::try_join_all;
use http::request::Builder;
use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use wait::{Look, Wait};

/// How long an engine may take until it refuses what it has to.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const APPLY: &str = "application/apply-patch+yaml";
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";

/// An answer of the API server.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn is_good(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// The server's words, where it refused.
    pub(crate) fn said(&self) -> String {
        self.body["message"]
            .as_str()
            .map_or_else(|| self.code.to_string(), str::to_owned)
    }
}

/// Puts all of these there, side by side: first namespaces, then what pods need, then what makes pods, and last
/// what has them asked about everything else.
pub(crate) async fn apply_all(admin: &Client, objects: &[Value]) -> Result<(), String> {
    let turn = |object: &Value| match object["kind"].as_str() {
        Some("Namespace") => 0,
        Some("Deployment" | "StatefulSet") => 2,
        Some("ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration") => 3,
        _ => 1,
    };
    for now in 0..=3 {
        try_join_all(
            objects
                .iter()
                .filter(|object| turn(object) == now)
                .map(|object| apply(admin, object)),
        )
        .await?;
    }
    Ok(())
}

/// Lets pods, given as `NAMESPACE/LABEL=VALUE`, be scheduled that are held back.
pub(crate) async fn release(admin: &Client, pods: &str) -> Result<(), String> {
    let (namespace, label) = pods.split_once('/').unwrap_or_default();
    let all = format!("/api/v1/namespaces/{namespace}/pods");
    let list = format!("{all}?labelSelector={label}");
    let held = async || -> Result<Option<Vec<Value>>, String> {
        let found = get(admin, &list).await?.body["items"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        Ok(Some(found).filter(|pods| !pods.is_empty()))
    };
    let none = json!({"spec": {"schedulingGates": null}});
    for pod in until(
        &format!("the pods of {namespace}"),
        Duration::from_millis(40),
        held,
    )
    .await?
    {
        let path = format!(
            "{all}/{}",
            pod["metadata"]["name"].as_str().unwrap_or_default()
        );
        put(
            send(admin, Method::PATCH, &path, MERGE, Some(&none)).await?,
            &pod,
        )?;
    }
    Ok(())
}

/// Puts `object` there, by server-side apply.
pub(crate) async fn apply(admin: &Client, object: &Value) -> Result<(), String> {
    apply_at(admin, &path(object), object).await
}

/// Puts `object` at this path, by server-side apply.
pub(crate) async fn apply_at(admin: &Client, path: &str, object: &Value) -> Result<(), String> {
    let path = format!("{path}?fieldManager=gauntlet&force=true");
    let answer = send(admin, Method::PATCH, &path, APPLY, Some(object)).await?;
    if !fails_closed(&answer) {
        return put(answer, object);
    }
    let taken = async || {
        let answer = send(admin, Method::PATCH, &path, APPLY, Some(object)).await?;
        if fails_closed(&answer) {
            Err(answer.said())
        } else {
            Ok(Some(answer))
        }
    };
    put(
        until("webhooks to answer", Duration::from_millis(40), taken).await?,
        object,
    )
}

/// Whether the webhook of an addon that is not up yet stands in the way, perhaps of another addon.
fn fails_closed(answer: &Answer) -> bool {
    answer.code == 500 && answer.said().contains("failed calling webhook")
}

/// Creates `object`, which is too large to be applied fast.
pub(crate) async fn create(admin: &Client, object: &Value) -> Result<(), String> {
    put(
        send(admin, Method::POST, &collection(object), JSON, Some(object)).await?,
        object,
    )
}

fn put(answer: Answer, object: &Value) -> Result<(), String> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let kind = object["kind"].as_str().unwrap_or_default();
    if answer.is_good() {
        Ok(())
    } else {
        Err(format!(
            "the {kind} `{name}` was not taken: {}",
            answer.said()
        ))
    }
}

/// Tries to create `object`, without storing it.
pub(crate) async fn dry_run(admin: &Client, object: &Value) -> Result<Answer, String> {
    send(
        admin,
        Method::POST,
        &format!("{}?dryRun=All", collection(object)),
        JSON,
        Some(object),
    )
    .await
}

pub(crate) async fn get(admin: &Client, path: &str) -> Result<Answer, String> {
    send(admin, Method::GET, path, JSON, None).await
}

pub(crate) async fn delete(admin: &Client, object: &Value) -> Result<Answer, String> {
    delete_at(admin, &path(object)).await
}

pub(crate) async fn delete_at(admin: &Client, path: &str) -> Result<Answer, String> {
    send(admin, Method::DELETE, path, JSON, None).await
}

/// A token of a ServiceAccount, for the API server.
pub(crate) async fn token(admin: &Client, namespace: &str, name: &str) -> Result<String, String> {
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
    let asked =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let answer = send(admin, Method::POST, &path, JSON, Some(&asked)).await?;
    answer.body["status"]["token"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| answer.said())
}

/// Asks for `path` with one more header, in JSON.
pub(crate) async fn with_header(
    admin: &Client,
    method: Method,
    path: &str,
    (name, value): (&str, &str),
    body: Option<&Value>,
) -> Result<Answer, String> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Content-Type", JSON)
        .header(name, value);
    exchange(admin, request, body).await
}

async fn send(
    admin: &Client,
    method: Method,
    path: &str,
    content: &str,
    body: Option<&Value>,
) -> Result<Answer, String> {
    exchange(
        admin,
        Request::builder()
            .method(method)
            .uri(path)
            .header("Content-Type", content),
        body,
    )
    .await
}

async fn exchange(
    admin: &Client,
    request: Builder,
    body: Option<&Value>,
) -> Result<Answer, String> {
    let bytes = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
    let request = request.body(Body::from(bytes));
    let reply = admin
        .send(request.map_err(|fault| fault.to_string())?)
        .await
        .map_err(|fault| fault.to_string())?;
    let code = reply.status().as_u16();
    let bytes = reply
        .into_body()
        .collect_bytes()
        .await
        .map_err(|fault| fault.to_string())?;
    Ok(Answer {
        code,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    })
}

/// Where objects of this kind are.
pub(crate) fn collection(object: &Value) -> String {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let root = if version.contains('/') {
        format!("/apis/{version}")
    } else {
        format!("/api/{version}")
    };
    let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
    let plural = kind
        .strip_suffix('y')
        .map_or_else(|| format!("{kind}s"), |stem| format!("{stem}ies"));
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
        None => format!("{root}/{plural}"),
    }
}

/// Where this object is.
pub(crate) fn path(object: &Value) -> String {
    format!(
        "{}/{}",
        collection(object),
        object["metadata"]["name"].as_str().unwrap_or_default()
    )
}

/// Looks until there is something, and says at the end what was seen last.
pub(crate) async fn until<T>(
    what: &str,
    every: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>, String>,
) -> Result<T, String> {
    let wait = Wait {
        what,
        within: PATIENCE,
        every,
    };
    let found = wait.until_async(async || match look().await {
        Ok(Some(found)) => Look::Ready(found),
        Ok(None) => Look::NotYet("nothing yet".into()),
        Err(said) => Look::NotYet(said),
    });
    found.await.map_err(|late| late.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_object_follows_from_its_kind() {
        let role = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}});
        assert_eq!(path(&role), "/api/v1/namespaces/n/configmaps/a");
        let policy = json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "a"}});
        assert_eq!(path(&policy), "/apis/kyverno.io/v1/clusterpolicies/a");
    }
}
