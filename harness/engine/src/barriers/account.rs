//! ServiceAccounts that are changed or deleted: a pod that names one that was just deleted may still
//! be admitted, and gets a token that its account no longer wants.

use api::percent_encode;
use serde_json::{Value, json};

use super::dry_pod::DryPod;
use super::plan::WriteRecord;

/// Those of `records` that the API server's copy may be behind of: what was deleted, or written
/// more than once.
pub(super) fn touched_accounts<'a>(
    records: &'a [WriteRecord],
    history: &'a [WriteRecord],
) -> impl Iterator<Item = &'a WriteRecord> {
    let is_known = move |record: &WriteRecord| {
        let mut earlier = history.iter().chain(records);
        record.object.is_none()
            || earlier.any(|one| !std::ptr::eq(one, record) && one.path() == record.path())
    };
    records
        .iter()
        .filter(move |record| record.resource.kind == "ServiceAccount" && is_known(record))
}

/// The pod that shows what is known of an account.
pub(super) fn account_look(record: &WriteRecord) -> DryPod {
    DryPod {
        pods: format!(
            "/api/v1/namespaces/{}/pods",
            percent_encode(&record.namespace)
        ),
        pod: naming_pod(&record.name),
        is_given,
    }
}

/// A pod that no Pod Security level refuses.
fn naming_pod(account: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "gauntlet-sentinel-"},
        "spec": {
            "serviceAccountName": account,
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "main", "image": "sentinel",
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    })
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
        let fresh = [record("a", Some(json!({})))];
        assert_eq!(touched_accounts(&fresh, &[]).count(), 0);
        assert_eq!(touched_accounts(&fresh, &fresh.clone()).count(), 1);
        let other = [record("b", Some(json!({})))];
        assert_eq!(touched_accounts(&fresh, &other).count(), 0);
        assert_eq!(touched_accounts(&[record("a", None)], &[]).count(), 1);
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
