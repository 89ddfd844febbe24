//! Sigstore's policy-controller, from the manifests of its release. It looks only at namespaces that
//! are labelled for it, and makes its own certificate.

mod barrier;

use std::time::Duration;

use api::{reply_body, reply_message, server_message, status_code};
use cluster::HostAccess;
use futures::FutureExt;
use model::ApiReply;
use model::addons::policy_controller::ADDON;
use serde_json::{Value, json};
use wait::WaitLook;

use crate::admin::{Admin, wait_until};
use crate::endpoints::describe_line;
use crate::first_state::{AddonWorkload, ObjectInputs};
use crate::install::InstallSite;
use crate::{Error, LiveAddon, PodAddon, barrier as common, definitions, released};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: Some(PodAddon {
        workload: CONTROLLER_WORKLOAD,
        install: |site| install_addon(site).boxed_local(),
    }),
    barrier: barrier::barrier_waits,
    labels: common::no_labels,
    endpoints: |_| {
        describe_line(
            "policy-controller",
            "pods in cosign-system; it looks at namespaces with policy.sigstore.dev/include=true",
        )
    },
};

const CONTROLLER_WORKLOAD: AddonWorkload = AddonWorkload {
    definitions,
    objects,
    text: include_str!("policy_controller/patches.yaml"),
    release: &RELEASED_FILES,
    pods: |_| &["cosign-system/role=webhook"],
    definition_names: &RELEASED_DEFINITIONS,
    in_first_state: true,
};

/// The manifests of its release, in the order of its `kustomization.yaml`, but for its definitions;
/// what makes its pod comes behind them.
const RELEASED_FILES: [&str; 16] = [
    "100-namespace.yaml",
    "200-serviceaccount.yaml",
    "200-role.yaml",
    "200-clusterrole.yaml",
    "201-rolebinding.yaml",
    "201-clusterrolebinding.yaml",
    "400-webhook-service.yaml",
    "500-webhook-configuration.yaml",
    "501-policy-webhook-configurations.yaml",
    "config-observability.yaml",
    "config-logging.yaml",
    "config-leader-election.yaml",
    "config-image-policies.yaml",
    "config-sigstore-keys.yaml",
    "config-policy-controller.yaml",
    "webhook.yaml",
];

/// What it defines.
const RELEASED_DEFINITIONS: [&str; 2] = [
    "clusterimagepolicies.policy.sigstore.dev",
    "trustroots.policy.sigstore.dev",
];

/// The files of its module that do.
const DEFINITION_FILES: [&str; 2] = ["300-clusterimagepolicy.yaml", "300-trustroot.yaml"];

/// The namespace and the policy of its trial.
const TRIAL_NAME: &str = "gauntlet-trial-policy-controller";

const POLL_INTERVAL: Duration = Duration::from_millis(30);

/// Its definitions.
fn definitions(material: &ObjectInputs) -> Result<Vec<Value>, Error> {
    let mut found = Vec::new();
    for (file, name) in DEFINITION_FILES.into_iter().zip(RELEASED_DEFINITIONS) {
        found.extend(definitions::named_definitions(
            &material.data.join(file),
            &[name],
        )?);
    }
    Ok(found)
}

/// Installs it, and waits until it has refused what it has to.
async fn install_addon(site: &InstallSite<'_>) -> Result<(), Error> {
    site.put_objects(&CONTROLLER_WORKLOAD).await?;
    try_policy(site.admin).await
}

fn objects(material: &ObjectInputs) -> Result<Vec<Value>, Error> {
    let fill = [
        ("image", HostAccess::PROBE_IMAGE),
        ("node-address", HostAccess::NODE_ADDRESS),
    ];
    released::released_objects(material, &CONTROLLER_WORKLOAD, &fill)
}

