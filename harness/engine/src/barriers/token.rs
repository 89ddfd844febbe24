//! Sentinels for bound tokens. An API server asks its own copy of the pods whether a token's pod is
//! still there, and remembers for ten seconds which tokens it accepted: a token that is tried too
//! early is good for that long. Hence sentinel pods, each with one token that is tried once.

use std::time::Duration;

use api::{ApiCall, TokenRequest, reply_json as json_of};
use serde_json::{Value, json};

use super::sentinels::{IN_FORCE_WITHIN, SentinelObjects};
use crate::Error;
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

/// Waits until no token is good any more that was bound to a pod that is deleted by now.
///
/// # Errors
/// When a sentinel cannot be made, or its token stays good.
pub(crate) async fn bound_tokens(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
) -> Result<(), Error> {
    sentinels.make_namespace().await?;
    let (account, core) = (
        sentinels.fresh_name(),
        format!("/api/v1/namespaces/{}", sentinels.namespace()),
    );
    let body = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}});
    sentinels
        .make_part(&format!("{core}/serviceaccounts"), body)
        .await?;
    let wait = ConditionWait {
        what: "tokens of deleted pods to end",
        within: IN_FORCE_WITHIN,
        every: Duration::from_millis(10),
    };
    let ended = waiter
        .wait_until(wait, async || {
            match is_good(sentinels, &core, &account).await {
                Ok(false) => WaitLook::Ready(()),
                Ok(true) => {
                    WaitLook::NotYet("the token of the sentinel's pod is still good".into())
                }
                Err(said) => WaitLook::from(said),
            }
        })
        .await;
    sentinels.remove_parts(vec![format!("{core}/serviceaccounts/{account}")]);
    ended
}

/// Makes a pod and a token of it, deletes the pod, and asks about the token.
async fn is_good(sentinels: &SentinelObjects, core: &str, account: &str) -> Result<bool, Error> {
    let name = sentinels.fresh_name();
    sentinels
        .make_part(&format!("{core}/pods"), sentinel_pod(&name, account))
        .await?;
    let bound = TokenRequest {
        pod: Some(&name),
        ..TokenRequest::default()
    };
    let ask = bound.call(sentinels.namespace(), account);
    let given = sentinels.own().send_call(ask).await.reply;
    sentinels
        .own()
        .send_call(ApiCall::delete(format!("{core}/pods/{name}")))
        .await;
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
        "spec": {"token": api::reply_token(&given).ok_or_else(|| Error::unexpected_reply(&given))?},
    });
    let reply = sentinels
        .own()
        .send_call(ApiCall::post(
            "/apis/authentication.k8s.io/v1/tokenreviews",
            review,
        ))
        .await
        .reply;
    match json_of(&reply) {
        Some(body) if body["status"].is_object() => Ok(body["status"]["authenticated"] == true),
        _ => Err(Error::unexpected_reply(&reply)),
    }
}

/// A pod that no Pod Security level refuses, and that is never scheduled.
fn sentinel_pod(name: &str, account: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "serviceAccountName": account,
            "terminationGracePeriodSeconds": 0,
            "schedulingGates": [{"name": "gauntlet.dev/never"}],
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "main", "image": "sentinel",
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    })
}
