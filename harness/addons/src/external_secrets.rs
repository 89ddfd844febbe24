//! External Secrets Operator, as a pod: the controllers of its stores and of what is taken from
//! them. What pushes secrets out is left out, and so is its webhook: its definitions need no
//! conversion.

mod barrier;

use std::time::Duration;

use api::{condition_status, reply_body, reply_message};
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
use crate::first_state::{self, AddonWorkload, ObjectInputs};
use crate::install::InstallSite;
use crate::{Error, LiveAddon, PodAddon, barrier as common, definitions};

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
    definitions,
    objects: |_| objects(),
    text: include_str!("external_secrets/manifest.yaml"),
    release: &[],
    pods: |_| &["external-secrets/app=external-secrets"],
    definition_names: &[],
    in_first_state: false,
};

/// Its definitions that the controllers watch, by the file of its component.
const RELEASED_DEFINITIONS: [(&str, &str); 5] = [
    (
        "clusterexternalsecrets.yaml",
        "clusterexternalsecrets.external-secrets.io",
    ),
    (
        "clustersecretstores.yaml",
        "clustersecretstores.external-secrets.io",
    ),
    (
        "externalsecrets.yaml",
        "externalsecrets.external-secrets.io",
    ),
    (
        "generatorstates.yaml",
        "generatorstates.generators.external-secrets.io",
    ),
    ("secretstores.yaml", "secretstores.external-secrets.io"),
];

/// The namespace of its trial, and everything in it.
const TRIAL_NAME: &str = "gauntlet-trial-external-secrets";

/// What the trial's store holds.
const TRIAL_VALUE: &str = "fetched";

const API_VERSION: &str = "external-secrets.io/v1";
const POLL_INTERVAL: Duration = Duration::from_millis(30);

/// Installs it, and waits until it has fetched something.
async fn install_addon(site: &InstallSite<'_>) -> Result<(), Error> {
    site.put_objects(&ESO_WORKLOAD).await?;
    try_store(site.admin).await
}

fn definitions(material: &ObjectInputs) -> Result<Vec<Value>, Error> {
    let mut found = Vec::new();
    for (file, name) in RELEASED_DEFINITIONS {
        found.extend(definitions::named_definitions(
            &material.data.join(file),
            &[name],
        )?);
    }
    Ok(found)
}

fn objects() -> Result<Vec<Value>, Error> {
    let text = ESO_WORKLOAD
        .text
        .replace("$(api-address)", HostAccess::API_ADDRESS)
        .replace("$(vault-address)", vault::SERVICE_ADDRESS)
        .replace("$(image)", HostAccess::PROBE_IMAGE);
    first_state::parse(ADDON.name, &text)
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

    #[test]
    fn the_manifest_can_be_read_and_keeps_the_rights_that_matter() {
        let objects = objects().unwrap();
        crate::first_state::tests::expect_filled_in(&objects);
        let role = objects
            .iter()
            .find(|object| object["metadata"]["name"] == "external-secrets-controller")
            .unwrap();
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
    }

    #[test]
    fn only_a_store_that_says_so_is_ready() {
        let with =
            |status: &str| json!({"status": {"conditions": [{"type": "Ready", "status": status}]}});
        assert!(is_ready(&with("True")));
        assert!(!is_ready(&with("False")) && !is_ready(&json!({})));
    }
}
