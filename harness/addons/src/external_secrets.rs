//! External Secrets Operator, from the chart of its release: its controllers, the webhook that
//! checks what they are asked for, and the controller that makes that webhook's certificate.

mod barrier;
mod generators;

use std::time::Duration;

use api::{condition_status, reply_body, reply_message, server_message, status_code};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cluster::HostAccess;
use futures::FutureExt;
use model::addons::external_secrets::ADDON;
use model::addons::vault;
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
        workload: ESO_WORKLOAD,
        install: |site| install_addon(site).boxed_local(),
    }),
    barrier: barrier::barrier_waits,
    labels: common::no_labels,
    endpoints: |_| describe_line("External Secrets", "pods in the namespace external-secrets"),
};

const ESO_WORKLOAD: AddonWorkload = AddonWorkload {
    definitions: |material| {
        definitions::read_definitions(&material.data.join(RELEASED_DEFINITIONS), |_| true)
    },
    objects,
    text: include_str!("external_secrets/patches.yaml"),
    release: &[RENDERED_CHART],
    pods: |_| {
        &[
            "external-secrets/app.kubernetes.io/name=external-secrets",
            "external-secrets/app.kubernetes.io/name=external-secrets-cert-controller",
            "external-secrets/app.kubernetes.io/name=external-secrets-webhook",
        ]
    },
    definition_names: &[],
    in_first_state: false,
};

/// What its chart came to.
const RENDERED_CHART: &str = "chart.yaml";

/// Its definitions, which its chart gets from this file when it is packed.
const RELEASED_DEFINITIONS: &str = "definitions.yaml";

/// Its webhook, and the Secret with that webhook's certificate.
const WEBHOOK_NAME: &str = "external-secrets-webhook";

/// The namespace of its trial, and everything in it.
const TRIAL_NAME: &str = "gauntlet-trial-external-secrets";

/// What the trial's store holds.
const TRIAL_VALUE: &str = "fetched";

const API_VERSION: &str = "external-secrets.io/v1";
const POLL_INTERVAL: Duration = Duration::from_millis(30);

/// Installs it, and waits until it has refused and fetched what it has to. Its webhook's pods come
/// when there is a certificate for them: one that comes later reaches them up to a minute later.
async fn install_addon(site: &InstallSite<'_>) -> Result<(), Error> {
    site.make_definitions(&ESO_WORKLOAD).await?;
    let all = (ESO_WORKLOAD.objects)(&site.material)?;
    let (webhook, others): (Vec<Value>, Vec<Value>) = all.into_iter().partition(is_webhook);
    site.run_objects(&others).await?;
    wait_for_certificate(site.admin).await?;
    site.run_objects(&webhook).await?;
    try_webhooks(site.admin).await?;
    try_store(site.admin).await
}

fn is_webhook(object: &Value) -> bool {
    object["kind"] == "Deployment" && object["metadata"]["name"] == WEBHOOK_NAME
}

/// What its chart came to, in the namespace that is made for it.
fn objects(material: &ObjectInputs) -> Result<Vec<Value>, Error> {
    let fill = [
        ("image", HostAccess::PROBE_IMAGE),
        ("api-address", HostAccess::API_ADDRESS),
        ("vault-address", vault::SERVICE_ADDRESS),
    ];
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ADDON.namespace}});
    let mut objects = vec![namespace];
    objects.extend(released::released_objects(material, &ESO_WORKLOAD, &fill)?);
    Ok(objects)
}

async fn wait_for_certificate(admin: &Admin) -> Result<(), Error> {
    let namespace = ADDON.namespace.unwrap_or_default();
    let path = format!("/api/v1/namespaces/{namespace}/secrets/{WEBHOOK_NAME}");
    wait_until(
        "External Secrets Operator to make a certificate",
        POLL_INTERVAL,
        async || {
            let reply = admin.get(&path).await?;
            let is_made = reply_body(&reply)["data"]["tls.crt"].is_string();
            Ok(WaitLook::when(is_made, || reply_message(&reply)))
        },
    )
    .await
}

/// Each of its two configurations of webhooks gets its authority by itself.
async fn try_webhooks(admin: &Admin) -> Result<(), Error> {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TRIAL_NAME}});
    admin.apply_object(&namespace).await?;
    for (bad, webhook) in [
        (bad_store(), "validate.secretstore.external-secrets.io"),
        (
            bad_external_secret(),
            "validate.externalsecret.external-secrets.io",
        ),
    ] {
        let what = format!("{webhook} to refuse something");
        let words = format!("admission webhook \"{webhook}\" denied the request: ");
        let refused = wait_until(&what, POLL_INTERVAL, async || {
            let reply = admin.dry_run(&bad).await?;
            let by_it = server_message(&reply).is_some_and(|told| told.starts_with(&words));
            Ok(WaitLook::when(
                status_code(&reply) == Some(403) && by_it,
                || reply_message(&reply),
            ))
        });
        refused.await?;
    }
    Ok(())
}

/// A store for namespaces by an expression that is not valid.
fn bad_store() -> Value {
    let mut store = trial_store();
    store["spec"]["conditions"] = json!([{"namespaceRegexes": ["("]}]);
    store
}

/// What asks for nothing.
fn bad_external_secret() -> Value {
    let mut wanted = trial_external_secret();
    wanted["spec"]["data"] = json!([]);
    wanted
}

