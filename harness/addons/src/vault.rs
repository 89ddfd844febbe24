//! Vault, as a pod: initialized and unsealed, with a mount `secret` (the second version of its
//! key-value store) and a login for this cluster's ServiceAccounts. It is asked through the API
//! server, which passes requests on to Services.

use std::time::Duration;

use api::{ApiCall, reply_body, server_message, status_code};
use cluster::HostAccess;
use futures::FutureExt;
use model::ApiReply;
use model::addons::vault::{ADDON, SERVICE_ADDRESS};
use serde_json::{Value, json};
use wait::WaitLook;

use crate::admin::{Admin, wait_until};
use crate::endpoints::AddonEndpoint;
use crate::first_state::{self, AddonWorkload};
use crate::install::InstallSite;
use crate::{Error, LiveAddon, PodAddon, barrier};

pub(crate) static LIVE: LiveAddon = LiveAddon {
    addon: &ADDON,
    pods: Some(PodAddon {
        workload: VAULT_WORKLOAD,
        install: |site| install_addon(site).boxed_local(),
    }),
    barrier: barrier::no_waits,
    labels: barrier::no_labels,
    endpoints: |_| {
        let words = format!(
            "http://{}:8200 in the box; its root token is {ROOT_TOKEN}",
            SERVICE_ADDRESS
        );
        async { Ok(vec![AddonEndpoint::described("Vault", words)]) }.boxed_local()
    },
};

const VAULT_WORKLOAD: AddonWorkload = AddonWorkload {
    definitions: |_| Ok(Vec::new()),
    objects: |_| objects(),
    text: include_str!("vault/manifest.yaml"),
    release: &[],
    pods: |_| &["vault/app=vault"],
    definition_names: &[],
    in_first_state: false,
};

/// The token that may do everything.
const ROOT_TOKEN: &str = "gauntlet-root";

/// The header that a token goes into.
const TOKEN_HEADER: &str = "X-Vault-Token";

const PROXY_PATH: &str = "/api/v1/namespaces/vault/services/vault:8200/proxy/v1";
const POLL_INTERVAL: Duration = Duration::from_millis(30);

/// Installs it, and waits until it has let a ServiceAccount in and given out what it keeps.
async fn install_addon(site: &InstallSite<'_>) -> Result<(), Error> {
    site.run_pods(&VAULT_WORKLOAD).await?;
    let vault = site.admin.with_header(TOKEN_HEADER, ROOT_TOKEN);
    open_vault(site.admin, &vault).await?;
    let mount = json!({"type": "kv", "options": {"version": "2"}});
    write_path(&vault, "sys/mounts/secret", &mount).await?;
    let login = json!({"type": "kubernetes"});
    write_path(&vault, "sys/auth/kubernetes", &login).await?;
    let server = json!({"kubernetes_host": "https://kubernetes.default.svc"});
    write_path(&vault, "auth/kubernetes/config", &server).await?;
    try_login(site.admin, &vault).await
}

/// Has it make its keys, leaves the one that unseals it to its later pods, and unseals it.
async fn open_vault(admin: &Admin, vault: &Admin) -> Result<(), Error> {
    let up = wait_until("Vault to answer", POLL_INTERVAL, async || {
        let reply = vault.get(&at("sys/init")).await?;
        let is_new = reply_body(&reply)["initialized"] == false;
        Ok(WaitLook::when(is_new, || vault_message(&reply)))
    });
    up.await?;
    let shares = json!({"secret_shares": 1, "secret_threshold": 1});
    let made = write_path(vault, "sys/init", &shares).await?;
    let (Some(key), Some(root)) = (made["keys_base64"][0].as_str(), made["root_token"].as_str())
    else {
        return Err(Error::UnexpectedReply {
            failed: "Vault made no keys".into(),
            said: "its reply names none".into(),
        });
    };
    let key = json!({"key": key});
    let kept = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "unseal", "namespace": "vault"},
        "stringData": {"key.json": key.to_string()}});
    admin.apply_object(&kept).await?;
    write_path(vault, "sys/unseal", &key).await?;
    let token = json!({"id": ROOT_TOKEN, "policies": ["root"]});
    let create = ApiCall::post(at("auth/token/create-orphan"), token);
    let first = admin.with_header(TOKEN_HEADER, root);
    let active = wait_until("Vault to be unsealed", POLL_INTERVAL, async || {
        let reply = first.ask(&create).await?;
        Ok(WaitLook::when(api::was_taken(&reply), || {
            vault_message(&reply)
        }))
    });
    active.await
}

