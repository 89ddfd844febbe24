//! Whether a world could be noticed by others on the same cluster.

use model::{Action, Isolation, Loaded, Reach, Step, Target, Writes, object_kind_called};

const MARK: &str = "$(namespace)";

/// How far this world reaches. In doubt, it is [`Reach::Cluster`].
pub(crate) fn of(scenario: &Loaded, world: &str) -> Reach {
    let applied = scenario
        .scenario
        .worlds
        .get(world)
        .map(|world| world.apply.as_slice())
        .unwrap_or_default();
    let wide = applied.iter().any(|file| file_is_wide(scenario, file))
        || scenario
            .scenario
            .steps
            .iter()
            .any(|step| step_is_wide(scenario, step));
    if wide {
        Reach::Cluster
    } else {
        Reach::Confined
    }
}

fn file_is_wide(scenario: &Loaded, file: &str) -> bool {
    let objects = scenario.manifests.get(file).into_iter().flatten();
    objects
        .into_iter()
        .any(|manifest| model::reach(&manifest.object) == Reach::Cluster)
}

fn step_is_wide(scenario: &Loaded, step: &Step) -> bool {
    let elsewhere = is_elsewhere(step);
    match step.action.facts().writes {
        Writes::Manifest(file) => !step.dry_run && (elsewhere || file_is_wide(scenario, file)),
        Writes::Object(target) => {
            !step.dry_run && (elsewhere || is_wide(target) || patch_is_wide(scenario, step))
        }
        Writes::Namespace => !step.dry_run && elsewhere,
        Writes::Nothing | Writes::Images => false,
        Writes::Cluster | Writes::SharedFigures => true,
    }
}

fn patch_is_wide(scenario: &Loaded, step: &Step) -> bool {
    let reads = step.action.facts().reads;
    let patches = reads
        .iter()
        .filter_map(|file| scenario.manifests.get(*file))
        .flatten();
    patches
        .into_iter()
        .any(|patch| model::reach_of_patch(&patch.object) == Reach::Cluster)
}

/// Whether a step changes something in a namespace that is not the world's, and that nothing can put back: a process in
/// a pod, an eviction, values in etcd.
pub(crate) fn leaves_marks(scenario: &Loaded, world: &str) -> bool {
    scenario.scenario.steps_in(world).any(|step| {
        let acts = match step.action.facts().writes {
            // A token changes nothing.
            Writes::Namespace => !matches!(step.action, Action::Token { .. }),
            Writes::Nothing
            | Writes::Manifest(_)
            | Writes::Object(_)
            | Writes::Images
            | Writes::Cluster
            | Writes::SharedFigures => false,
        };
        acts && !step.dry_run && is_elsewhere(step)
    })
}

fn is_elsewhere(step: &Step) -> bool {
    step.namespace
        .as_ref()
        .is_some_and(|namespace| !namespace.contains(MARK))
}

/// Whether a change of this object could be noticed beyond the world: its name has to tell that it is the world's own,
/// unless its namespace does.
fn is_wide(target: &Target) -> bool {
    match object_kind_called(&target.kind).map(|kind| kind.isolation) {
        Some(Isolation::Namespace | Isolation::Question) => false,
        Some(
            Isolation::Name
            | Isolation::Volume
            | Isolation::ClusterRole
            | Isolation::ClusterRoleBinding
            | Isolation::PolicyBinding
            | Isolation::Webhooks
            | Isolation::Stated(_),
        ) => !target.name.contains(MARK),
        Some(Isolation::Never) | None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::testing::loaded;

    const OWN: &str = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: $(namespace)-r}}";
    const WIDE: &str =
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}}";

    /// How far a world with this control and this step reaches.
    fn reach(control: &str, step: &str) -> Reach {
        let text = format!(
            "scenario: v2\nwhy: a test\nworlds: {{bare: {{}}, guarded: {{apply: [c.yaml]}}}}\n\
             steps: [{{id: one, expect: admitted, {step}}}]"
        );
        let world = if control.is_empty() {
            "bare"
        } else {
            "guarded"
        };
        let control = if control.is_empty() { OWN } else { control };
        of(
            &loaded(
                &text,
                &[("c.yaml", control), ("own.yaml", OWN), ("wide.yaml", WIDE)],
            ),
            world,
        )
    }

    #[test]
    fn a_control_keeps_to_its_world_by_its_names() {
        let step = "do: {get: pod/a}";
        assert_eq!(reach("", step), Reach::Confined);
        assert_eq!(reach(OWN, step), Reach::Confined);
        assert_eq!(reach(WIDE, step), Reach::Cluster);
        assert_eq!(
            reach(
                "{apiVersion: no.test/v1, kind: Unheard, metadata: {name: a}}",
                step
            ),
            Reach::Cluster
        );
    }

    #[test]
    fn so_does_what_a_step_writes() {
        assert_eq!(reach("", "do: {create: own.yaml}"), Reach::Confined);
        assert_eq!(reach("", "do: {create: wide.yaml}"), Reach::Cluster);
        assert_eq!(
            reach("", "dry-run: true, do: {create: wide.yaml}"),
            Reach::Confined
        );
        assert_eq!(
            reach("", "namespace: kube-system, do: {delete: pod/a}"),
            Reach::Cluster
        );
        assert_eq!(
            reach("", "namespace: $(namespace)-shop, do: {delete: pod/a}"),
            Reach::Confined
        );
        assert_eq!(reach("", "do: {delete: clusterrole/r}"), Reach::Cluster);
        assert_eq!(
            reach("", "do: {delete: clusterrole/$(namespace)-r}"),
            Reach::Confined
        );
        assert_eq!(
            reach("", "do: {delete: unheard/$(namespace)-r}"),
            Reach::Cluster
        );
    }
}
