//! External Secrets Operator, as a pod: the controllers of its stores and of what is taken from them. What pushes
//! secrets out is left out, and so is its webhook: its definitions need no conversion.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::try_join_all;
use kube::Client;
use serde_json::{Value, json};

use super::{Site, api, data, definitions};

/// Our own part: the controllers with what they need.
const MANIFEST: &str = include_str!("../../manifests/external-secrets.yaml");

/// Its definitions that the controllers watch, by the file of its component.
const DEFINITIONS: [(&str, &str); 5] = [
    ("clusterexternalsecrets.yaml", "clusterexternalsecrets.external-secrets.io"),
    ("clustersecretstores.yaml", "clustersecretstores.external-secrets.io"),
    ("externalsecrets.yaml", "externalsecrets.external-secrets.io"),
    ("generatorstates.yaml", "generatorstates.generators.external-secrets.io"),
    ("secretstores.yaml", "secretstores.external-secrets.io"),
];

/// The namespace of its trial, and everything in it.
const TRIAL: &str = "gauntlet-trial-external-secrets";

/// What the trial's store holds.
const WORD: &str = "fetched";

const VERSION: &str = "external-secrets.io/v1";
const EVERY: Duration = Duration::from_millis(30);

/// Installs it, and waits until it has fetched something.
pub(super) async fn install(site: &Site<'_>) -> Result<(), String> {
    try_join_all(DEFINITIONS.map(|(file, name)| define(site, file, name))).await?;
    for object in objects()? {
        api::apply(site.admin, &object).await?;
    }
    trial(site.admin).await
}

async fn define(site: &Site<'_>, file: &str, name: &'static str) -> Result<(), String> {
    let file = data(site.cache, "external-secrets", file)?;
    let read = tokio::task::spawn_blocking(move || definitions::named(&file, &[name]));
    definitions::install(site.admin, &read.await.map_err(|why| why.to_string())??).await
}

fn objects() -> Result<Vec<Value>, String> {
    let text = MANIFEST
        .replace("$(api-address)", native::API_ADDRESS)
        .replace("$(vault-address)", native::VAULT_ADDRESS)
        .replace("$(image)", native::PROBE_IMAGE);
    serde_saphyr::from_multiple(&text).map_err(|why| why.to_string())
}

/// A store has to be found good, and what it holds has to arrive in a Secret. The store comes first: what finds it not
/// ready yet is tried again a second later.
async fn trial(admin: &Client) -> Result<(), String> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TRIAL}});
    api::apply(admin, &namespace).await?;
    let (store, wanted) = (store(), wanted());
    api::apply(admin, &store).await?;
    let found = api::until("External Secrets Operator to find a store good", EVERY, async || {
        let answer = api::get(admin, &path("secretstores")).await?;
        if is_ready(&answer.body) { Ok(Some(())) } else { Err(answer.body["status"].to_string()) }
    });
    found.await?;
    api::apply(admin, &wanted).await?;
    let fetched = api::until("External Secrets Operator to fetch a secret", EVERY, async || {
        let answer = api::get(admin, &format!("/api/v1/namespaces/{TRIAL}/secrets/{TRIAL}")).await?;
        let is_right = answer.body["data"]["word"] == STANDARD.encode(WORD);
        if is_right { Ok(Some(())) } else { Err(answer.said()) }
    });
    fetched.await?;
    for object in [wanted, store, namespace] {
        api::delete(admin, &object).await?;
    }
    Ok(())
}

fn path(plural: &str) -> String {
    format!("/apis/{VERSION}/namespaces/{TRIAL}/{plural}/{TRIAL}")
}

fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

/// A store that holds what is written into it.
fn store() -> Value {
    json!({
        "apiVersion": VERSION, "kind": "SecretStore", "metadata": {"name": TRIAL, "namespace": TRIAL},
        "spec": {"provider": {"fake": {"data": [{"key": "word", "value": WORD}]}}},
    })
}

/// What is to be taken from it.
fn wanted() -> Value {
    json!({
        "apiVersion": VERSION, "kind": "ExternalSecret", "metadata": {"name": TRIAL, "namespace": TRIAL},
        "spec": {
            "secretStoreRef": {"kind": "SecretStore", "name": TRIAL},
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
        assert!(objects.iter().all(|object| object["kind"].is_string() && !object.to_string().contains("$(")));
        let role = objects.iter().find(|object| object["metadata"]["name"] == "external-secrets-controller").unwrap();
        let rules = role["rules"].as_array().unwrap();
        let may = |resource: &str, verb: &str| {
            let has = |list: &Value, what: &str| list.as_array().unwrap().iter().any(|one| one == what);
            rules.iter().any(|rule| has(&rule["resources"], resource) && has(&rule["verbs"], verb))
        };
        assert!(may("secrets", "list") && may("secrets", "delete") && may("serviceaccounts/token", "create"));
        assert!(!may("pods", "create"));
    }

    #[test]
    fn only_a_store_that_says_so_is_ready() {
        let with = |status: &str| json!({"status": {"conditions": [{"type": "Ready", "status": status}]}});
        assert!(is_ready(&with("True")));
        assert!(!is_ready(&with("False")) && !is_ready(&json!({})));
    }
}
