//! Whether a world could be noticed by others on the same cluster.

use model::{
    Action, ActionWrites, ImpactScope, KindIsolation, LoadedScenario, ObjectTarget, ScenarioStep,
    makes_pods, object_kind_called,
};

const NAMESPACE_MARK: &str = "$(namespace)";

/// How far this world reaches. In doubt, it is [`ImpactScope::Cluster`].
pub(crate) fn world_scope(scenario: &LoadedScenario, world: &str) -> ImpactScope {
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
            .any(|step| step_is_wide(scenario, step) || looks_beyond(scenario, step));
    if wide {
        ImpactScope::Cluster
    } else {
        ImpactScope::Confined
    }
}

fn file_is_wide(scenario: &LoadedScenario, file: &str) -> bool {
    let objects = scenario.manifests.get(file).into_iter().flatten();
    objects
        .into_iter()
        .any(|manifest| model::object_scope(&manifest.object) == ImpactScope::Cluster)
}

fn step_is_wide(scenario: &LoadedScenario, step: &ScenarioStep) -> bool {
    let elsewhere = is_elsewhere(step);
    match step.action.facts().writes {
        ActionWrites::Manifest(file) => {
            !step.dry_run && (elsewhere || file_is_wide(scenario, file))
        }
        ActionWrites::Object(target) => {
            !step.dry_run
                && (elsewhere
                    || is_wide(&step.action, target)
                    || patch_is_wide(scenario, step)
                    || starts_many_pods(&step.action))
        }
        ActionWrites::Namespace => !step.dry_run && elsewhere,
        ActionWrites::Nothing | ActionWrites::Images => false,
        ActionWrites::Cluster { .. } | ActionWrites::SharedFigures => true,
    }
}

/// Whether this step looks at what an earlier one was told of the whole cluster. There it would find
/// what belongs to other worlds.
fn looks_beyond(scenario: &LoadedScenario, step: &ScenarioStep) -> bool {
    let Action::LookFor(record) = &step.action else {
        return false;
    };
    let Some(earlier) = record.earlier_step() else {
        return false;
    };
    let mut steps = scenario.scenario.steps.iter();
    steps.any(|one| {
        let is_beyond = one.action.facts().tells_of_everybody || is_elsewhere(one);
        one.id == earlier && is_beyond
    })
}

fn patch_is_wide(scenario: &LoadedScenario, step: &ScenarioStep) -> bool {
    let reads = step.action.facts().reads;
    let patches = reads
        .iter()
        .filter_map(|file| scenario.manifests.get(*file))
        .flatten();
    patches
        .into_iter()
        .any(|patch| model::reach_of_patch(&patch.object) == ImpactScope::Cluster)
}

fn starts_many_pods(action: &Action) -> bool {
    matches!(action, Action::Scale { replicas, .. } if model::are_many_pods(u64::from(*replicas)))
}

/// Whether a step changes something that is not the world's, and that nothing can put back: a process
/// in a pod, an eviction, values in etcd, a status, pods that a controller may let go because of it.
pub(crate) fn leaves_marks(scenario: &LoadedScenario, world: &str) -> bool {
    scenario.scenario.steps_in(world).any(|step| {
        let acts = match step.action.facts().writes {
            // A token changes nothing.
            ActionWrites::Namespace => !matches!(step.action, Action::Token { .. }),
            ActionWrites::Object(target) => {
                return !step.dry_run && object_leaves_marks(step, target);
            }
            ActionWrites::Manifest(file) => changes_pods(scenario, step, file),
            ActionWrites::Nothing
            | ActionWrites::Images
            | ActionWrites::Cluster { .. }
            | ActionWrites::SharedFigures => false,
        };
        acts && !step.dry_run && is_elsewhere(step)
    })
}

/// A status is nobody's to put back, and what a namespace held stays where it is finalized by force.
fn object_leaves_marks(step: &ScenarioStep, target: &ObjectTarget) -> bool {
    let is_foreign = is_elsewhere(step) || is_wide(&step.action, target);
    let kind = object_kind_called(&target.kind).map(|known| known.kind);
    let part = step.action.subresource().map(|(_, part)| part);
    let stays = part.is_some_and(|part| part != "scale");
    let is_of_pods = kind.is_some_and(is_of_pods);
    is_foreign && (stays || (is_of_pods && !only_removes(&step.action)))
}

