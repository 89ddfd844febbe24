//! Whether a world could be noticed by others on the same cluster.

use model::{Action, Loaded, Reach, Record, Step, Target};
use serde_json::Value;

const MARK: &str = "$(namespace)";

/// Kinds without a namespace, as steps write them, that steps may change.
const CLUSTER_SCOPED: [&str; 16] = [
    "namespace",
    "node",
    "clusterrole",
    "clusterrolebinding",
    "clustersecretstore",
    "clusterexternalsecret",
    "persistentvolume",
    "storageclass",
    "priorityclass",
    "runtimeclass",
    "certificatesigningrequest",
    "customresourcedefinition",
    "validatingadmissionpolicy",
    "mutatingadmissionpolicy",
    "validatingwebhookconfiguration",
    "mutatingwebhookconfiguration",
];

/// How far this world reaches. In doubt, it is [`Reach::Cluster`].
pub(crate) fn of(scenario: &Loaded, world: &str) -> Reach {
    let applied = scenario.scenario.worlds.get(world).map(|world| world.apply.as_slice()).unwrap_or_default();
    let objects = |file: &String| scenario.manifests.get(file).into_iter().flatten();
    let wide = applied.iter().flat_map(objects).any(|manifest| model::reach(&manifest.object) == Reach::Cluster)
        || scenario.scenario.steps.iter().any(|step| step_is_wide(scenario, step));
    if wide { Reach::Cluster } else { Reach::Confined }
}

fn step_is_wide(scenario: &Loaded, step: &Step) -> bool {
    let elsewhere = step.namespace.as_ref().is_some_and(|namespace| !namespace.contains(MARK));
    let object_is_wide = |file: &str| {
        let objects = scenario.manifests.get(file).into_iter().flatten();
        objects
            .map(|manifest| &manifest.object)
            .any(|object| model::reach(object) == Reach::Cluster && !is_review(object))
    };
    if step.dry_run {
        return false;
    }
    match &step.action {
        Action::Create(file) | Action::Apply(file) | Action::Update(file) => elsewhere || object_is_wide(file),
        Action::Patch { target, .. }
        | Action::Label { target, .. }
        | Action::Scale { target, .. }
        | Action::Delete(target) => elsewhere || is_wide(target),
        Action::Evict(_) | Action::Exec { .. } | Action::EphemeralContainer { .. } | Action::Bind { .. } => elsewhere,
        Action::Seen(Record::Metric(_)) => true,
        _ => false,
    }
}

fn is_wide(target: &Target) -> bool {
    let kind = target.kind.split('.').next().unwrap_or_default();
    let kind = kind.strip_suffix("binding").filter(|kind| kind.ends_with("policy")).unwrap_or(kind);
    CLUSTER_SCOPED.contains(&kind) && !target.name.contains(MARK)
}

/// Reviews are questions; nothing is stored.
fn is_review(object: &Value) -> bool {
    object["kind"].as_str().is_some_and(|kind| kind.ends_with("Review"))
}
