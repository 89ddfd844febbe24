//! Ways round what External Secrets Operator may be asked for: whose rights it uses, and other
//! objects that ask it for the same.

use serde_json::Value;

use super::rules::{
    STORE_KINDS, asks_for_token_secret, changes_as_somebody, sends_generator, store_conditions,
};
use crate::ways::{HeldControl, TriedStep, WayRound, always, holds_field, selector_keys};

/// A label that the API server sets by itself, and that nobody changes.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

pub(super) static WAYS: &[WayRound] = &[
    // external-secrets.io, "Kubernetes" provider, "Authentication": `auth.serviceAccount`.
    WayRound {
        name: "account-of-a-store",
        kinds: &[],
        about: "a store names a ServiceAccount, and the operator asks for its token itself",
        is_open: |control| {
            let is_store = |object: &&Value| {
                let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
                STORE_KINDS.contains(&kind.as_str())
            };
            let mut stores = control.objects.iter().filter(|object| is_store(object));
            stores.any(|store| holds_field(store, "serviceAccount"))
        },
        is_tried: |_, steps| {
            steps
                .iter()
                .any(|step| changes_as_somebody(step, &STORE_KINDS))
        },
    },
    // external-secrets.io, "ClusterSecretStore", `conditions`: labels are whoever may set them.
    WayRound {
        name: "label-of-a-condition",
        kinds: &[],
        about: "a namespace takes the label that the store's condition asks for",
        is_open: |control| !condition_labels(control).is_empty(),
        is_tried: |control, steps| {
            let labels = condition_labels(control);
            let sets = |step: &TriedStep<'_>| labels.iter().any(|label| step.mentions(label));
            steps.iter().any(sets)
        },
    },
    // external-secrets 0.19 `pkg/controllers/secretstore/client_manager.go`: `regexp.MatchString`,
    // which is not anchored.
    WayRound {
        name: "expression-of-a-condition",
        kinds: &[],
        about: "a namespace has a name in which the condition's expression is found",
        is_open: |control| conditions(control).any(is_loose),
        is_tried: |_, steps| {
            let mut elsewhere = steps.iter().filter(|step| step.step.namespace.is_some());
            elsewhere.any(|step| changes_as_somebody(step, &["externalsecret"]))
        },
    },
    // external-secrets.io, "ExternalSecret", `target.template`; CVE-2026-42876.
    WayRound {
        name: "template-of-a-token",
        kinds: &[],
        about: "a template makes the copy a Secret of another type, which becomes a token",
        is_open: always,
        is_tried: |_, steps| steps.iter().any(asks_for_token_secret),
    },
    // external-secrets.io, "PushSecret".
    WayRound {
        name: "pushed-secret",
        kinds: &[],
        about: "a PushSecret has the operator write where its author may not",
        is_open: always,
        is_tried: |_, steps| {
            steps
                .iter()
                .any(|step| changes_as_somebody(step, &["pushsecret", "clusterpushsecret"]))
        },
    },
    // external-secrets.io, "Generators".
    WayRound {
        name: "generator",
        kinds: &[],
        about: "a generator has the operator ask for new credentials, past every store",
        is_open: always,
        is_tried: |_, steps| steps.iter().any(sends_generator),
    },
];

fn conditions<'c>(control: &'c HeldControl<'_>) -> impl Iterator<Item = &'c Value> {
    let objects = control.objects.iter();
    objects.flat_map(|object| store_conditions(object))
}

/// The labels that conditions ask for, but for those that nobody can set.
fn condition_labels(control: &HeldControl<'_>) -> Vec<String> {
    let selectors = conditions(control).map(|one| &one["namespaceSelector"]);
    let mut labels: Vec<String> = selectors.flat_map(selector_keys).collect();
    labels.retain(|label| label != NAME_LABEL);
    labels
}

/// Whether a condition has an expression that may be found within another name.
fn is_loose(condition: &Value) -> bool {
    let expressions = condition["namespaceRegexes"].as_array();
    let mut expressions = expressions.into_iter().flatten().filter_map(Value::as_str);
    expressions.any(|one| !(one.starts_with('^') && one.ends_with('$')))
}

#[cfg(test)]
mod tests;
