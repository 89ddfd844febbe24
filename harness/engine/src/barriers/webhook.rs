//! Sentinels for webhooks, and for the labels of namespaces: a webhook without a backend fails
//! whatever it selects.

use std::time::Duration;

use addons::SENTINEL_LABEL;
use model::{Answer, ApiReply, Refuser, ReplyContext, Verdict};
use serde_json::{Value, json};

use super::sentinels::{IN_FORCE_WITHIN, SentinelObjects, lease_rule, not_yet};
use crate::Error;
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

/// One of the two kinds of webhook configuration.
#[derive(Clone, Copy)]
pub(super) struct WebhookKind {
    pub(super) kind: &'static str,
    plural: &'static str,
}

pub(super) const VALIDATING_WEBHOOK: WebhookKind = WebhookKind {
    kind: "ValidatingWebhookConfiguration",
    plural: "validatingwebhookconfigurations",
};
pub(super) const MUTATING_WEBHOOK: WebhookKind = WebhookKind {
    kind: "MutatingWebhookConfiguration",
    plural: "mutatingwebhookconfigurations",
};

const REGISTRATION_API: &str = "/apis/admissionregistration.k8s.io/v1";

/// `control` is what was written last: if it answers on the sentinel itself, that shows it as well.
pub(super) async fn wait_for_webhook(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
    kind: WebhookKind,
    control: Option<&Value>,
) -> Result<(), Error> {
    let name = sentinels.fresh_name();
    let hooks = control
        .and_then(|object| object["webhooks"].as_array())
        .map(Vec::as_slice)
        .unwrap_or_default();
    let theirs: Vec<&str> = hooks
        .iter()
        .filter_map(|hook| hook["name"].as_str())
        .collect();
    prove_webhook(
        sentinels,
        waiter,
        kind,
        &name,
        sentinels.sentinel_selectors(&name),
        &theirs,
    )
    .await
}

/// The namespace's labels come by a separate watch, which all of admission shares.
pub(super) async fn namespace_labels(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
) -> Result<(), Error> {
    let name = sentinels.fresh_name();
    let label = format!(
        "{SENTINEL_LABEL}-{}",
        name.rsplit('-').next().unwrap_or_default()
    );
    sentinels.label_namespace(&label).await?;
    let mut selectors = sentinels.sentinel_selectors(&name);
    selectors["namespaceSelector"]["matchLabels"][&label] = Value::from("yes");
    prove_webhook(sentinels, waiter, VALIDATING_WEBHOOK, &name, selectors, &[]).await
}

async fn prove_webhook(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
    kind: WebhookKind,
    name: &str,
    selectors: Value,
    theirs: &[&str],
) -> Result<(), Error> {
    let hook = format!("{name}.gauntlet.dev");
    let path = format!("{REGISTRATION_API}/{}", kind.plural);
    sentinels
        .make_part(
            &path,
            webhook_configuration(kind.kind, name, &hook, &selectors),
        )
        .await?;
    let wait = ConditionWait {
        what: "webhooks or labels to be in force",
        within: IN_FORCE_WITHIN,
        every: Duration::from_millis(15),
    };
    let proved = waiter
        .wait_until(wait, async || {
            let reply = sentinels.try_lease(name).await;
            match answering_webhook(&reply) {
                Some(by) if by == hook || theirs.contains(&by.as_str()) => WaitLook::Ready(()),
                _ => WaitLook::NotYet(not_yet(&reply)),
            }
        })
        .await;
    sentinels.remove_parts(vec![format!("{path}/{name}")]);
    proved
}

/// The webhook that a reply names.
fn answering_webhook(reply: &ApiReply) -> Option<String> {
    match model::read_reply(ReplyContext::Change, reply) {
        Verdict::Answered(Answer::Denied {
            by: Refuser::FailingClosed(name) | Refuser::Webhook(name),
        }) => Some(name),
        _ => None,
    }
}

fn webhook_configuration(kind: &str, name: &str, hook: &str, selectors: &Value) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name},
        "webhooks": [{
            "name": hook,
            "clientConfig": {"url": "https://127.0.0.1:9/"},
            "rules": [lease_rule()],
            "namespaceSelector": selectors["namespaceSelector"],
            "objectSelector": selectors["objectSelector"],
            "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 1,
            "admissionReviewVersions": ["v1"],
        }],
    })
}
