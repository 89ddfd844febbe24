//! Everything that an API server lists, without what changes by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::{ApiCall, ApiCaller, reply_body, reply_message, status_code, was_taken};
use serde_json::Value;
use wait::{ConditionWait, WaitLook};

/// How long what controllers take away by themselves may take.
const SETTLES_WITHIN: Duration = Duration::from_secs(40);

/// What the cluster itself writes all the time.
const RESTLESS_RESOURCES: [&str; 4] =
    ["componentstatuses", "endpoints", "endpointslices", "events"];

/// What changes of an object that nobody changes.
const RESTLESS_FIELDS: [&str; 5] = [
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
];

/// What the namespaces of worlds are called, which stay in a box: no other world has such a name.
const WORLD_PREFIX: &str = "gauntlet-";

/// Every object, by its resource, namespace and name.
pub(super) type ClusterListing = BTreeMap<String, Value>;

/// What there is once a cluster that has just started is at rest: its nodes have lost the taints
/// with which they begin, and two looks say the same.
pub(super) async fn settled_listing(caller: &ApiCaller) -> ClusterListing {
    let mut last = list_cluster(caller).await;
    let settled = settle_wait("the cluster to come to rest").until_async(async || {
        let now = list_cluster(caller).await;
        let mut unsettled = list_differences(&last, &now);
        unsettled.extend(now.iter().filter_map(|(key, object)| {
            let is_tainted = key.starts_with("nodes ") && object["spec"]["taints"].is_array();
            is_tainted.then(|| format!("{key} has taints"))
        }));
        last = now;
        WaitLook::when(unsettled.is_empty(), || unsettled.join("\n"))
    });
    settled.await.unwrap();
    last
}

/// Waits until the cluster lists what it did before.
///
/// # Errors
/// What differs at the end.
pub(super) async fn wait_until_same(
    caller: &ApiCaller,
    before: &ClusterListing,
) -> Result<(), String> {
    let same = settle_wait("the cluster to be as it was").until_async(async || {
        let differences = list_differences(before, &list_cluster(caller).await);
        WaitLook::when(differences.is_empty(), || differences.join("\n"))
    });
    same.await.map_err(|late| late.to_string())
}

fn settle_wait(what: &str) -> ConditionWait<'_> {
    ConditionWait {
        what,
        within: SETTLES_WITHIN,
        every: Duration::from_millis(300),
    }
}

fn list_differences(before: &ClusterListing, after: &ClusterListing) -> Vec<String> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let words = |found: Option<&Value>| found.map_or("nothing".to_owned(), Value::to_string);
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| {
            let (before, after) = (words(before.get(key)), words(after.get(key)));
            format!("{key}: {before}, then {after}")
        })
        .collect()
}

async fn list_cluster(caller: &ApiCaller) -> ClusterListing {
    let mut listing = ClusterListing::new();
    for (resource, path) in listed_resources(caller).await {
        let Some(list) = fetch_body(caller, &path).await else {
            continue;
        };
        for item in list_of(&list["items"]) {
            let name = item["metadata"]["name"].as_str().unwrap_or_default();
            let namespace = item["metadata"]["namespace"].as_str().unwrap_or_default();
            let is_namespace_of_world = resource == "namespaces" && name.starts_with(WORLD_PREFIX);
            if !is_namespace_of_world && !namespace.starts_with(WORLD_PREFIX) {
                let key = format!("{resource} {namespace}/{name}");
                listing.insert(key, settled_object(&resource, item));
            }
        }
    }
    listing
}

/// Each resource that can be listed, in one of its versions, with the path of all its objects.
async fn listed_resources(caller: &ApiCaller) -> Vec<(String, String)> {
    let groups = fetch_body(caller, "/apis").await.unwrap();
    let mut versions = vec![("/api/v1".to_owned(), String::new())];
    for group in list_of(&groups["groups"]) {
        let version = group["preferredVersion"]["groupVersion"].as_str().unwrap();
        let name = group["name"].as_str().unwrap();
        versions.push((format!("/apis/{version}"), format!(".{name}")));
    }
    let mut found = Vec::new();
    for (base, group) in versions {
        let served = fetch_body(caller, &base).await.unwrap_or_default();
        for resource in list_of(&served["resources"]) {
            let name = resource["name"].as_str().unwrap();
            let mut verbs = list_of(&resource["verbs"]).iter();
            if verbs.any(|verb| verb == "list") && !RESTLESS_RESOURCES.contains(&name) {
                found.push((format!("{name}{group}"), format!("{base}/{name}")));
            }
        }
    }
    found
}

/// What the API server answers; nothing where a kind is on its way out.
async fn fetch_body(caller: &ApiCaller, path: &str) -> Option<Value> {
    let reply = caller.send_call(ApiCall::get(path)).await.reply;
    assert!(
        was_taken(&reply) || status_code(&reply) == Some(404),
        "{path}: {}",
        reply_message(&reply)
    );
    was_taken(&reply).then(|| reply_body(&reply).clone())
}

/// An object without what changes of it by itself. Of a lease, only its name stays.
fn settled_object(resource: &str, item: &Value) -> Value {
    if resource.starts_with("leases.") {
        return Value::Null;
    }
    let mut object = item.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|field, _| !RESTLESS_FIELDS.contains(&field.as_str()));
    }
    object
}

fn list_of(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
