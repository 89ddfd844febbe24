//! What worlds need of their clusters: the project's own, and a few that are made here.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use model::{Capability, LoadedScenario, ScenarioLibrary, world_requirements};

fn library() -> Vec<LoadedScenario> {
    ScenarioLibrary::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios"))
        .unwrap()
        .scenarios
}

/// What the world `bare` needs of a scenario with these lines.
fn needs(head: &str, steps: &str) -> BTreeSet<Capability> {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("scenario: v2\nwhy: It needs something.\n{head}\nsteps: {steps}\n");
    std::fs::write(folder.path().join("scenario.yaml"), text).unwrap();
    let loaded = LoadedScenario::read("a/b".to_owned(), folder.path().to_owned()).unwrap();
    world_requirements(&loaded, "bare")
}

/// An example of each capability. Exhaustive: a new one does not compile until it has a word here.
fn word(capability: &Capability) -> &'static str {
    match capability {
        Capability::Nodes(_) => "nodes",
        Capability::ProbeImage => "probe-image",
        Capability::NetworkPolicy => "network-policy",
        Capability::UnenforcedNetworkPolicy => "unenforced-network-policy",
        Capability::DualStack => "dual-stack",
        Capability::AuditLog => "audit-log",
        Capability::ComponentLogs => "component-logs",
        Capability::Etcd => "etcd",
        Capability::ApiServerFlags => "api-server-flags",
        Capability::ComponentFlags => "component-flags",
        Capability::Processes => "processes",
        Capability::NodeFaults => "node-faults",
        Capability::KmsPlugin => "kms-plugin",
        Capability::HostTools => "host-tools",
        Capability::UserCredentials => "user-credentials",
        Capability::Addon(_) => "addon",
        Capability::Release(_) => "release",
    }
}

/// What is not asked for need not be there.
#[test]
fn each_capability_is_asked_for_by_some_scenario() {
    let mut asked: BTreeMap<&str, String> = BTreeMap::new();
    for loaded in library() {
        for world in loaded.scenario.worlds.keys() {
            for capability in world_requirements(&loaded, world) {
                asked
                    .entry(word(&capability))
                    .or_insert_with(|| loaded.id.clone());
            }
        }
    }
    let all = "addon api-server-flags audit-log component-flags component-logs dual-stack etcd host-tools kms-plugin \
               network-policy node-faults nodes probe-image processes unenforced-network-policy user-credentials";
    assert_eq!(
        asked.keys().copied().collect::<Vec<_>>().join(" "),
        all,
        "{asked:#?}"
    );
    let older = needs(
        "cluster: { kubernetes: '1.35' }\nworlds: { bare: {} }",
        "[{ id: a, do: { get: pod/x }, expect: allowed }]",
    );
    assert_eq!(
        older,
        [Capability::Release("1.35".into())].into(),
        "no scenario of the tree names another release"
    );
}

#[test]
fn the_usual_questions_to_an_api_server_need_nothing() {
    let all = library();
    let of = |id: &str| {
        let loaded = all.iter().find(|loaded| loaded.id == id).unwrap();
        loaded
            .scenario
            .worlds
            .keys()
            .flat_map(|world| world_requirements(loaded, world))
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        of("pod-security/privileged"),
        [].into(),
        "pods that are only admitted"
    );
    assert_eq!(of("rbac/escalate"), [].into());
    assert!(
        of("network/wrong-direction").contains(&Capability::ProbeImage),
        "connections between pods"
    );
    assert!(of("signing/wrong-key").contains(&Capability::Addon("registry".parse().unwrap())));
}

#[test]
fn a_world_needs_what_its_own_steps_need() {
    let both = |omit: &str| {
        let worlds = format!("worlds: {{ bare: {{ skip-steps: [{omit}] }}, other: {{}} }}");
        let steps = "[{ id: look, do: { read-etcd-value: secret/x }, expect: plaintext },
          { id: kill, do: { process: { kill: etcd } }, expect: stopped }]";
        needs(&worlds, steps)
    };
    assert_eq!(both("look"), [Capability::Processes].into());
    assert_eq!(both("kill"), [Capability::Etcd].into());
}

#[test]
fn of_several_numbers_of_nodes_the_largest_counts() {
    let steps = "[{ id: runs, do: { wait-running: pod/web }, expect: running },
      { id: bind, do: { bind: { pod: web, node: $(node:2) } }, expect: admitted }]";
    let worlds = "worlds: { bare: {} }";
    assert_eq!(needs(worlds, steps), [Capability::Nodes(2)].into());
    assert_eq!(
        needs(&format!("cluster: {{ nodes: 3 }}\n{worlds}"), steps),
        [Capability::Nodes(3)].into()
    );
    assert!(
        Capability::Nodes(3).covers(&Capability::Nodes(2))
            && !Capability::Nodes(1).covers(&Capability::Nodes(2))
    );
    assert!(!Capability::Etcd.covers(&Capability::Nodes(1)));
}

/// A skip names what is missing, so two capabilities never read alike.
#[test]
fn every_capability_has_words_of_its_own() {
    let all = [
        Capability::Nodes(1),
        Capability::Nodes(2),
        Capability::ProbeImage,
        Capability::NetworkPolicy,
        Capability::UnenforcedNetworkPolicy,
        Capability::DualStack,
        Capability::AuditLog,
        Capability::ComponentLogs,
        Capability::Etcd,
        Capability::ApiServerFlags,
        Capability::ComponentFlags,
        Capability::Processes,
        Capability::NodeFaults,
        Capability::KmsPlugin,
        Capability::HostTools,
        Capability::Addon("policy-controller".parse().unwrap()),
        Capability::Release("1.35".into()),
    ];
    let lacks: BTreeSet<String> = all.iter().map(Capability::describe_lack).collect();
    let words: BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!((lacks.len(), words.len()), (all.len(), all.len()));
    assert!(
        words.contains("policy-controller")
            && lacks
                .contains("policy-controller is not looked for in a cluster that was there before")
    );
}
