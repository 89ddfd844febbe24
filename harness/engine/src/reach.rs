//! Whether a world could be noticed by others on the same cluster.

use model::{Isolation, Loaded, Reach, Step, Target, Writes, object_kind_called};

const MARK: &str = "$(namespace)";

/// How far this world reaches. In doubt, it is [`Reach::Cluster`].
pub(crate) fn of(scenario: &Loaded, world: &str) -> Reach {
    let applied = scenario.scenario.worlds.get(world).map(|world| world.apply.as_slice()).unwrap_or_default();
    let wide = applied.iter().any(|file| file_is_wide(scenario, file))
        || scenario.scenario.steps.iter().any(|step| step_is_wide(scenario, step));
    if wide { Reach::Cluster } else { Reach::Confined }
}

fn file_is_wide(scenario: &Loaded, file: &str) -> bool {
    let objects = scenario.manifests.get(file).into_iter().flatten();
    objects.into_iter().any(|manifest| model::reach(&manifest.object) == Reach::Cluster)
}

fn step_is_wide(scenario: &Loaded, step: &Step) -> bool {
    let elsewhere = step.namespace.as_ref().is_some_and(|namespace| !namespace.contains(MARK));
    match step.action.facts().writes {
        Writes::Manifest(file) => !step.dry_run && (elsewhere || file_is_wide(scenario, file)),
        Writes::Object(target) => !step.dry_run && (elsewhere || is_wide(target)),
        Writes::Namespace => !step.dry_run && elsewhere,
        Writes::Nothing | Writes::Images => false,
        Writes::Cluster | Writes::SharedFigures => true,
    }
}

/// Whether a change of this object could be noticed beyond the world: its name has to tell that it is the world's own,
/// unless its namespace does.
fn is_wide(target: &Target) -> bool {
    match object_kind_called(&target.kind).map(|kind| kind.isolation) {
        Some(Isolation::Namespace | Isolation::Question) => false,
        Some(
            Isolation::Name
            | Isolation::ClusterRole
            | Isolation::ClusterRoleBinding
            | Isolation::PolicyBinding
            | Isolation::Webhooks
            | Isolation::Stated(_),
        ) => !target.name.contains(MARK),
        Some(Isolation::Never) | None => true,
    }
}