fn is_of_pods(kind: &str) -> bool {
    kind == "Pod" || makes_pods(kind)
}

/// Whether a manifest that is written over others changes pods, or what has them made: a controller
/// lets those go that its selector no longer meets.
fn changes_pods(scenario: &LoadedScenario, step: &ScenarioStep, file: &str) -> bool {
    let objects = scenario.manifests.get(file).into_iter().flatten();
    !matches!(step.action, Action::Create(_))
        && objects
            .into_iter()
            .any(|manifest| is_of_pods(manifest.kind()))
}

fn is_elsewhere(step: &ScenarioStep) -> bool {
    step.namespace
        .as_ref()
        .is_some_and(|namespace| !namespace.contains(NAMESPACE_MARK))
}

/// Whether this change of an object could be noticed beyond the world: the object's name has to tell
/// that it is the world's own, unless its namespace does. Where what confines it is written in the
/// object, the change may only take something away.
fn is_wide(action: &Action, target: &ObjectTarget) -> bool {
    let is_named = target.name.contains(NAMESPACE_MARK);
    match object_kind_called(&target.kind).map(|kind| kind.isolation) {
        Some(KindIsolation::Namespace | KindIsolation::Question) => false,
        Some(KindIsolation::Name) => !is_named,
        Some(
            KindIsolation::Volume
            | KindIsolation::ClusterRole
            | KindIsolation::ClusterRoleBinding
            | KindIsolation::PolicyBinding
            | KindIsolation::Webhooks
            | KindIsolation::Stated(_),
        ) => !is_named || !only_removes(action),
        Some(KindIsolation::Never) | None => true,
    }
}

