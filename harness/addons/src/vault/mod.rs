//! Vault, as a pod: initialized and unsealed, with a mount `secret` (the second version of its key-value store) and a
//! login for this cluster's ServiceAccounts. It is asked through the API server, which passes requests on to Services.

use std::time::Duration;

use futures::FutureExt;
use http::Method;
use kube::Client;
use model::addons::vault::ADDON;
use serde_json::{Value, json};

use crate::endpoints::Endpoint;
use crate::first_state::Workload;
use crate::install::InstallSite;
use crate::{LiveAddon, Pods, api, barrier};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: Some(Pods {
        workload: WORKLOAD,
        install: |site| install(site).boxed_local(),
    }),
    barrier: barrier::none,
    labels: barrier::no_labels,
    endpoints: |_| {
        let words = format!(
            "http://{}:8200 in the box; its root token is {TOKEN}",
            native::VAULT_ADDRESS
        );
        async { Ok(vec![Endpoint::described("Vault", words)]) }.boxed_local()
    },
};

const WORKLOAD: Workload = Workload {
    definitions: |_| Ok(Vec::new()),
    objects: |_| objects(),
    text: include_str!("manifest.yaml"),
    pods: &["vault/app=vault"],
    definition_names: &[],
    in_first_state: false,
};

/// The token that may do everything.
const TOKEN: &str = "gauntlet-root";

const PROXY: &str = "/api/v1/namespaces/vault/services/vault:8200/proxy/v1";
const EVERY: Duration = Duration::from_millis(30);

/// Installs it, and waits until it has let a ServiceAccount in and given out what it keeps.
async fn install(site: &InstallSite<'_>) -> Result<(), String> {
    site.run(&WORKLOAD).await?;
    open(site.admin).await?;
    write(
        site.admin,
        "sys/mounts/secret",
        &json!({"type": "kv", "options": {"version": "2"}}),
    )
    .await?;
    write(
        site.admin,
        "sys/auth/kubernetes",
        &json!({"type": "kubernetes"}),
    )
    .await?;
    write(
        site.admin,
        "auth/kubernetes/config",
        &json!({"kubernetes_host": "https://kubernetes.default.svc"}),
    )
    .await?;
    trial(site.admin).await
}

/// Has it make its keys, leaves the one that unseals it to its later pods, and unseals it.
async fn open(admin: &Client) -> Result<(), String> {
    let up = api::until("Vault to answer", EVERY, async || {
        let answer = ask(admin, Method::GET, "sys/init", None).await?;
        if answer.body["initialized"] == false {
            Ok(Some(()))
        } else {
            Err(said(&answer))
        }
    });
    up.await?;
    let made = write(
        admin,
        "sys/init",
        &json!({"secret_shares": 1, "secret_threshold": 1}),
    )
    .await?;
    let (Some(key), Some(root)) = (made["keys_base64"][0].as_str(), made["root_token"].as_str())
    else {
        return Err("Vault made no keys".into());
    };
    let key = json!({"key": key});
    let kept = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "unseal", "namespace": "vault"},
        "stringData": {"key.json": key.to_string()}});
    api::apply(admin, &kept).await?;
    write(admin, "sys/unseal", &key).await?;
    let token = json!({"id": TOKEN, "policies": ["root"]});
    let active = api::until("Vault to be unsealed", EVERY, async || {
        let answer = ask_with(
            admin,
            root,
            Method::POST,
            "auth/token/create-orphan",
            Some(&token),
        )
        .await?;
        if answer.is_good() {
            Ok(Some(()))
        } else {
            Err(said(&answer))
        }
    });
    active.await
}

fn objects() -> Result<Vec<Value>, String> {
    let text = WORKLOAD
        .text
        .replace("$(api-address)", native::API_ADDRESS)
        .replace("$(vault-address)", native::VAULT_ADDRESS)
        .replace("$(token)", TOKEN)
        .replace("$(image)", native::PROBE_IMAGE);
    serde_saphyr::from_multiple(&text).map_err(|why| why.to_string())
}

/// Its own ServiceAccount logs in and reads, as far as a role and a policy let it.
async fn trial(admin: &Client) -> Result<(), String> {
    const NAME: &str = "gauntlet-trial";
    let (role, policy) = (
        format!("auth/kubernetes/role/{NAME}"),
        format!("sys/policies/acl/{NAME}"),
    );
    let (data, metadata) = (
        format!("secret/data/{NAME}"),
        format!("secret/metadata/{NAME}"),
    );
    let kept = json!({"data": {"word": "kept"}});
    let stored = api::until("Vault to keep a secret", EVERY, async || {
        let answer = ask(admin, Method::POST, &data, Some(&kept)).await?;
        if answer.is_good() {
            Ok(Some(()))
        } else {
            Err(said(&answer))
        }
    });
    stored.await?;
    let may = format!("path \"{data}\" {{ capabilities = [\"read\"] }}");
    write(admin, &policy, &json!({"policy": may})).await?;
    let bound = json!({"bound_service_account_names": "vault", "bound_service_account_namespaces": "vault",
        "token_policies": NAME});
    write(admin, &role, &bound).await?;
    let login = json!({"role": NAME, "jwt": api::token(admin, "vault", "vault").await?});
    let entered = api::until("Vault to let a ServiceAccount in", EVERY, async || {
        let answer = ask(admin, Method::POST, "auth/kubernetes/login", Some(&login)).await?;
        let token = answer.body["auth"]["client_token"]
            .as_str()
            .map(str::to_owned);
        token.map_or_else(|| Err(said(&answer)), |token| Ok(Some(token)))
    });
    let answer = ask_with(admin, &entered.await?, Method::GET, &data, None).await?;
    if answer.body["data"]["data"] != kept["data"] {
        return Err(format!(
            "Vault did not give out what it keeps: {}",
            said(&answer)
        ));
    }
    for path in [role, policy, metadata] {
        taken(&path, ask(admin, Method::DELETE, &path, None).await?)?;
    }
    Ok(())
}

async fn write(admin: &Client, path: &str, body: &Value) -> Result<Value, String> {
    taken(path, ask(admin, Method::POST, path, Some(body)).await?)
}

fn taken(path: &str, answer: api::Answer) -> Result<Value, String> {
    if answer.is_good() {
        Ok(answer.body)
    } else {
        Err(format!("Vault did not take {path}: {}", said(&answer)))
    }
}

async fn ask(
    admin: &Client,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<api::Answer, String> {
    ask_with(admin, TOKEN, method, path, body).await
}

async fn ask_with(
    admin: &Client,
    token: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<api::Answer, String> {
    api::with_header(
        admin,
        method,
        &format!("{PROXY}/{path}"),
        ("X-Vault-Token", token),
        body,
    )
    .await
}

/// Vault's words, else the API server's.
fn said(answer: &api::Answer) -> String {
    let errors = answer.body["errors"].as_array();
    errors
        .filter(|errors| !errors.is_empty())
        .map_or_else(|| answer.said(), |errors| json!(errors).to_string())
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
                .filter(|object| object["kind"] == "StatefulSet")
                .count(),
            1
        );
    }

    #[test]
    fn a_refusal_is_told_in_vaults_words() {
        let answer = |body: Value| api::Answer { code: 403, body };
        assert_eq!(
            said(&answer(json!({"errors": ["permission denied"]}))),
            r#"["permission denied"]"#
        );
        assert_eq!(said(&answer(json!({"errors": []}))), "403");
        assert_eq!(
            said(&answer(json!({"message": "no endpoints"}))),
            "no endpoints"
        );
    }
}
