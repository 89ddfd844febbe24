//! Which worlds of the project's own scenarios need no node.

use std::path::Path;

use model::{LoadedScenario, ScenarioLibrary, needs_no_node};

fn library() -> ScenarioLibrary {
    ScenarioLibrary::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios"))
        .expect("the project has scenarios")
}

fn nodeless(loaded: &LoadedScenario) -> bool {
    loaded
        .scenario
        .worlds
        .keys()
        .all(|world| needs_no_node(loaded, world))
}

#[test]
fn what_only_asks_the_api_server_needs_none() {
    let all = library().scenarios;
    let of = |id: &str| nodeless(all.iter().find(|loaded| loaded.id == id).unwrap());
    assert!(of("pod-security/privileged"), "pods that are only admitted");
    assert!(of("rbac/escalate"), "roles");
    assert!(!of("rbac/nodes-proxy"), "a kubelet is asked");
    assert!(!of("network/wrong-direction"), "connections between pods");
    assert!(!of("signing/wrong-key"), "a registry beside the cluster");
    assert!(!needs_no_node(&all[0], "no-such-world"));
    let areas = ["admission/", "audit/", "pod-security/", "rbac/"];
    let of_api = all
        .iter()
        .filter(|loaded| areas.iter().any(|area| loaded.id.starts_with(area)));
    let (nodeless, others): (Vec<&LoadedScenario>, Vec<&LoadedScenario>) =
        of_api.partition(|loaded| nodeless(loaded));
    assert!(
        nodeless.len() >= 30,
        "{} need none; others: {:?}",
        nodeless.len(),
        ids(&others)
    );
}

fn ids<'a>(all: &[&'a LoadedScenario]) -> Vec<&'a str> {
    all.iter().map(|loaded| loaded.id.as_str()).collect()
}