/// Its webhooks get their rules one after the other: the one that checks policies has to refuse a
/// bad one, the one that fills them in has to be seen at it, and on account of a good one the API
/// server has to refuse an image.
async fn try_policy(admin: &Admin) -> Result<(), Error> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": TRIAL_NAME, "labels": {"policy.sigstore.dev/include": "true"}}});
    admin.apply_object(&namespace).await?;
    let bad = trial_policy(&json!([]));
    let checked = wait_until(
        "policy-controller to refuse a policy without authorities",
        POLL_INTERVAL,
        async || {
            let reply = admin.dry_run(&bad).await?;
            let is_refused = refused_by_webhook(&reply, "missing field(s): spec.authorities");
            Ok(WaitLook::when(is_refused, || reply_message(&reply)))
        },
    );
    checked.await?;
    let good = trial_policy(&json!([{"static": {"action": "fail", "message": "a trial"}}]));
    let filled = wait_until(
        "policy-controller to fill a policy in",
        POLL_INTERVAL,
        async || {
            let reply = admin.dry_run(&good).await?;
            let is_filled = reply_body(&reply)["spec"]["mode"] == "enforce";
            Ok(WaitLook::when(is_filled, || reply_message(&reply)))
        },
    );
    filled.await?;
    wait_until(
        "policy-controller to take a policy",
        POLL_INTERVAL,
        async || admin.apply_object(&good).await.map(WaitLook::Ready),
    )
    .await?;
    let job = trial_job();
    let denied = format!("failed policy: {TRIAL_NAME}: ");
    let refused = wait_until(
        "policy-controller to refuse a known-bad image",
        POLL_INTERVAL,
        async || {
            let reply = admin.dry_run(&job).await?;
            Ok(WaitLook::when(refused_by_webhook(&reply, &denied), || {
                reply_message(&reply)
            }))
        },
    );
    refused.await?;
    admin.delete_path(&good).await?;
    admin.delete_path(&namespace).await?;
    Ok(())
}

/// Whether one of its webhooks refused with these words.
fn refused_by_webhook(reply: &ApiReply, words: &str) -> bool {
    let told = server_message(reply).unwrap_or_default();
    status_code(reply) == Some(400)
        && told.contains("sigstore.dev\" denied the request: validation failed: ")
        && told.contains(words)
}

/// A policy for an image that does not exist.
fn trial_policy(authorities: &Value) -> Value {
    json!({
        "apiVersion": "policy.sigstore.dev/v1beta1", "kind": "ClusterImagePolicy", "metadata": {"name": TRIAL_NAME},
        "spec": {"images": [{"glob": "127.0.0.1:1/known/**"}], "authorities": authorities},
    })
}

/// A Job with that image, by digest: no registry has to be asked, nor to wait for a ServiceAccount
/// as a pod has to.
fn trial_job() -> Value {
    let image = format!("127.0.0.1:1/known/bad@sha256:{}", "0".repeat(64));
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "known-bad", "namespace": TRIAL_NAME},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "known-bad", "image": image}],
        }}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::first_state::tests::{built_material, expect_filled_in, of_kind};

    /// Only what is built can be looked at.
    #[test]
    fn the_patches_fit_the_release_and_leave_its_rights_alone() {
        let Some(material) = built_material("policy-controller-0.15.1", &[]) else {
            return;
        };
        let objects = objects(&material).unwrap();
        expect_filled_in(&objects);
        let roles = of_kind(&objects, "ClusterRoleBinding");
        assert_eq!(roles.len(), 1);
        assert_eq!(roles[0]["roleRef"]["name"], "policy-controller-rbac");
        assert_eq!(
            of_kind(&objects, "ClusterRole")[0]["rules"]
                .as_array()
                .unwrap()
                .len(),
            12
        );
        assert_eq!(
            of_kind(&objects, "Role")[0]["rules"]
                .as_array()
                .unwrap()
                .len(),
            4
        );
        assert_eq!(of_kind(&objects, "ConfigMap").len(), 6);
        // It fills its certificate in.
        assert!(
            of_kind(&objects, "Secret")
                .iter()
                .all(|secret| secret.get("data").is_none())
        );
        let deployments = of_kind(&objects, "Deployment");
        assert_eq!(
            deployments.len(),
            (CONTROLLER_WORKLOAD.pods)(&material).len()
        );
        let pod = &deployments[0]["spec"]["template"]["spec"];
        assert_eq!(pod["terminationGracePeriodSeconds"], 300);
        let container = &pod["containers"][0];
        assert_eq!(container["livenessProbe"], container["readinessProbe"]);
        assert_eq!(container["readinessProbe"]["initialDelaySeconds"], 20);
        assert_eq!(container["resources"]["limits"]["cpu"], "400m");
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(container["args"], json!(["--disable-tuf"]));
        assert_eq!(
            (CONTROLLER_WORKLOAD.definitions)(&material).unwrap().len(),
            2
        );
    }

    #[test]
    fn only_a_refusal_in_known_words_is_one() {
        let said = |code, message: &str| ApiReply::Http {
            code,
            body: model::ReplyBody::Json(json!({"message": message})),
            warnings: Vec::new(),
        };
        let words = format!("failed policy: {TRIAL_NAME}: ");
        let text = format!(
            "admission webhook \"policy.sigstore.dev\" denied the request: validation failed: {words}spec.containers[0].image"
        );
        assert!(refused_by_webhook(&said(400, &text), &words));
        assert!(!refused_by_webhook(&said(500, &text), &words));
        assert!(!refused_by_webhook(
            &said(
                400,
                "admission webhook \"policy.sigstore.dev\" denied the request: x"
            ),
            &words
        ));
    }
}
