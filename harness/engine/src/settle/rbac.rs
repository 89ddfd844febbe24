//! Sentinels for RBAC: what they grant is allowed once the authorizer knows them.

use std::time::Duration;

use api::{Call, json as json_of, said};
use serde_json::{Value, json};

use super::plan::WriteRecord;
use super::sentinels::{PATIENCE, Sentinels};
use crate::Error;
use crate::wait::{Look, Wait, Waiter};

const API: &str = "/apis/rbac.authorization.k8s.io/v1";
const VERSION: &str = "rbac.authorization.k8s.io/v1";

/// Whether this ClusterRole takes part in aggregation, which a controller does.
pub(super) fn is_aggregation(touch: &WriteRecord) -> bool {
    let object = touch.object.as_ref();
    touch.resource.kind == "ClusterRole"
        && object.is_some_and(|role| {
            let labels = role["metadata"]["labels"].as_object();
            !role["aggregationRule"].is_null()
                || labels.is_some_and(|all| all.keys().any(|key| key.contains("/aggregate-to-")))
        })
}

pub(super) async fn roles(sentinels: &Sentinels, waiter: &Waiter) -> Result<(), Error> {
    let name = sentinels.name();
    let at = |plural: &str| format!("{API}/namespaces/{}/{plural}", sentinels.namespace());
    sentinels
        .make(&at("roles"), role("Role", &name, json!({})))
        .await?;
    sentinels
        .make(&at("rolebindings"), binding("RoleBinding", "Role", &name))
        .await?;
    allowed(sentinels, waiter, &name, Some(sentinels.namespace())).await?;
    sentinels.remove(
        ["rolebindings", "roles"]
            .iter()
            .map(|plural| format!("{}/{name}", at(plural)))
            .collect(),
    );
    Ok(())
}

pub(super) async fn cluster_roles(
    sentinels: &Sentinels,
    waiter: &Waiter,
    aggregated: bool,
) -> Result<(), Error> {
    let name = sentinels.name();
    let at = |plural: &str| format!("{API}/{plural}");
    let mut paths = vec![
        format!("{}/{name}", at("clusterrolebindings")),
        format!("{}/{name}", at("clusterroles")),
    ];
    if aggregated {
        let whole = json!({
            "apiVersion": VERSION, "kind": "ClusterRole", "metadata": {"name": name}, "rules": [],
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {super::sentinels::LABEL: name}}]},
        });
        sentinels.make(&at("clusterroles"), whole).await?;
        let part = format!("{name}-part");
        sentinels
            .make(
                &at("clusterroles"),
                role("ClusterRole", &part, json!({super::sentinels::LABEL: name})),
            )
            .await?;
        paths.push(format!("{}/{part}", at("clusterroles")));
    } else {
        sentinels
            .make(&at("clusterroles"), role("ClusterRole", &name, json!({})))
            .await?;
    }
    sentinels
        .make(
            &at("clusterrolebindings"),
            binding("ClusterRoleBinding", "ClusterRole", &name),
        )
        .await?;
    allowed(sentinels, waiter, &name, None).await?;
    sentinels.remove(paths);
    Ok(())
}

fn role(kind: &str, name: &str, labels: Value) -> Value {
    json!({
        "apiVersion": VERSION, "kind": kind, "metadata": {"name": name, "labels": labels},
        "rules": [{"apiGroups": ["gauntlet.dev"], "resources": ["sentinels"], "verbs": ["get"]}],
    })
}

fn binding(kind: &str, role: &str, name: &str) -> Value {
    json!({
        "apiVersion": VERSION, "kind": kind, "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
    })
}

async fn allowed(
    sentinels: &Sentinels,
    waiter: &Waiter,
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
    let wait = Wait {
        what: "roles and bindings to be in force",
        within: PATIENCE,
        every: Duration::from_millis(10),
    };
    waiter
        .until(wait, async || {
            let call = Call::post(
                "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                review.clone(),
            );
            let reply = sentinels.own().send(call).await.reply;
            match json_of(&reply) {
                Some(body) if body["status"]["allowed"] == true => Look::Ready(()),
                Some(body) if body["status"].is_object() => {
                    Look::NotYet("the sentinel's user is not allowed yet".into())
                }
                _ => Look::NotYet(said(&reply)),
            }
        })
        .await
}