/// A store has to be found good, and what it holds has to arrive in a Secret. The store comes
/// first: what finds it not ready yet is tried again a second later.
async fn try_store(admin: &Admin) -> Result<(), Error> {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TRIAL_NAME}});
    admin.apply_object(&namespace).await?;
    let (store, wanted) = (trial_store(), trial_external_secret());
    admin.apply_object(&store).await?;
    let found = wait_until(
        "External Secrets Operator to find a store good",
        POLL_INTERVAL,
        async || {
            let reply = admin.get(&path("secretstores")).await?;
            let store = reply_body(&reply);
            Ok(WaitLook::when(is_ready(store), || {
                store["status"].to_string()
            }))
        },
    );
    found.await?;
    admin.apply_object(&wanted).await?;
    let fetched = wait_until(
        "External Secrets Operator to fetch a secret",
        POLL_INTERVAL,
        async || {
            let secret = format!("/api/v1/namespaces/{TRIAL_NAME}/secrets/{TRIAL_NAME}");
            let reply = admin.get(&secret).await?;
            let is_right = reply_body(&reply)["data"]["word"] == STANDARD.encode(TRIAL_VALUE);
            Ok(WaitLook::when(is_right, || reply_message(&reply)))
        },
    );
    fetched.await?;
    for object in [wanted, store, namespace] {
        admin.delete_path(&object).await?;
    }
    Ok(())
}

fn path(plural: &str) -> String {
    format!("/apis/{API_VERSION}/namespaces/{TRIAL_NAME}/{plural}/{TRIAL_NAME}")
}

fn is_ready(object: &Value) -> bool {
    condition_status(object, "Ready") == Some("True")
}

/// A store that holds what is written into it.
fn trial_store() -> Value {
    json!({
        "apiVersion": API_VERSION, "kind": "SecretStore", "metadata": {"name": TRIAL_NAME, "namespace": TRIAL_NAME},
        "spec": {"provider": {"fake": {"data": [{"key": "word", "value": TRIAL_VALUE}]}}},
    })
}

/// What is to be taken from it.
fn trial_external_secret() -> Value {
    json!({
        "apiVersion": API_VERSION, "kind": "ExternalSecret", "metadata": {"name": TRIAL_NAME, "namespace": TRIAL_NAME},
        "spec": {
            "secretStoreRef": {"kind": "SecretStore", "name": TRIAL_NAME},
            "data": [{"secretKey": "word", "remoteRef": {"key": "word"}}],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::first_state::tests::built_material;

    fn material() -> Option<ObjectInputs> {
        built_material("external-secrets-0.19.2", &[])
    }

    #[test]
    fn the_patches_fit_the_release_and_leave_its_rights_alone() {
        let Some(material) = material() else {
            return;
        };
        let objects = objects(&material).unwrap();
        crate::first_state::tests::expect_filled_in(&objects);
        let named = |kind: &str, name: &str| {
            let is_it = |one: &&Value| one["kind"] == kind && one["metadata"]["name"] == name;
            objects.iter().find(is_it).unwrap()
        };
        let role = named("ClusterRole", "external-secrets-controller");
        let rules = role["rules"].as_array().unwrap();
        let may = |resource: &str, verb: &str| {
            let has =
                |list: &Value, what: &str| list.as_array().unwrap().iter().any(|one| one == what);
            rules
                .iter()
                .any(|rule| has(&rule["resources"], resource) && has(&rule["verbs"], verb))
        };
        assert!(
            may("secrets", "list")
                && may("secrets", "delete")
                && may("serviceaccounts/token", "create")
        );
        assert!(!may("pods", "create"));
        for name in ["secretstore-validate", "externalsecret-validate"] {
            named("ValidatingWebhookConfiguration", name);
        }
        assert!(named("Secret", WEBHOOK_NAME).get("data").is_none());
    }

    #[test]
    fn all_its_controllers_are_as_released() {
        let Some(material) = material() else {
            return;
        };
        let objects = objects(&material).unwrap();
        let deployments: Vec<&Value> = objects
            .iter()
            .filter(|one| one["kind"] == "Deployment")
            .collect();
        assert_eq!(deployments.len(), (ESO_WORKLOAD.pods)(&material).len());
        assert_eq!(objects.iter().filter(|one| is_webhook(one)).count(), 1);
        for deployment in deployments {
            let pod = &deployment["spec"]["template"]["spec"];
            let container = &pod["containers"][0];
            assert_eq!(container["securityContext"]["runAsUser"], 1000);
            assert_eq!(container["command"], json!(["/external-secrets"]));
            let labels = &deployment["spec"]["template"]["metadata"]["labels"];
            let place = format!(
                "external-secrets/app.kubernetes.io/name={}",
                labels["app.kubernetes.io/name"].as_str().unwrap()
            );
            assert!((ESO_WORKLOAD.pods)(&material).contains(&&*place), "{place}");
            // Nothing is turned off.
            assert!(
                !container["args"].to_string().contains("=false"),
                "{container}"
            );
        }
        assert_eq!((ESO_WORKLOAD.definitions)(&material).unwrap().len(), 22);
    }

    #[test]
    fn only_a_store_that_says_so_is_ready() {
        let with =
            |status: &str| json!({"status": {"conditions": [{"type": "Ready", "status": status}]}});
        assert!(is_ready(&with("True")));
        assert!(!is_ready(&with("False")) && !is_ready(&json!({})));
    }
}
