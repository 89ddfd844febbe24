use std::collections::BTreeSet;
use std::path::Path;

use model::ScenarioLibrary;

use super::*;

/// A scenario of these parts of its file, with a manifest `pod.yaml` of a pod that runs the probe.
pub(crate) fn scenario(id: &str, worlds: &str, steps: &str) -> Arc<LoadedScenario> {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("scenario: v2\nwhy: It has to be planned.\n{worlds}\nsteps: {steps}\n");
    std::fs::write(folder.path().join("scenario.yaml"), text).unwrap();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: { name: web }\nspec:\n  containers:\n    - name: web\n      image: $(image:probe)\n";
    std::fs::write(folder.path().join("pod.yaml"), pod).unwrap();
    Arc::new(LoadedScenario::read(id.to_owned(), folder.path().to_owned()).unwrap())
}

const ADMITTED: &str = "[{ id: make, do: { create: pod.yaml }, expect: admitted }]";
const RUNS: &str = "[{ id: make, do: { create: pod.yaml }, expect: admitted },
  { id: runs, do: { wait-running: pod/web }, expect: running }]";

fn in_boxes(scenarios: &[Arc<LoadedScenario>]) -> RunPlan {
    RunPlan::new(scenarios, ClusterProvider::Box, 1).unwrap()
}

/// The worlds of each group, as `SCENARIO WORLD`.
fn worlds(plan: &RunPlan) -> Vec<Vec<String>> {
    let name = |trial: &WorldTrial| format!("{} {}", trial.scenario.id, trial.world);
    plan.groups
        .iter()
        .map(|group| group.trials.iter().map(name).collect())
        .collect()
}

#[test]
fn worlds_of_one_shape_share_a_box_and_the_largest_group_comes_first() {
    let usual = scenario("a/usual", "worlds: { bare: {}, other: {} }", ADMITTED);
    let sealed = scenario(
        "a/sealed",
        "cluster: { encryption: secretbox }\nworlds: { bare: {} }",
        ADMITTED,
    );
    let more = scenario("a/more", "worlds: { bare: {} }", ADMITTED);
    let plan = in_boxes(&[sealed, usual, more]);
    assert_eq!(
        worlds(&plan),
        [
            vec!["a/usual bare", "a/usual other", "a/more bare"],
            vec!["a/sealed bare"]
        ]
    );
    assert!(plan.skipped.is_empty());
}

#[test]
fn a_world_that_changes_the_cluster_has_a_box_to_itself() {
    let steps = "[{ id: kill, do: { process: { kill: etcd } }, expect: stopped }]";
    let plan = in_boxes(&[scenario(
        "a/kills",
        "worlds: { bare: {}, other: {} }",
        steps,
    )]);
    assert_eq!(worlds(&plan), [["a/kills bare"], ["a/kills other"]]);
}

#[test]
fn worlds_without_a_node_join_a_box_that_has_one() {
    let nodeless = || {
        scenario(
            "a/nodeless",
            "cluster: { nodes: 0 }\nworlds: { bare: {} }",
            ADMITTED,
        )
    };
    let alone = in_boxes(&[nodeless()]);
    assert_eq!(alone.groups[0].spec.nodes, 0);
    let plan = in_boxes(&[
        nodeless(),
        scenario("a/usual", "worlds: { bare: {} }", RUNS),
    ]);
    assert_eq!(worlds(&plan), [["a/usual bare", "a/nodeless bare"]]);
    let wide = RunPlan::new(
        &[
            nodeless(),
            scenario("a/usual", "worlds: { bare: {} }", RUNS),
        ],
        ClusterProvider::Box,
        2,
    )
    .unwrap();
    assert_eq!(
        wide.groups
            .iter()
            .map(|group| group.spec.nodes)
            .collect::<BTreeSet<_>>(),
        [0, 2].into()
    );
}

#[test]
fn what_needs_no_node_does_not_wait_for_what_a_node_is_made_of() {
    let plan = in_boxes(&[
        scenario("a/admitted", "worlds: { bare: {} }", ADMITTED),
        scenario("a/runs", "worlds: { bare: {} }", RUNS),
    ]);
    assert_eq!(plan.groups.len(), 1);
    let missing: Vec<_> = plan.components();
    let staged = plan.next_stage(&missing).unwrap();
    assert_eq!(worlds(&staged), [["a/admitted bare"], ["a/runs bare"]]);
    assert_eq!(
        staged
            .groups
            .iter()
            .map(|group| group.spec.nodes)
            .collect::<Vec<_>>(),
        [0, 1]
    );
}

