//! Modes of authorization that a cluster's shape names: those that no box can have, those with which
//! none gets up, and those under which nothing shows that roles are in force.

use std::collections::BTreeSet;

use super::{FindingPlace, LintNotes};
use crate::facts::ActionWrites;
use crate::{
    Action, AuthorizationMode, ClusterShape, KindBarrier, ObjectManifest, Scenario, object_kind,
    object_kind_called,
};

const NAMES_HINT: &str = "`[Node, RBAC]` is what a usual cluster has";

impl LintNotes<'_> {
    pub(super) fn check_authorization(&mut self, world: Option<&str>, shape: &ClusterShape) {
        let modes = &shape.authorization;
        let at = |word| FindingPlace::InShape(world, word);
        for mode in modes {
            if let Some(why) = mode.why_not() {
                let what = format!("the authorization mode `{mode}` is not there: {why}");
                self.add_finding(at(mode.as_str()), what, NAMES_HINT);
            }
        }
        let different: BTreeSet<_> = modes.iter().collect();
        let has = |mode| modes.contains(&mode) || modes.contains(&AuthorizationMode::AlwaysAllow);
        let (fault, hint) = if different.len() < modes.len() {
            ("`authorization` names a mode twice", NAMES_HINT)
        } else if !has(AuthorizationMode::Rbac) {
            (
                "without `RBAC` or `AlwaysAllow` in `authorization` no controller may do anything",
                NAMES_HINT,
            )
        } else if !has(AuthorizationMode::Node) && shape.nodes > 0 {
            (
                "without `Node` or `AlwaysAllow` in `authorization` no kubelet may do anything: the cluster gets no node",
                "say `nodes: 0` for an API server alone, or leave `Node` in",
            )
        } else {
            return;
        };
        self.add_finding(at("authorization"), fault.to_owned(), hint);
    }

    /// Where everything is allowed, the sentinel of a role is, too, whether or not the role is known.
    pub(super) fn check_rights_shown(&mut self) {
        let scenario = &self.loaded.scenario;
        for (name, world) in &scenario.worlds {
            let modes = scenario.world_shape(world).authorization;
            if !modes.contains(&AuthorizationMode::AlwaysAllow) {
                continue;
            }
            let files = world.apply.iter().map(String::as_str);
            let applied =
                files.flat_map(|file| self.loaded.manifests.get(file).into_iter().flatten());
            let is_right =
                applied.into_iter().any(is_right) || self.steps_change_rights(scenario, name);
            if is_right {
                let what = format!(
                    "world `{name}` changes roles or bindings where `AlwaysAllow` decides: nothing shows when they are in force"
                );
                let hint = "leave them out of that world: they change nothing there";
                self.add_finding(FindingPlace::World(name), what, hint);
            }
        }
    }

    fn steps_change_rights(&self, scenario: &Scenario, world: &str) -> bool {
        let mut steps = scenario.steps_in(world);
        steps.any(|step| match step.action.facts().writes {
            ActionWrites::Manifest(file) => {
                let objects = self.loaded.manifests.get(file);
                objects.into_iter().flatten().any(is_right)
            }
            ActionWrites::Object(target) => {
                object_kind_called(&target.kind).is_some_and(|kind| shows_rights(kind.barrier))
            }
            ActionWrites::Namespace => names_roles(&step.action),
            ActionWrites::Nothing
            | ActionWrites::Images
            | ActionWrites::Cluster { .. }
            | ActionWrites::SharedFigures => false,
        })
    }
}

/// Whether it changes many objects at once, which are roles or bindings.
fn names_roles(action: &Action) -> bool {
    let Action::DeleteLabelled { kind, .. } = action else {
        return false;
    };
    object_kind_called(kind).is_some_and(|kind| shows_rights(kind.barrier))
}

fn is_right(manifest: &ObjectManifest) -> bool {
    let version = manifest.object["apiVersion"].as_str().unwrap_or_default();
    object_kind(version, manifest.kind()).is_some_and(|kind| shows_rights(kind.barrier))
}

fn shows_rights(barrier: KindBarrier) -> bool {
    matches!(barrier, KindBarrier::Roles | KindBarrier::ClusterRoles)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{ScenarioLibrary, lint_scenario};

    const ROLE: &str = "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: reader}, rules: []}";

    /// What is found of authorization in a world of this cluster, with these words besides.
    fn found(cluster: &str, more: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("rbac/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "scenario: v2\nwhy: Because.\nworlds: {{bare: {{}}, other: {{cluster: {{{cluster}}}{more}}}}}\n\
             steps:\n  - {{id: a, do: {{path: /version}}, expect: allowed}}\n"
        );
        fs::write(dir.join("role.yaml"), ROLE).unwrap();
        let deleted = "  - {id: b, do: {delete: role/reader}, expect: not-found}\n";
        let text = match more.contains("DELETES") {
            true => text.replace(", DELETES", "") + deleted,
            false => text,
        };
        fs::write(dir.join("scenario.yaml"), text).unwrap();
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        let all = lint_scenario(&library.scenarios[0]).into_iter();
        all.map(|finding| finding.what)
            .filter(|what| what.contains("authorization") || what.contains("AlwaysAllow"))
            .collect()
    }

    #[test]
    fn a_mode_that_no_box_has_is_refused_with_its_reason() {
        for (mode, why) in [
            ("Webhook", "asks a program beside the API server"),
            ("ABAC", "reads a file of policies"),
            ("AlwaysDeny", "no controller could work"),
        ] {
            let found = found(&format!("authorization: [Node, RBAC, {mode}]"), "");
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(&format!("the authorization mode `{mode}` is not there")));
            assert!(found[0].contains(why), "{found:?}");
        }
    }

    #[test]
    fn a_cluster_gets_up_with_what_is_named() {
        let none = Vec::<String>::new();
        for good in [
            "[Node, RBAC]",
            "[RBAC, Node]",
            "[AlwaysAllow]",
            "[Node, AlwaysAllow]",
        ] {
            assert_eq!(found(&format!("authorization: {good}"), ""), none, "{good}");
        }
        assert_eq!(found("nodes: 0, authorization: [RBAC]", ""), none);
        for (bad, what) in [
            ("authorization: [RBAC]", "gets no node"),
            ("authorization: [Node]", "no controller may do anything"),
            (
                "nodes: 0, authorization: []",
                "no controller may do anything",
            ),
            ("authorization: [Node, RBAC, RBAC]", "a mode twice"),
        ] {
            let found = found(bad, "");
            assert!(
                found.len() == 1 && found[0].contains(what),
                "{bad}: {found:?}"
            );
        }
    }

    #[test]
    fn roles_are_not_written_where_everything_is_allowed() {
        let open = "authorization: [AlwaysAllow]";
        assert_eq!(found(open, ", apply: [role.yaml]").len(), 1);
        assert_eq!(found(open, ", DELETES").len(), 1);
        let usual = "authorization: [Node, RBAC]";
        assert_eq!(found(usual, ", apply: [role.yaml]"), Vec::<String>::new());
    }
}