fn only_removes(action: &Action) -> bool {
    match action {
        Action::Delete(_) | Action::DeleteCollection(_) => true,
        Action::Label { set, .. } => set.values().all(Option::is_none),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::testing::parse_scenario;

    const OWN: &str = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: $(namespace)-r}}";
    const WIDE: &str =
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: r}}";

    const WORKLOAD: &str = "{apiVersion: v1, kind: ReplicationController, metadata: {name: a}, spec: {selector: {app: a}}}";

    #[test]
    fn what_nothing_can_put_back_leaves_marks() {
        let leaves = |step: &str| {
            let text = format!(
                "scenario: v2\nwhy: a test\nworlds: {{bare: {{}}}}\n\
                 steps: [{{id: one, expect: admitted, {step}}}]"
            );
            let files = [("change.yaml", OWN), ("workload.yaml", WORKLOAD)];
            leaves_marks(&parse_scenario(&text, &files), "bare")
        };
        for step in [
            "do: {patch: {target: node/node-1, subresource: status, with: change.yaml}}",
            "namespace: default, do: {patch: {target: service/kubernetes, subresource: status, with: change.yaml}}",
            "namespace: default, do: {apply: workload.yaml}",
            "namespace: default, do: {label: {target: pod/a, set: {app: b}}}",
            "namespace: default, do: {scale: {target: deployment.apps/a, replicas: 1}}",
            "do: {update-subresource: {target: namespace/shop, subresource: finalize, with: change.yaml}}",
        ] {
            assert!(leaves(step), "{step}");
        }
        for step in [
            "do: {patch: {target: pod/a, subresource: status, with: change.yaml}}",
            "namespace: default, do: {create: workload.yaml}",
            "namespace: default, do: {delete: pod/a}",
            "namespace: default, do: {label: {target: configmap/a, set: {app: b}}}",
            "dry-run: true, namespace: default, do: {label: {target: pod/a, set: {app: b}}}",
        ] {
            assert!(!leaves(step), "{step}");
        }
    }

    /// How far a world with this control and this step reaches.
    fn reach(control: &str, step: &str) -> ImpactScope {
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
        world_scope(
            &parse_scenario(
                &text,
                &[("c.yaml", control), ("own.yaml", OWN), ("wide.yaml", WIDE)],
            ),
            world,
        )
    }

    #[test]
    fn what_has_labels_is_of_the_namespace_that_is_meant() {
        let step = "do: {delete-labelled: {kind: pod, labels: a=b}}";
        assert_eq!(reach("", step), ImpactScope::Confined);
        for (namespace, scope) in [
            ("kube-system", ImpactScope::Cluster),
            ("$(namespace)-b", ImpactScope::Confined),
        ] {
            let there = format!("namespace: {namespace}, {step}");
            assert_eq!(reach("", &there), scope, "{namespace}");
        }
    }

    #[test]
    fn a_control_keeps_to_its_world_by_its_names() {
        let step = "do: {get: pod/a}";
        assert_eq!(reach("", step), ImpactScope::Confined);
        assert_eq!(reach(OWN, step), ImpactScope::Confined);
        assert_eq!(reach(WIDE, step), ImpactScope::Cluster);
        assert_eq!(
            reach(
                "{apiVersion: no.test/v1, kind: Unheard, metadata: {name: a}}",
                step
            ),
            ImpactScope::Cluster
        );
    }

    /// How far a world reaches that looks for a text in what this read was answered.
    fn reach_of_look(read: &str, look: &str) -> ImpactScope {
        let text = format!(
            "scenario: v2\nwhy: a test\nworlds: {{bare: {{}}}}\n\
             steps: [{{id: one, expect: allowed, {read}}}, {{id: two, expect: found, do: {{look-for: {look}}}}}]"
        );
        world_scope(&parse_scenario(&text, &[]), "bare")
    }

    #[test]
    fn what_is_read_of_everybody_and_looked_into_is_wide() {
        let look = "{output: {of: one, contains: db}}";
        for (read, wide) in [
            ("do: {list: {resource: secrets}}", false),
            (
                "do: {list: {resource: secrets, all-namespaces: true}}",
                true,
            ),
            (
                "do: {list: {resource: secrets, all-namespaces: true, fields: metadata.namespace=$(namespace)}}",
                false,
            ),
            ("namespace: default, do: {list: {resource: secrets}}", true),
            ("do: {path: /api/v1/secrets}", true),
            ("do: {path: /api/v1/namespaces/$(namespace)/secrets}", false),
            ("do: {path: /version}", false),
        ] {
            let wanted = if wide {
                ImpactScope::Cluster
            } else {
                ImpactScope::Confined
            };
            assert_eq!(reach_of_look(read, look), wanted, "{read}");
        }
        let other = "{output: {of: other, contains: db}}";
        assert_eq!(
            reach_of_look("do: {path: /api/v1/secrets}", other),
            ImpactScope::Confined
        );
    }

    #[test]
    fn so_does_what_a_step_writes() {
        assert_eq!(reach("", "do: {create: own.yaml}"), ImpactScope::Confined);
        assert_eq!(reach("", "do: {create: wide.yaml}"), ImpactScope::Cluster);
        assert_eq!(
            reach("", "dry-run: true, do: {create: wide.yaml}"),
            ImpactScope::Confined
        );
        assert_eq!(
            reach("", "namespace: kube-system, do: {delete: pod/a}"),
            ImpactScope::Cluster
        );
        assert_eq!(
            reach("", "namespace: $(namespace)-shop, do: {delete: pod/a}"),
            ImpactScope::Confined
        );
        assert_eq!(
            reach("", "do: {delete: clusterrole/r}"),
            ImpactScope::Cluster
        );
        assert_eq!(
            reach("", "do: {delete: clusterrole/$(namespace)-r}"),
            ImpactScope::Confined
        );
        let label = |value: &str| {
            format!("do: {{label: {{target: clusterrole/$(namespace)-r, set: {{team: {value}}}}}}}")
        };
        assert_eq!(reach("", &label("blue")), ImpactScope::Cluster);
        assert_eq!(reach("", &label("null")), ImpactScope::Confined);
        assert_eq!(
            reach(
                "",
                "do: {patch: {target: clusterrolebinding/$(namespace)-b, with: own.yaml}}"
            ),
            ImpactScope::Cluster
        );
        let scale = |replicas: u8| {
            let to =
                format!("do: {{scale: {{target: deployment.apps/web, replicas: {replicas}}}}}");
            reach("", &to)
        };
        assert_eq!(scale(3), ImpactScope::Confined);
        assert_eq!(scale(50), ImpactScope::Cluster);
        assert_eq!(
            reach("", "do: {delete: unheard/$(namespace)-r}"),
            ImpactScope::Cluster
        );
    }
}
