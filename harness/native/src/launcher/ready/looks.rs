//! Single looks at the API server: whether something is there, or what there is instead.

use serde_json::{Value, json};
use wait::WaitLook;

use enforcer::{BoxApi, first_line};
use error_chain::error_chain;

const REVIEWS_PATH: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/// Whether the API server has read its roles and bindings, those of the cluster and those of a
/// namespace.
pub(super) fn knows_its_roles(api: &BoxApi) -> WaitLook<()> {
    let attributes = [
        json!({ "verb": "list", "resource": "namespaces" }),
        json!({ "verb": "get", "resource": "configmaps", "namespace": "kube-system",
            "name": "extension-apiserver-authentication" }),
    ];
    let reviews =
        attributes.map(|attributes| access_review("system:kube-controller-manager", &attributes));
    let not_yet = reviews
        .iter()
        .map(|review| api.post(REVIEWS_PATH, review))
        .find_map(|answer| match answer {
            Ok((201, read_body)) if review_allows(&read_body) => None,
            Ok((status, read_body)) => Some(format!("status {status}: {}", first_line(&read_body))),
            Err(why) => Some(error_chain(&why)),
        });
    not_yet.map_or(WaitLook::Ready(()), WaitLook::NotYet)
}

fn access_review(user: &str, attributes: &Value) -> Value {
    json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": { "user": user, "resourceAttributes": attributes },
    })
}

fn review_allows(body: &str) -> bool {
    serde_json::from_str::<Value>(body).is_ok_and(|review| review["status"]["allowed"] == true)
}

pub(super) fn apiserver_answers(api: &BoxApi, path: &str) -> WaitLook<()> {
    match api.get(path) {
        Ok((200, _)) => WaitLook::Ready(()),
        Ok((status, read_body)) => {
            WaitLook::NotYet(format!("status {status}: {}", first_line(&read_body)))
        }
        Err(why) => WaitLook::NotYet(error_chain(&why)),
    }
}

/// Makes an object, unless it is there.
pub(super) fn make_object(api: &BoxApi, collection: &str, object: &Value) -> WaitLook<()> {
    match api.post(collection, object) {
        Ok((201 | 409, _)) => WaitLook::Ready(()),
        Ok((status, read_body)) => {
            WaitLook::NotYet(format!("status {status}: {}", first_line(&read_body)))
        }
        Err(why) => WaitLook::NotYet(error_chain(&why)),
    }
}

/// Whether what is at `path` is served; a Deployment also needs what its controller makes of it.
pub(super) fn in_force(api: &BoxApi, path: &str) -> WaitLook<()> {
    match api.existing_object(path) {
        Ok(object) if object["kind"] == "Deployment" && !is_rolled_out(&object) => {
            WaitLook::NotYet("its controller has not made it yet".into())
        }
        Ok(_) => WaitLook::Ready(()),
        Err(why) => WaitLook::NotYet(error_chain(&why)),
    }
}

/// Whether the controller of a Deployment has seen it, and made as many pods as it asks for.
fn is_rolled_out(deployment: &Value) -> bool {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let pods = |part: &Value| part["replicas"].as_u64().unwrap_or_default();
    status["observedGeneration"] == deployment["metadata"]["generation"]
        && pods(status) == pods(spec)
}

pub(super) fn object_exists(api: &BoxApi, path: &str) -> WaitLook<()> {
    match api.existing_object(path) {
        Ok(_) => WaitLook::Ready(()),
        Err(why) => WaitLook::NotYet(error_chain(&why)),
    }
}

/// Whether this start's kubelet says that the node is Ready: a template holds what an earlier one
/// said.
pub(super) fn node_is_ready(api: &BoxApi, name: &str, since: &str) -> WaitLook<()> {
    let node = match api.existing_object(&format!("/api/v1/nodes/{name}")) {
        Ok(node) => node,
        Err(why) => return WaitLook::NotYet(error_chain(&why)),
    };
    let conditions = node["status"]["conditions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    match conditions
        .iter()
        .find(|condition| condition["type"] == "Ready")
    {
        Some(ready) if ready["status"] == "True" && fresh_since(ready, since) => {
            WaitLook::Ready(())
        }
        Some(ready) => WaitLook::NotYet(format!("{}: {}", ready["reason"], ready["message"])),
        None => WaitLook::NotYet("it has not reported yet".into()),
    }
}

/// Whether a condition was written at `since` (RFC 3339, UTC, whole seconds) or later.
fn fresh_since(condition: &Value, since: &str) -> bool {
    condition["lastHeartbeatTime"]
        .as_str()
        .is_some_and(|at| at >= since)
}

#[cfg(test)]
mod tests {
    use super::super::rfc3339_now;
    use super::*;

    #[test]
    fn a_deployment_without_pods_is_made_once_its_controller_has_seen_it() {
        let made = |seen: Value, wanted: u64, pods: Value| {
            is_rolled_out(&json!({
                "metadata": {"generation": 1}, "spec": {"replicas": wanted},
                "status": {"observedGeneration": seen, "replicas": pods},
            }))
        };
        assert!(made(json!(1), 0, Value::Null) && made(json!(1), 1, json!(1)));
        assert!(!made(Value::Null, 0, Value::Null) && !made(json!(1), 1, Value::Null));
    }

    #[test]
    fn what_an_earlier_start_said_is_not_fresh() {
        let condition = json!({ "lastHeartbeatTime": "2026-01-02T03:04:05Z" });
        assert!(fresh_since(&condition, "2026-01-02T03:04:05Z"));
        assert!(!fresh_since(&condition, "2026-01-02T03:04:06Z"));
        assert!(!fresh_since(&json!({}), "2026-01-02T03:04:05Z"));
        assert_eq!(rfc3339_now().len(), "2026-01-02T03:04:05Z".len());
    }
}
