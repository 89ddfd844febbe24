//! Sigstore's policy-controller, as a pod. It looks only at namespaces that are labelled for it.

mod barrier;

use std::time::Duration;

use futures::FutureExt;
use kube::Client;
use model::addons::policy_controller::ADDON;
use serde_json::{Value, json};

use crate::endpoints::described;
use crate::first_state::{Material, Workload};
use crate::install::InstallSite;
use crate::{LiveAddon, Pods, api, barrier as common, definitions};

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
fn definitions(material: &Material) -> Result<Vec<Value>, String> {
    let mut found = Vec::new();
    for (file, name) in FILES.into_iter().zip(DEFINITIONS) {
        found.extend(definitions::named(&material.data.join(file), &[name])?);
    }
    Ok(found)
}

/// Installs it, and waits until it has refused what it has to.
async fn install(site: &InstallSite<'_>) -> Result<(), String> {
    site.put(&WORKLOAD).await?;
    trial(site.admin).await
}

fn objects() -> Result<Vec<Value>, String> {
    let text = WORKLOAD
        .text
        .replace("$(node-address)", native::NODE_ADDRESS)
        .replace("$(image)", native::PROBE_IMAGE);
    serde_saphyr::from_multiple(&text).map_err(|why| why.to_string())
}

/// Its webhooks get their rules one after the other: the one that checks policies has to refuse a bad one, the one that
/// fills them in has to be seen at it, and on account of a good one the API server has to refuse an image.
async fn trial(admin: &Client) -> Result<(), String> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": TRIAL, "labels": {"policy.sigstore.dev/include": "true"}}});
    api::apply(admin, &namespace).await?;
    let bad = policy(&json!([]));
    let checked = api::until(
        "policy-controller to refuse a policy without authorities",
        EVERY,
        async || {
            let answer = api::dry_run(admin, &bad).await?;
            if refused(&answer, "missing field(s): spec.authorities") {
                Ok(Some(()))
            } else {
                Err(answer.said())
            }
        },
    );
    checked.await?;
    let good = policy(&json!([{"static": {"action": "fail", "message": "a trial"}}]));
    let filled = api::until("policy-controller to fill a policy in", EVERY, async || {
        let answer = api::dry_run(admin, &good).await?;
        if answer.body["spec"]["mode"] == "enforce" {
            Ok(Some(()))
        } else {
            Err(answer.said())
        }
    });
    filled.await?;
    api::until("policy-controller to take a policy", EVERY, async || {
        api::apply(admin, &good).await.map(Some)
    })
    .await?;
    let job = job();
    let denied = format!("failed policy: {TRIAL}: ");
    let refused = api::until(
        "policy-controller to refuse a known-bad image",
        EVERY,
        async || {
            let answer = api::dry_run(admin, &job).await?;
            if refused(&answer, &denied) {
                Ok(Some(()))
            } else {
                Err(answer.said())
            }
        },
    );
    refused.await?;
    api::delete(admin, &good).await?;
    api::delete(admin, &namespace).await?;
    Ok(())
}

/// Whether one of its webhooks refused with these words.
fn refused(answer: &api::Answer, words: &str) -> bool {
    let said = answer.said();
    answer.code == 400
        && said.contains("sigstore.dev\" denied the request: validation failed: ")
        && said.contains(words)
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
        let said = |code, message: &str| api::Answer {
            code,
            body: json!({"message": message}),
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
