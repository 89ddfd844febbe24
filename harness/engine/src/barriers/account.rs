//! ServiceAccounts that are changed or deleted: a pod that names one that was just deleted may still
//! be admitted, and gets a token that its account no longer wants.

use api::percent_encode;
use serde_json::Value;

use super::dry_pod::DryPod;
use super::plan::WriteRecord;
use super::sentinels::restricted_pod;

/// Those of the written `accounts` that the API server's copy may be behind of: what was deleted, or
/// is among `all` more than once.
pub(super) fn touched_accounts<'a>(
    accounts: Vec<&'a WriteRecord>,
    all: &[&WriteRecord],
) -> impl Iterator<Item = &'a WriteRecord> {
    accounts.into_iter().filter(|account| {
        let mut others = all.iter().filter(|one| !std::ptr::eq(**one, *account));
        account.object.is_none() || others.any(|one| one.path() == account.path())
    })
}

/// The pod that shows what is known of an account. It is tried where the account is, so the webhooks
/// of that namespace are asked about it.
pub(super) fn account_look(record: &WriteRecord) -> DryPod {
    DryPod {
        pods: format!(
            "/api/v1/namespaces/{}/pods",
            percent_encode(&record.namespace)
        ),
        pod: restricted_pod(&format!("gauntlet-sentinel-{}", record.name), &record.name),
        is_given,
    }
}

/// Whether a pod got the token and the pull secrets that its account says.
fn is_given(account: &Value, pod: &Value) -> bool {
    let mounts = pod["spec"]["containers"][0]["volumeMounts"].as_array();
    let has_token = mounts
        .into_iter()
        .flatten()
        .any(|mount| mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount");
    let secrets = |list: &Value| list.as_array().cloned().unwrap_or_default();
    has_token == (account["automountServiceAccountToken"] != false)
        && secrets(&account["imagePullSecrets"]) == secrets(&pod["spec"]["imagePullSecrets"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::discovery::ApiResource;

    fn record(name: &str, object: Option<Value>) -> WriteRecord {
        WriteRecord {
            resource: ApiResource::guess_resource("v1", "ServiceAccount"),
            namespace: "n".into(),
            name: name.into(),
            object,
        }
    }

    #[test]
    fn a_new_account_is_known_at_once() {
        let count = |accounts: &[WriteRecord], earlier: &[WriteRecord]| {
            let all: Vec<&WriteRecord> = earlier.iter().chain(accounts).collect();
            touched_accounts(accounts.iter().collect(), &all).count()
        };
        let fresh = [record("a", Some(json!({})))];
        assert_eq!(count(&fresh, &[]), 0);
        assert_eq!(count(&fresh, &fresh.clone()), 1);
        assert_eq!(count(&fresh, &[record("b", Some(json!({})))]), 0);
        assert_eq!(count(&[record("a", None)], &[]), 1);
    }

    #[test]
    fn a_pod_shows_what_its_account_says() {
        let pod = |mounts: Value, secrets: Value| json!({"spec": {"containers": [{"volumeMounts": mounts}], "imagePullSecrets": secrets}});
        let token = json!([{"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]);
        assert!(is_given(&json!({}), &pod(token.clone(), Value::Null)));
        let without = json!({"automountServiceAccountToken": false});
        assert!(!is_given(&without, &pod(token.clone(), Value::Null)));
        assert!(is_given(&without, &pod(json!([]), Value::Null)));
        let pulls = json!({"imagePullSecrets": [{"name": "regcred"}]});
        assert!(!is_given(&pulls, &pod(token.clone(), Value::Null)));
        assert!(is_given(&pulls, &pod(token, json!([{"name": "regcred"}]))));
    }
}
