//! Pods whose workload was deleted: the garbage collector comes to them in its own time.

use std::time::Duration;

use api::{ApiCaller, percent_encode};
use serde_json::Value;

use super::ENDED_WITHIN;
use crate::Error;
use crate::discovery::{ApiResource, find_object};
use crate::started::makes_pods;
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

/// What goes with its controller, by its collection.
const OWNED_KINDS: [&str; 3] = [
    "/apis/batch/v1/namespaces/{}/jobs",
    "/apis/apps/v1/namespaces/{}/replicasets",
    "/api/v1/namespaces/{}/pods",
];

/// Whether pods go with an object of this kind.
pub(super) fn takes_pods_along(resource: &ApiResource) -> bool {
    makes_pods(resource) || resource.kind == "CronJob"
}

/// Waits until everything of a namespace whose controller is gone is gone as well.
pub(super) async fn wait_for_orphans(
    own: &ApiCaller,
    waiter: &WaitReporter,
    namespace: &str,
) -> Result<(), Error> {
    let wait = ConditionWait {
        what: "what a deleted workload made to be gone",
        within: ENDED_WITHIN,
        every: Duration::from_millis(50),
    };
    waiter
        .wait_until(wait, async || match find_orphan(own, namespace).await {
            Ok(None) => WaitLook::Ready(()),
            Ok(Some(name)) => WaitLook::NotYet(format!("{name} is there")),
            Err(why) => WaitLook::from(why),
        })
        .await
}

/// The name of something whose controller is gone.
async fn find_orphan(own: &ApiCaller, namespace: &str) -> Result<Option<String>, Error> {
    for kind in OWNED_KINDS {
        let list = own
            .fetch_body(kind.replace("{}", &percent_encode(namespace)))
            .await?;
        for item in list["items"].as_array().into_iter().flatten() {
            if let Some(owner) = controller_of(item)
                && !is_there(own, namespace, owner).await?
            {
                let name = item["metadata"]["name"].as_str().unwrap_or_default();
                return Ok(Some(name.to_owned()));
            }
        }
    }
    Ok(None)
}

fn controller_of(item: &Value) -> Option<&Value> {
    let owners = item["metadata"]["ownerReferences"].as_array();
    owners
        .into_iter()
        .flatten()
        .find(|owner| owner["controller"] == true)
}

/// Whether an owner is there, and no other one of its name. A node owns pods as well, and is in no
/// namespace: it is not looked for.
async fn is_there(own: &ApiCaller, namespace: &str, owner: &Value) -> Result<bool, Error> {
    let text = |key: &str| owner[key].as_str().unwrap_or_default();
    let resource = ApiResource::guess_resource(text("apiVersion"), text("kind"));
    if !takes_pods_along(&resource) {
        return Ok(true);
    }
    let found = find_object(own, &resource, namespace, text("name")).await?;
    Ok(found.is_some_and(|found| found["metadata"]["uid"] == owner["uid"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_controller_counts() {
        let item = |controller: bool| json!({"metadata": {"ownerReferences": [{"uid": "a", "controller": controller}]}});
        assert!(controller_of(&item(true)).is_some());
        assert!(controller_of(&item(false)).is_none() && controller_of(&json!({})).is_none());
    }

    #[test]
    fn workloads_take_their_pods_along() {
        let takes = |version: &str, kind: &str| {
            takes_pods_along(&ApiResource::guess_resource(version, kind))
        };
        assert!(takes("apps/v1", "Deployment") && takes("batch/v1", "CronJob"));
        assert!(takes("batch/v1", "Job") && takes("v1", "ReplicationController"));
        assert!(!takes("v1", "Pod") && !takes("v1", "Node"));
    }
}