fn objects() -> Result<Vec<Value>, Error> {
    let text = VAULT_WORKLOAD
        .text
        .replace("$(api-address)", HostAccess::API_ADDRESS)
        .replace("$(vault-address)", SERVICE_ADDRESS)
        .replace("$(token)", ROOT_TOKEN)
        .replace("$(image)", HostAccess::PROBE_IMAGE);
    first_state::parse(ADDON.name, &text)
}

/// Its own ServiceAccount logs in and reads, as far as a role and a policy let it.
async fn try_login(admin: &Admin, vault: &Admin) -> Result<(), Error> {
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
    let store = ApiCall::post(at(&data), kept.clone());
    let stored = wait_until("Vault to keep a secret", POLL_INTERVAL, async || {
        let reply = vault.ask(&store).await?;
        Ok(WaitLook::when(api::was_taken(&reply), || {
            vault_message(&reply)
        }))
    });
    stored.await?;
    let may = format!("path \"{data}\" {{ capabilities = [\"read\"] }}");
    write_path(vault, &policy, &json!({"policy": may})).await?;
    let bound = json!({"bound_service_account_names": "vault", "bound_service_account_namespaces": "vault",
        "token_policies": NAME});
    write_path(vault, &role, &bound).await?;
    let entered =
        log_account_in(vault, NAME, &admin.request_token("vault", "vault").await?).await?;
    let given = admin
        .with_header(TOKEN_HEADER, &entered)
        .get(&at(&data))
        .await?;
    if reply_body(&given)["data"]["data"] != kept["data"] {
        return Err(refusal_error(
            "Vault did not give out what it keeps",
            &given,
        ));
    }
    for path in [role, policy, metadata] {
        was_taken(&path, &vault.delete_at(&at(&path)).await?)?;
    }
    Ok(())
}

/// Logs a ServiceAccount in by its token, until it is let in. Returns Vault's own token for it.
async fn log_account_in(vault: &Admin, role: &str, token: &str) -> Result<String, Error> {
    let login = json!({"role": role, "jwt": token});
    let login = ApiCall::post(at("auth/kubernetes/login"), login);
    let entered = wait_until(
        "Vault to let a ServiceAccount in",
        POLL_INTERVAL,
        async || {
            let reply = vault.ask(&login).await?;
            Ok(match reply_body(&reply)["auth"]["client_token"].as_str() {
                Some(token) => WaitLook::Ready(token.to_owned()),
                None => WaitLook::NotYet(vault_message(&reply)),
            })
        },
    );
    entered.await
}

async fn write_path(vault: &Admin, path: &str, body: &Value) -> Result<Value, Error> {
    let reply = vault.ask(&ApiCall::post(at(path), body.clone())).await?;
    was_taken(path, &reply)
}

fn was_taken(path: &str, reply: &ApiReply) -> Result<Value, Error> {
    if api::was_taken(reply) {
        Ok(reply_body(reply).clone())
    } else {
        Err(refusal_error(&format!("Vault did not take {path}"), reply))
    }
}

fn refusal_error(failed: &str, reply: &ApiReply) -> Error {
    Error::UnexpectedReply {
        failed: failed.to_owned(),
        said: vault_message(reply),
    }
}

/// Where something of Vault's is.
fn at(path: &str) -> String {
    format!("{PROXY_PATH}/{path}")
}

/// Vault's words, else the API server's, and never what it gives out.
fn vault_message(reply: &ApiReply) -> String {
    let errors = reply_body(reply)["errors"].as_array();
    let code = || status_code(reply).unwrap_or_default().to_string();
    let other = || server_message(reply).map_or_else(code, str::to_owned);
    errors
        .filter(|errors| !errors.is_empty())
        .map_or_else(other, |errors| json!(errors).to_string())
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
        let answer = |body: Value| ApiReply::Http {
            code: 403,
            body: model::ReplyBody::Json(body),
            warnings: Vec::new(),
        };
        assert_eq!(
            vault_message(&answer(json!({"errors": ["permission denied"]}))),
            r#"["permission denied"]"#
        );
        assert_eq!(vault_message(&answer(json!({"errors": []}))), "403");
        assert_eq!(
            vault_message(&answer(json!({"message": "no endpoints"}))),
            "no endpoints"
        );
    }
}
