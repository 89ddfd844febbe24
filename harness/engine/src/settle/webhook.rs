//! Sentinels for webhooks, and for the labels of namespaces: a webhook that nobody answers fails whatever it selects.

use std::time::Duration;

use model::{Answer, Asked, By, Reply, Verdict};
use serde_json::{Value, json};

use super::sentinels::{LABEL, PATIENCE, Sentinels, lease_rule, not_yet};
use crate::Error;
use crate::wait::{Look, Wait, Waiter};

/// One of the two kinds of webhook configuration.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) kind: &'static str,
    plural: &'static str,
}

pub(super) const VALIDATING: Kind = Kind {
    kind: "ValidatingWebhookConfiguration",
    plural: "validatingwebhookconfigurations",
};
pub(super) const MUTATING: Kind = Kind {
    kind: "MutatingWebhookConfiguration",
    plural: "mutatingwebhookconfigurations",
};

const API: &str = "/apis/admissionregistration.k8s.io/v1";

/// `control` is what was written last: if it answers on the sentinel itself, that shows it as well.
pub(super) async fn webhook(
    sentinels: &Sentinels,
    waiter: &Waiter,
    kind: Kind,
    control: Option<&Value>,
) -> Result<(), Error> {
    let name = sentinels.name();
    let hooks = control
        .and_then(|object| object["webhooks"].as_array())
        .map(Vec::as_slice)
        .unwrap_or_default();
    let theirs: Vec<&str> = hooks
        .iter()
        .filter_map(|hook| hook["name"].as_str())
        .collect();
    prove(
        sentinels,
        waiter,
        kind,
        &name,
        sentinels.selectors(&name),
        &theirs,
    )
    .await
}

/// The namespace's labels come by a watch of their own, which all of admission shares.
pub(super) async fn namespace_labels(sentinels: &Sentinels, waiter: &Waiter) -> Result<(), Error> {
    let name = sentinels.name();
    let label = format!("{LABEL}-{}", name.rsplit('-').next().unwrap_or_default());
    sentinels.mark(&label).await?;
    let mut selectors = sentinels.selectors(&name);
    selectors["namespaceSelector"]["matchLabels"][&label] = Value::from("yes");
    prove(sentinels, waiter, VALIDATING, &name, selectors, &[]).await
}

async fn prove(
    sentinels: &Sentinels,
    waiter: &Waiter,
    kind: Kind,
    name: &str,
    selectors: Value,
    theirs: &[&str],
) -> Result<(), Error> {
    let hook = format!("{name}.gauntlet.dev");
    let path = format!("{API}/{}", kind.plural);
    sentinels
        .make(&path, configuration(kind.kind, name, &hook, &selectors))
        .await?;
    let wait = Wait {
        what: "webhooks or labels to be in force",
        within: PATIENCE,
        every: Duration::from_millis(15),
    };
    let proved = waiter
        .until(wait, async || {
            let reply = sentinels.probe(name).await;
            match answered(&reply) {
                Some(by) if by == hook || theirs.contains(&by.as_str()) => Look::Ready(()),
                _ => Look::NotYet(not_yet(&reply)),
            }
        })
        .await;
    sentinels.remove(vec![format!("{path}/{name}")]);
    proved
}

/// The webhook that a reply names.
fn answered(reply: &Reply) -> Option<String> {
    match model::read(Asked::Api, reply) {
        Verdict::Answered(Answer::Denied {
            by: By::FailingClosed(name) | By::Webhook(name),
        }) => Some(name),
        _ => None,
    }
}

fn configuration(kind: &str, name: &str, hook: &str, selectors: &Value) -> Value {
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
