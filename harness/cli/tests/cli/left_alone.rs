//! Worlds leave a cluster as they found it: everything in it is listed before and after a run of
//! scenarios that, together, write every kind of object and take every action that a cluster which
//! was there before can be asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use api::{ApiCall, ApiCaller, reply_body, was_taken};
use cluster::Cluster;
use model::{Capability, LoadedScenario, ScenarioLibrary, world_requirements};
use serde_json::Value;
use wait::{ConditionWait, WaitLook};

use crate::support::{GAUNTLET, Ran, can_start_boxes};

/// How long what controllers take away by themselves may take.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// What the cluster itself writes all the time.
const RESTLESS: [&str; 4] = ["componentstatuses", "endpoints", "endpointslices", "events"];

/// What changes of an object that nobody changes.
const RESTLESS_FIELDS: [&str; 5] = [
    "resourceVersion",
    "managedFields",
    "annotations",
    "generation",
    "uid",
];

/// Every object, by its resource, namespace and name.
type ClusterListing = BTreeMap<String, Value>;

#[test]
fn every_kind_and_action_leaves_the_cluster_as_it_was() {
    if !can_start_boxes("every_kind_and_action_leaves_the_cluster_as_it_was") {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let chosen = chosen_scenarios(&root);
    let cache = native::BoxCache::from_env().unwrap();
    let spec = native::BoxSpec {
        name: format!("left-{}", std::process::id()),
        cluster: model::ClusterSpec::default(),
        first_state: None,
        launcher: GAUNTLET.into(),
    };
    let running = native::start_box(&cache, &spec, true, &mut |_| {}).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let caller = runtime.block_on(attached_caller(&running.kubeconfig));
    let before = runtime.block_on(list_cluster(&caller));
    let mut command = Command::new(GAUNTLET);
    command
        .args(["run", "--kubeconfig"])
        .arg(&running.kubeconfig)
        .args(&chosen)
        .current_dir(&root);
    let ran = Ran::of(&command.output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    runtime.block_on(expect_same(&caller, &before));
    running.take_down().unwrap();
}

/// The first scenarios, in the order of their names, that have a word which none before had.
fn chosen_scenarios(root: &Path) -> Vec<String> {
    let library = ScenarioLibrary::open(&root.join("scenarios")).unwrap();
    let (mut words, mut chosen) = (BTreeSet::new(), Vec::new());
    for loaded in library.scenarios.iter().filter(|one| is_for_any(one)) {
        let own = scenario_words(loaded);
        if !own.is_subset(&words) {
            words.extend(own);
            chosen.push(loaded.id.clone());
        }
    }
    assert!(words.len() > 60, "{words:#?}");
    chosen
}

/// Whether none of its worlds needs more of a cluster than a node.
fn is_for_any(loaded: &LoadedScenario) -> bool {
    let worlds = loaded.scenario.worlds.keys();
    let mut needs = worlds.flat_map(|world| world_requirements(loaded, world));
    needs.all(|need| matches!(need, Capability::Nodes(1) | Capability::ProbeImage))
}

/// The kinds that a scenario writes, and the actions that it takes.
fn scenario_words(loaded: &LoadedScenario) -> BTreeSet<String> {
    let scenario = &loaded.scenario;
    let applied = scenario.worlds.values().flat_map(|world| &world.apply);
    let sent = scenario
        .steps
        .iter()
        .flat_map(|step| step.action.facts().reads);
    let files = applied.map(String::as_str).chain(sent);
    let objects = files
        .filter_map(|file| loaded.manifests.get(file))
        .flatten();
    let kinds = objects.filter_map(|one| {
        model::object_kind(one.object["apiVersion"].as_str()?, one.kind())
            .map(|kind| format!("{} {}", kind.group, kind.kind))
    });
    let actions = scenario.steps.iter().filter_map(|step| {
        let action = serde_json::to_value(&step.action).unwrap();
        let key = action.as_object().and_then(|fields| fields.keys().next());
        key.map(String::from)
    });
    kinds.chain(actions).collect()
}

async fn attached_caller(kubeconfig: &Path) -> ApiCaller {
    let cluster = Cluster::attach_existing(Some(kubeconfig), None, true).await;
    ApiCaller::new(cluster.unwrap().admin_client().clone(), "gauntlet-test")
}

/// Waits until the cluster lists what it did before.
async fn expect_same(caller: &ApiCaller, before: &ClusterListing) {
    let wait = ConditionWait {
        what: "the cluster to be as it was",
        within: SETTLES_WITHIN,
        every: Duration::from_millis(500),
    };
    let settled = wait.until_async(async || {
        let after = list_cluster(caller).await;
        let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let differs = keys
            .into_iter()
            .filter(|key| before.get(*key) != after.get(*key));
        let differs: Vec<String> = differs
            .map(|key| format!("{key}: {:?}, then {:?}", before.get(key), after.get(key)))
            .collect();
        match differs.is_empty() {
            true => WaitLook::Ready(()),
            false => WaitLook::NotYet(differs.join("\n")),
        }
    });
    if let Err(late) = settled.await {
        panic!("{late}");
    }
}

/// Everything that the API server lists, without what changes by itself.
async fn list_cluster(caller: &ApiCaller) -> ClusterListing {
    let mut listing = ClusterListing::new();
    for (resource, path) in listed_resources(caller).await {
        let reply = caller.ask_once(&ApiCall::get(path)).await.unwrap();
        assert!(was_taken(&reply), "{resource}: {reply:?}");
        for item in list_of(&reply_body(&reply)["items"]) {
            let metadata = &item["metadata"];
            let key = format!("{resource} {} {}", metadata["namespace"], metadata["name"]);
            listing.insert(key, settled_object(&resource, item));
        }
    }
    listing
}

/// Each resource that can be listed, in one of its versions, with the path of all its objects.
async fn listed_resources(caller: &ApiCaller) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let groups = fetch_body(caller, "/apis").await;
    let mut versions = vec![("/api/v1".to_owned(), String::new())];
    for group in list_of(&groups["groups"]) {
        let version = group["preferredVersion"]["groupVersion"].as_str().unwrap();
        let name = group["name"].as_str().unwrap();
        versions.push((format!("/apis/{version}"), format!(".{name}")));
    }
    for (base, group) in versions {
        for resource in list_of(&fetch_body(caller, &base).await["resources"]) {
            let name = resource["name"].as_str().unwrap();
            let can_be_listed = list_of(&resource["verbs"])
                .iter()
                .any(|verb| verb == "list");
            if can_be_listed && !RESTLESS.contains(&name) {
                found.push((format!("{name}{group}"), format!("{base}/{name}")));
            }
        }
    }
    found
}

async fn fetch_body(caller: &ApiCaller, path: &str) -> Value {
    let reply = caller.ask_once(&ApiCall::get(path)).await.unwrap();
    assert!(was_taken(&reply), "{path}: {reply:?}");
    reply_body(&reply).clone()
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
