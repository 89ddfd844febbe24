//! Sigstore's policy-controller, as a pod. It looks only at namespaces that are labelled for it.

mod barrier;

use std::time::Duration;

use api::{body, code, message, said};
use futures::FutureExt;
use model::Reply;
use model::addons::policy_controller::ADDON;
use serde_json::{Value, json};
use wait::Look;

use crate::admin::{Admin, until};
use crate::endpoints::described;
use crate::first_state::{self, Material, Workload};
use crate::install::InstallSite;
use crate::{Error, LiveAddon, Pods, barrier as common, definitions};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: Some(Pods {
        workload: WORKLOAD,
        install: |site| install(site).boxed_local(),
    }),
    barrier: barrier::waits,
    labels: common::no_labels,
    endpoints: |_| {
        described(
            "policy-controller",
            "pods in cosign-system; it looks at namespaces with policy.sigstore.dev/include=true",
        )
    },
};

const WORKLOAD: Workload = Workload {
    definitions,
    objects: |_| objects(),
    text: include_str!("manifest.yaml"),
    pods: &["cosign-system/role=webhook"],
    definition_names: &DEFINITIONS,
    in_first_state: true,
};

/// What it defines.
const DEFINITIONS: [&str; 2] = [
    "clusterimagepolicies.policy.sigstore.dev",
    "trustroots.policy.sigstore.dev",
];

/// The files of its module that do.
const FILES: [&str; 2] = ["300-clusterimagepolicy.yaml", "300-trustroot.yaml"];

/// The namespace and the policy of its trial.
const TRIAL: &str = "gauntlet-trial-policy-controller";

const EVERY: Duration = Duration::from_millis(30);

/// Its definitions.
fn definitions(material: &Material) -> Result<Vec<Value>, Error> {
    let mut found = Vec::new();
    for (file, name) in FILES.into_iter().zip(DEFINITIONS) {
        found.extend(definitions::named(&material.data.join(file), &[name])?);
    }
    Ok(found)
}

/// Installs it, and waits until it has refused what it has to.
async fn install(site: &InstallSite<'_>) -> Result<(), Error> {
    site.put(&WORKLOAD).await?;
    trial(site.admin).await
}

fn objects() -> Result<Vec<Value>, Error> {
    let text = WORKLOAD
        .text
        .replace("$(node-address)", native::NODE_ADDRESS)
        .replace("$(image)", native::PROBE_IMAGE);
    first_state::parse(ADDON.name, &text)
}

/// Its webhooks get their rules one after the other: the one that checks policies has to refuse a bad one, the one that
/// fills them in has to be seen at it, and on account of a good one the API server has to refuse an image.
async fn trial(admin: &Admin) -> Result<(), Error> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": TRIAL, "labels": {"policy.sigstore.dev/include": "true"}}});
    admin.apply(&namespace).await?;
    let bad = policy(&json!([]));
    let checked = until(
        "policy-controller to refuse a policy without authorities",
        EVERY,
        async || {
            let reply = admin.dry_run(&bad).await?;
            let is_refused = refused(&reply, "missing field(s): spec.authorities");
            Ok(Look::when(is_refused, || said(&reply)))
        },
    );
    checked.await?;
    let good = policy(&json!([{"static": {"action": "fail", "message": "a trial"}}]));
    let filled = until("policy-controller to fill a policy in", EVERY, async || {
        let reply = admin.dry_run(&good).await?;
        let is_filled = body(&reply)["spec"]["mode"] == "enforce";
        Ok(Look::when(is_filled, || said(&reply)))
    });
    filled.await?;
    until("policy-controller to take a policy", EVERY, async || {
        admin.apply(&good).await.map(Look::Ready)
    })
    .await?;
    let job = job();
    let denied = format!("failed policy: {TRIAL}: ");
    let refused = until(
        "policy-controller to refuse a known-bad image",
        EVERY,
        async || {
            let reply = admin.dry_run(&job).await?;
            Ok(Look::when(refused(&reply, &denied), || said(&reply)))
        },
    );
    refused.await?;
    admin.delete(&good).await?;
    admin.delete(&namespace).await?;
    Ok(())
}

/// Whether one of its webhooks refused with these words.
fn refused(reply: &Reply, words: &str) -> bool {
    let told = message(reply).unwrap_or_default();
    code(reply) == Some(400)
        && told.contains("sigstore.dev\" denied the request: validation failed: ")
        && told.contains(words)
}

/// A policy for an image that nobody has.
fn policy(authorities: &Value) -> Value {
    json!({
        "apiVersion": "policy.sigstore.dev/v1beta1", "kind": "ClusterImagePolicy", "metadata": {"name": TRIAL},
        "spec": {"images": [{"glob": "127.0.0.1:1/known/**"}], "authorities": authorities},
    })
}

/// A Job with that image, by digest: nobody has to ask a registry, nor to wait for a ServiceAccount as a pod has to.
fn job() -> Value {
    let image = format!("127.0.0.1:1/known/bad@sha256:{}", "0".repeat(64));
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "known-bad", "namespace": TRIAL},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "known-bad", "image": image}],
        }}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_can_be_read() {
        let objects = objects().unwrap();
        crate::first_state::tests::expect_filled_in(&objects);
        assert_eq!(
            objects
                .iter()
                .filter(|object| object["kind"] == "Deployment")
                .count(),
            1
        );
    }

    #[test]
    fn only_a_refusal_in_known_words_is_one() {
        let said = |code, message: &str| Reply::Http {
            code,
            body: model::Body::Json(json!({"message": message})),
            warnings: Vec::new(),
        };
        let words = format!("failed policy: {TRIAL}: ");
        let text = format!(
            "admission webhook \"policy.sigstore.dev\" denied the request: validation failed: {words}spec.containers[0].image"
        );
        assert!(refused(&said(400, &text), &words));
        assert!(!refused(&said(500, &text), &words));
        assert!(!refused(
            &said(
                400,
                "admission webhook \"policy.sigstore.dev\" denied the request: x"
            ),
            &words
        ));
    }
}
