//! Sentinels for RBAC: what they grant is allowed once the authorizer knows them.

use std::time::Duration;

use api::{ApiCall, reply_json as json_of, reply_message};
use serde_json::{Value, json};

use super::aggregation::wait_for_aggregation;
use super::sentinels::{IN_FORCE_WITHIN, SentinelObjects};
use crate::Error;
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

pub(super) const RBAC_API: &str = "/apis/rbac.authorization.k8s.io/v1";
const RBAC_VERSION: &str = "rbac.authorization.k8s.io/v1";

pub(super) async fn wait_for_roles(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
) -> Result<(), Error> {
    let name = sentinels.fresh_name();
    let at = |plural: &str| format!("{RBAC_API}/namespaces/{}/{plural}", sentinels.namespace());
    sentinels
        .make_part(&at("roles"), sentinel_role("Role", &name))
        .await?;
    sentinels
        .make_part(
            &at("rolebindings"),
            sentinel_binding("RoleBinding", "Role", &name),
        )
        .await?;
    let shown = is_allowed(sentinels, waiter, &name, Some(sentinels.namespace())).await;
    sentinels.remove_parts(
        ["rolebindings", "roles"]
            .iter()
            .map(|plural| format!("{}/{name}", at(plural)))
            .collect(),
    );
    shown
}

/// Where a role was `written`, others may gather its rules, and those are waited for first.
pub(super) async fn wait_for_cluster_roles(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
    written: bool,
) -> Result<(), Error> {
    if written {
        wait_for_aggregation(sentinels, waiter).await?;
    }
    let name = sentinels.fresh_name();
    let at = |plural: &str| format!("{RBAC_API}/{plural}");
    sentinels
        .make_part(&at("clusterroles"), sentinel_role("ClusterRole", &name))
        .await?;
    sentinels
        .make_part(
            &at("clusterrolebindings"),
            sentinel_binding("ClusterRoleBinding", "ClusterRole", &name),
        )
        .await?;
    let shown = is_allowed(sentinels, waiter, &name, None).await;
    sentinels.remove_parts(
        ["clusterrolebindings", "clusterroles"]
            .iter()
            .map(|plural| format!("{}/{name}", at(plural)))
            .collect(),
    );
    shown
}

fn sentinel_role(kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": RBAC_VERSION, "kind": kind, "metadata": {"name": name},
        "rules": [{"apiGroups": ["gauntlet.dev"], "resources": ["sentinels"], "verbs": ["get"]}],
    })
}

fn sentinel_binding(kind: &str, role: &str, name: &str) -> Value {
    json!({
        "apiVersion": RBAC_VERSION, "kind": kind, "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
    })
}

async fn is_allowed(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
    user: &str,
    namespace: Option<&str>,
) -> Result<(), Error> {
    let mut what = json!({"group": "gauntlet.dev", "resource": "sentinels", "verb": "get"});
    if let Some(namespace) = namespace {
        what["namespace"] = Value::from(namespace);
    }
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": what},
    });
    let wait = ConditionWait {
        what: "roles and bindings to be in force",
        within: IN_FORCE_WITHIN,
        every: Duration::from_millis(10),
    };
    waiter
        .wait_until(wait, async || {
            let call = ApiCall::post(
                "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                review.clone(),
            );
            let reply = sentinels.own().send_call(call).await.reply;
            match json_of(&reply) {
                Some(body) if body["status"]["allowed"] == true => WaitLook::Ready(()),
                Some(body) if body["status"].is_object() => {
                    WaitLook::NotYet("the sentinel's user is not allowed yet".into())
                }
                _ => WaitLook::NotYet(reply_message(&reply)),
            }
        })
        .await
}
