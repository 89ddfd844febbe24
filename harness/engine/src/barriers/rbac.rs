//! Sentinels for RBAC: what they grant is allowed once the authorizer knows them.

use std::time::Duration;

use addons::SENTINEL_LABEL;
use api::{ApiCall, reply_json as json_of, reply_message};
use serde_json::{Value, json};

use super::plan::WriteRecord;
use super::sentinels::{IN_FORCE_WITHIN, SentinelObjects};
use crate::Error;
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

const RBAC_API: &str = "/apis/rbac.authorization.k8s.io/v1";
const RBAC_VERSION: &str = "rbac.authorization.k8s.io/v1";

/// Whether this ClusterRole takes part in aggregation, which a controller does.
pub(super) fn is_aggregation(record: &WriteRecord) -> bool {
    let object = record.object.as_ref();
    record.resource.kind == "ClusterRole"
        && object.is_some_and(|role| {
            let labels = role["metadata"]["labels"].as_object();
            !role["aggregationRule"].is_null()
                || labels.is_some_and(|all| all.keys().any(|key| key.contains("/aggregate-to-")))
        })
}

pub(super) async fn wait_for_roles(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
) -> Result<(), Error> {
    let name = sentinels.fresh_name();
    let at = |plural: &str| format!("{RBAC_API}/namespaces/{}/{plural}", sentinels.namespace());
    sentinels
        .make_part(&at("roles"), sentinel_role("Role", &name, json!({})))
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

pub(super) async fn cluster_roles(
    sentinels: &SentinelObjects,
    waiter: &WaitReporter,
    aggregated: bool,
) -> Result<(), Error> {
    let name = sentinels.fresh_name();
    let at = |plural: &str| format!("{RBAC_API}/{plural}");
    let mut paths = vec![
        format!("{}/{name}", at("clusterrolebindings")),
        format!("{}/{name}", at("clusterroles")),
    ];
    if aggregated {
        let whole = json!({
            "apiVersion": RBAC_VERSION, "kind": "ClusterRole", "metadata": {"name": name}, "rules": [],
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {SENTINEL_LABEL: name}}]},
        });
        sentinels.make_part(&at("clusterroles"), whole).await?;
        let part = format!("{name}-part");
        sentinels
            .make_part(
                &at("clusterroles"),
                sentinel_role("ClusterRole", &part, json!({SENTINEL_LABEL: name})),
            )
            .await?;
        paths.push(format!("{}/{part}", at("clusterroles")));
    } else {
        sentinels
            .make_part(
                &at("clusterroles"),
                sentinel_role("ClusterRole", &name, json!({})),
            )
            .await?;
    }
    sentinels
        .make_part(
            &at("clusterrolebindings"),
            sentinel_binding("ClusterRoleBinding", "ClusterRole", &name),
        )
        .await?;
    let shown = is_allowed(sentinels, waiter, &name, None).await;
    sentinels.remove_parts(paths);
    shown
}

fn sentinel_role(kind: &str, name: &str, labels: Value) -> Value {
    json!({
        "apiVersion": RBAC_VERSION, "kind": kind, "metadata": {"name": name, "labels": labels},
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
