//! Pods whose workload was deleted: the garbage collector comes to them in its own time.

use std::time::Duration;

use api::ApiCaller;
use serde_json::Value;

use super::ENDED_WITHIN;
use crate::Error;
use crate::discovery::{ApiResource, find_object};
use crate::started::{controller_of, owned_collections, takes_pods_along};
use crate::wait::{ConditionWait, WaitLook, WaitReporter};

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
    for collection in owned_collections(namespace) {
        let list = own.fetch_body(collection).await?;
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