#[test]
fn etcds_tools_come_with_steps_that_look_into_it() {
    let titles = |steps: &str| -> Vec<&str> {
        let plan = in_boxes(&[scenario("a/b", "worlds: { bare: {} }", steps)]);
        plan.components()
            .iter()
            .map(|component| component.name)
            .collect()
    };
    let store = "[{ id: look, do: { read-etcd-value: secret/x }, expect: plaintext }]";
    let survey = "[{ id: look, do: check-secrets, expect: intact }]";
    for looks in [store, survey] {
        assert!(titles(looks).contains(&ETCD_TOOLS), "{looks}");
    }
    assert!(!titles(ADMITTED).contains(&ETCD_TOOLS));
}

/// What is known of a cluster with one node into which nothing was loaded.
fn foreign(has_probe_image: bool) -> cluster::ClusterProfile {
    cluster::ClusterProfile {
        version: "v1.36.3".into(),
        nodes: vec!["one".into()],
        audit: cluster::AuditAccess::Unavailable,
        logs: None,
        ephemeral: false,
        probe_image: "gauntlet.local/probe:1".into(),
        has_probe_image,
    }
}

/// Why a world of these parts is skipped on a foreign cluster, if it is.
fn skip(worlds: &str, steps: &str) -> Option<String> {
    let loaded = scenario("a/b", worlds, steps);
    let plan = RunPlan::new(&[loaded], ClusterProvider::Existing(&foreign(false)), 1).unwrap();
    assert_eq!(
        plan.skipped.len()
            + plan
                .groups
                .iter()
                .map(|group| group.trials.len())
                .sum::<usize>(),
        1
    );
    plan.skipped
        .into_iter()
        .next()
        .map(|skipped| match skipped.into_outcome() {
            (_, _, WorldOutcome::Skipped { why }) => why,
            (_, _, other) => panic!("{other:?}"),
        })
}

#[test]
fn on_a_foreign_cluster_pods_that_run_lack_the_probe_image() {
    let why = skip("worlds: { bare: {} }", RUNS);
    assert_eq!(
        why.as_deref(),
        Some("the probe image cannot be loaded into this cluster")
    );
    assert_eq!(
        skip("worlds: { bare: {} }", ADMITTED),
        None,
        "a pod that is only admitted needs no image"
    );
    let loaded = scenario("a/b", "worlds: { bare: {} }", RUNS);
    let plan = RunPlan::new(&[loaded], ClusterProvider::Existing(&foreign(true)), 1).unwrap();
    assert!(plan.skipped.is_empty(), "its nodes have the image");
}

#[test]
fn a_skip_names_everything_that_is_missing() {
    let cases = [
        (
            "worlds: { bare: { install: [kyverno] } }",
            ADMITTED,
            "kyverno is not looked for in a cluster that was there before",
        ),
        (
            "cluster: { encryption: secretbox }\nworlds: { bare: {} }",
            ADMITTED,
            "the API server of this cluster cannot be given the world's configuration",
        ),
        (
            "cluster: { enforce-network-policy: true, dual-stack: true, nodes: 2 }\nworlds: { bare: {} }",
            RUNS,
            "this cluster has fewer than 2 nodes; the probe image cannot be loaded into this cluster; nothing says when \
             NetworkPolicies are in force in this cluster; this cluster is not known to have IPv6 beside IPv4",
        ),
        (
            "cluster: { kubernetes: '1.30' }\nworlds: { bare: {} }",
            ADMITTED,
            "this cluster is not Kubernetes 1.30",
        ),
        (
            "worlds: { bare: {} }",
            "[{ id: look, do: { look-for: { audit: {} } }, expect: found }, { id: kill, do: { process: { kill: etcd } }, expect: stopped }]",
            "the audit log of this cluster cannot be read; the processes of this cluster cannot be stopped",
        ),
    ];
    for (worlds, steps, why) in cases {
        assert_eq!(skip(worlds, steps).as_deref(), Some(why), "{worlds}");
    }
}

#[test]
fn boxes_offer_all_that_the_projects_scenarios_need() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let all: Vec<_> = ScenarioLibrary::open(&folder)
        .unwrap()
        .scenarios
        .into_iter()
        .map(Arc::new)
        .collect();
    let plan = in_boxes(&all);
    assert_eq!(plan.skipped, []);
    let planned: usize = plan.groups.iter().map(|group| group.trials.len()).sum();
    assert_eq!(
        planned,
        all.iter()
            .map(|loaded| loaded.scenario.worlds.len())
            .sum::<usize>()
    );
}
