//! Few worlds that together write every kind in every way, and take every action.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use cluster::ClusterProvider;
use engine::WorldTrial;
use model::{
    Action, ActionWrites, Answer, ClusterSpec, LoadedScenario, ScenarioLibrary, ScenarioStep,
    object_kind, object_kind_called, object_kinds,
};
use runner::RunPlan;
use serde_json::Value;

/// Worlds for one box after the other of this shape.
pub(super) struct ChosenWorlds {
    pub(super) spec: ClusterSpec,
    pub(super) trials: Vec<WorldTrial>,
}

/// Actions that only worlds take after which their cluster ends: they change what it stands on, or
/// count what such an action left.
const ONLY_WHERE_IT_ENDS: [&str; 8] = [
    "check-secrets",
    "create-secrets",
    "kms",
    "node",
    "process",
    "restore",
    "rewrite-secrets",
    "set-encryption",
];

/// A world that may be chosen, with the words for what it does.
struct Candidate {
    group: usize,
    trial: WorldTrial,
    words: BTreeSet<String>,
}

/// The fewest that have every word: the one with the most new words first.
///
/// # Panics
/// Where a kind of object or an action is in no world.
pub(super) fn choose_worlds(root: &Path) -> Vec<ChosenWorlds> {
    let library = ScenarioLibrary::open(&root.join("scenarios")).unwrap();
    assert!(library.faults.is_empty(), "{:?}", library.faults);
    let scenarios: Vec<_> = library.scenarios.into_iter().map(Arc::new).collect();
    let plan = RunPlan::new(&scenarios, ClusterProvider::Box, 0).unwrap();
    let usual = ClusterSpec::default().kubernetes;
    let groups = plan.groups.into_iter();
    let mut groups: Vec<_> = groups
        .filter(|group| group.spec.kubernetes == usual)
        .map(|group| (group.spec, group.trials))
        .collect();
    groups.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut candidates = find_candidates(&groups);
    expect_everything(root, &candidates);
    let mut chosen: Vec<ChosenWorlds> = groups
        .into_iter()
        .map(|(spec, _)| ChosenWorlds {
            spec,
            trials: Vec::new(),
        })
        .collect();
    while let Some(at) = richest(&candidates) {
        let Candidate {
            group,
            trial,
            words,
        } = candidates.swap_remove(at);
        for other in &mut candidates {
            other.words.retain(|word| !words.contains(word));
        }
        chosen[group].trials.push(trial);
    }
    chosen.retain(|group| !group.trials.is_empty());
    chosen
}

/// The place of the one with the most words; of several the first one by its name.
fn richest(candidates: &[Candidate]) -> Option<usize> {
    let name = |one: &Candidate| (one.trial.scenario.id.clone(), one.trial.world.clone());
    let all = candidates.iter().enumerate();
    all.filter(|(_, one)| !one.words.is_empty())
        .max_by_key(|(_, one)| (one.words.len(), std::cmp::Reverse(name(one))))
        .map(|(at, _)| at)
}

fn find_candidates(groups: &[(ClusterSpec, Vec<WorldTrial>)]) -> Vec<Candidate> {
    let all = groups.iter().enumerate();
    all.flat_map(|(group, (_, trials))| trials.iter().map(move |trial| (group, trial)))
        .filter(|(_, trial)| !trial.scenario.scenario.changes_cluster(&trial.world))
        .map(|(group, trial)| Candidate {
            group,
            words: world_words(trial),
            trial: trial.clone(),
        })
        .collect()
}

/// Fails for a kind that no candidate writes, and for an action that none takes, unless each step
/// that takes it ends its cluster.
fn expect_everything(root: &Path, candidates: &[Candidate]) {
    let words: BTreeSet<&str> = candidates
        .iter()
        .flat_map(|one| &one.words)
        .map(String::as_str)
        .collect();
    let schema = std::fs::read_to_string(root.join("golden/schema/scenario.v2.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let actions = schema["$defs"]["Action"]["oneOf"].as_array().unwrap();
    let actions = actions.iter().map(|one| match &one["const"] {
        Value::String(word) => word.clone(),
        _ => one["required"][0].as_str().unwrap().to_owned(),
    });
    let kinds = object_kinds().map(|kind| format!("writes {} {}", kind.group, kind.kind));
    let listed = |word: &str| ONLY_WHERE_IT_ENDS.contains(&word);
    let missing: Vec<String> = actions
        .chain(kinds)
        .filter(|word| words.contains(word.as_str()) == listed(word))
        .collect();
    assert!(
        missing.is_empty(),
        "no world shows whether these leave their cluster as it was, or the list says wrongly that \
         none does: {missing:#?}"
    );
}

/// A word for each action that a world takes, for where it takes it, and for each kind that it
/// writes and how.
fn world_words(trial: &WorldTrial) -> BTreeSet<String> {
    let WorldTrial { scenario, world } = trial;
    let applied = &scenario.scenario.worlds[world].apply;
    let mut words: BTreeSet<String> = applied
        .iter()
        .flat_map(|file| kinds_in(scenario, file))
        .flat_map(|kind| [format!("writes {kind}"), format!("apply {kind}")])
        .collect();
    for step in scenario.scenario.steps_in(world) {
        words.extend(step_words(scenario, world, step));
    }
    words
}

fn step_words(scenario: &LoadedScenario, world: &str, step: &ScenarioStep) -> Vec<String> {
    let word = action_word(&step.action);
    // What is not let do it writes nothing.
    if step.dry_run || step.intended_verdict(world) != Some(&Answer::Admitted) {
        return vec![word];
    }
    let kinds = match step.action.facts().writes {
        ActionWrites::Manifest(file) => kinds_in(scenario, file),
        ActionWrites::Object(target) => object_kind_called(&target.kind)
            .map(|kind| format!("{} {}", kind.group, kind.kind))
            .into_iter()
            .collect(),
        ActionWrites::Nothing
        | ActionWrites::Namespace
        | ActionWrites::Images
        | ActionWrites::Cluster { .. }
        | ActionWrites::SharedFigures => Vec::new(),
    };
    let namespace = step.namespace.as_deref().unwrap_or("$(namespace)");
    let is_elsewhere = !namespace.contains("$(namespace)");
    let elsewhere = is_elsewhere.then(|| format!("{word} elsewhere"));
    let kinds = kinds
        .iter()
        .flat_map(|kind| [format!("writes {kind}"), format!("{word} {kind}")]);
    kinds.chain(elsewhere).chain([word.clone()]).collect()
}

fn action_word(action: &Action) -> String {
    match serde_json::to_value(action).unwrap() {
        Value::String(word) => word,
        Value::Object(fields) => fields.into_iter().next().unwrap().0,
        other => panic!("{other} is not an action"),
    }
}

/// The kinds of a file, each as its group and name.
fn kinds_in(scenario: &LoadedScenario, file: &str) -> Vec<String> {
    let objects = scenario.manifests.get(file).into_iter().flatten();
    objects
        .filter_map(|one| object_kind(one.object["apiVersion"].as_str()?, one.kind()))
        .map(|kind| format!("{} {}", kind.group, kind.kind))
        .collect()
}
