//! Tokens of what was deleted. An API server asks its own copy of the pods and accounts whether a
//! token's are still there, and remembers for ten seconds which tokens it accepted (kubernetes,
//! `pkg/kubeapiserver/authenticator`, `TokenSuccessCacheTTL`): a token that was just used, or is tried
//! too early, is good for that long. Hence sentinel pods, each with one token that is tried once; and
//! then the tokens themselves, until they are refused.

use std::time::Duration;

use api::{ApiCall, TokenRequest, reply_json as json_of};
use serde_json::json;

use super::sentinels::{IN_FORCE_WITHIN, SentinelObjects, restricted_pod};
use crate::Error;
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

/// How long a token may stay good: a pod has half a minute to end, and then come the ten seconds.
const TOKEN_ENDS_WITHIN: Duration = Duration::from_secs(60);

/// Waits until none of these tokens is good any more, whose pod or account was deleted.
///
/// # Errors
/// When a sentinel cannot be made, or a token stays good.
pub(crate) async fn wait_for_token_end(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
    tokens: &[&str],
) -> Result<(), Error> {
    if tokens.is_empty() {
        return Ok(());
    }
    sentinel_token_ends(sentinels, waiter).await?;
    let wait = ConditionWait {
        what: "tokens of what was deleted to end",
        within: TOKEN_ENDS_WITHIN,
        every: Duration::from_millis(50),
    };
    waiter
        .wait_until(wait, async || {
            for token in tokens {
                match is_accepted(sentinels, token).await {
                    Ok(false) => {}
                    Ok(true) => return WaitLook::NotYet("the API server still accepts one".into()),
                    Err(said) => return WaitLook::from(said),
                }
            }
            WaitLook::Ready(())
        })
        .await
}

/// Waits until the API server has learned of every pod that is deleted by now.
async fn sentinel_token_ends(
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
        .make_part(&format!("{core}/pods"), restricted_pod(&name, account))
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
    let given = api::reply_token(&given).ok_or_else(|| Error::unexpected_reply(&given))?;
    is_accepted(sentinels, given).await
}

/// Whether the API server accepts a token.
async fn is_accepted(sentinels: &SentinelObjects, token: &str) -> Result<bool, Error> {
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token},
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
