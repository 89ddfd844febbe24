//! Nodes: a cluster has those that a scenario names, with addresses of the families that it asks
//! for, and the first one is left alone.

use super::{FindingPlace, LintNotes};
use crate::{
    Action, ClusterShape, LoadedScenario, NodeChange, ObjectManifest, ObservedRecord, Scenario,
    ScenarioWorld, names,
};

/// The most nodes that a box has.
const MOST_NODES: u8 = 3;

/// What stands for an address that only a dual-stack cluster has.
const OF_IPV6: [&str; 3] = ["$(pod-ipv6:", "$(service-ipv6:", "$(node-ipv6"];

impl LintNotes<'_> {
    pub(super) fn check_nodes(&mut self) {
        self.check_node_counts();
        let scenario = &self.loaded.scenario;
        for (name, world) in &scenario.worlds {
            self.check_named_nodes(name, world);
            self.check_families(name, world);
        }
        for step in &scenario.steps {
            if let Action::Node(node) = &step.action
                && node_number(node.name()) == Some(1)
            {
                let what = format!(
                    "step `{}` does something to the node that the API server is beside",
                    step.id
                );
                self.add_finding(
                    FindingPlace::InStep(step, node.name()),
                    what,
                    "take `node-2`",
                );
            }
        }
    }

    /// A cluster has no more nodes than a box can have.
    pub(super) fn check_node_counts(&mut self) {
        for (world, nodes) in self
            .written_shapes()
            .map(|(world, shape)| (world, shape.nodes))
            .filter(|(_, nodes)| *nodes > MOST_NODES)
        {
            let hint = "a cluster has up to three nodes, and none where no pod has to run";
            self.add_finding(
                FindingPlace::InShape(world, "nodes"),
                format!("a cluster of {nodes} nodes is not supported"),
                hint,
            );
        }
    }

    /// An address of IPv6 is there only where the cluster has both families.
    fn check_families(&mut self, name: &str, world: &ScenarioWorld) {
        if self.loaded.scenario.world_shape(world).dual_stack {
            return;
        }
        let texts = self.applied_texts();
        if let Some(asked) = OF_IPV6
            .iter()
            .find(|asked| texts.iter().any(|text| text.contains(**asked)))
        {
            let what = format!(
                "the scenario asks for an IPv6 address, and the cluster of world `{name}` has none"
            );
            self.add_finding(
                used_in(self.loaded, name, asked),
                what,
                "`cluster: { dual-stack: true }`",
            );
        }
    }

    /// The scenario, and what it applies.
    fn applied_texts(&self) -> Vec<String> {
        let manifests = self
            .loaded
            .manifests
            .values()
            .flatten()
            .map(|manifest| manifest.object.to_string());
        manifests.chain([self.loaded.text.clone()]).collect()
    }

    /// Every node that is named has to be there.
    fn check_named_nodes(&mut self, name: &str, world: &ScenarioWorld) {
        let scenario = &self.loaded.scenario;
        let nodes = scenario.world_shape(world).nodes;
        let texts = self.applied_texts();
        let by_number = texts
            .iter()
            .flat_map(|text| names::named_placeholders(text, "node"))
            .map(str::to_owned);
        let mut asked: Vec<String> = by_number.chain(by_name(scenario, name)).collect();
        asked.sort();
        asked.dedup();
        for node in asked
            .iter()
            .filter(|node| node_number(node).is_none_or(|number| number > nodes))
        {
            let what = format!(
                "the scenario names the node `{node}`, and the cluster of world `{name}` has {nodes}"
            );
            let placeholder = format!("$(node:{node})");
            let is_placeholder = texts.iter().any(|text| text.contains(&placeholder));
            let written = if is_placeholder { &placeholder } else { node };
            self.add_finding(
                used_in(self.loaded, name, written),
                what,
                "`cluster: { nodes: 2 }`, and names as in `node-2`",
            );
        }
    }
}

impl<'a> LintNotes<'a> {
    /// Every shape that the file states, with the world that states it.
    pub(super) fn written_shapes(
        &self,
    ) -> impl Iterator<Item = (Option<&'a str>, &'a ClusterShape)> + use<'a> {
        let scenario = &self.loaded.scenario;
        let own = scenario
            .worlds
            .iter()
            .filter_map(|(name, world)| Some((Some(name.as_str()), world.cluster.as_ref()?)));
        own.chain(scenario.cluster.as_ref().map(|shape| (None, shape)))
    }
}

/// Where a text is used: in the scenario, or else in a manifest.
fn used_in<'a>(loaded: &'a LoadedScenario, world: &'a str, text: &'a str) -> FindingPlace<'a> {
    let holds = |all: &[ObjectManifest]| {
        let mut all = all.iter();
        all.any(|one| one.object.to_string().contains(text))
    };
    let mut files = loaded.manifests.iter();
    if loaded.text.contains(text) {
        FindingPlace::Anywhere(text)
    } else if let Some((file, _)) = files.find(|(_, all)| holds(all)) {
        FindingPlace::InManifest(file, text)
    } else {
        FindingPlace::World(world)
    }
}

/// The nodes that steps of this world name.
fn by_name(scenario: &Scenario, world: &str) -> Vec<String> {
    let steps = scenario
        .steps_in(world)
        .filter_map(|step| match &step.action {
            Action::Node(node) => Some(NodeChange::name(node)),
            Action::LookFor(ObservedRecord::Node(wanted)) => Some(wanted.name.as_str()),
            _ => None,
        });
    steps
        .filter(|name| names::named_placeholders(name, "node").next().is_none())
        .map(str::to_owned)
        .collect()
}

/// The number in `2`, `node-2` or `$(node:2)`.
fn node_number(node: &str) -> Option<u8> {
    let inner = names::named_placeholders(node, "node").next();
    inner
        .unwrap_or_else(|| node.strip_prefix("node-").unwrap_or(node))
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{ScenarioLibrary, lint_scenario};

    fn findings(scenario: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("network/one");
        fs::create_dir_all(&dir).unwrap();
        fs::write(
            dir.join("scenario.yaml"),
            format!("scenario: v2\nwhy: Because.\n{scenario}"),
        )
        .unwrap();
        let pod =
            "apiVersion: v1\nkind: Pod\nmetadata: { name: a }\nspec: { nodeName: '$(node:2)' }\n";
        fs::write(dir.join("pod.yaml"), pod).unwrap();
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        lint_scenario(&library.scenarios[0])
            .into_iter()
            .map(|finding| finding.what)
            .collect()
    }

    const STEPS: &str = "worlds: { bare: {} }\nsteps:\n\
        - { id: a, do: { create: pod.yaml }, expect: admitted }\n\
        - { id: b, do: { node: { cut-off: node-2 } }, expect: stopped }\n\
        - { id: c, do: { look-for: { node: { name: '$(node:2)', ready: unknown } } }, expect: found }\n";

    #[test]
    fn a_cluster_has_the_nodes_that_are_named() {
        assert_eq!(
            findings(&format!("cluster: {{ nodes: 2 }}\n{STEPS}")),
            Vec::<String>::new()
        );
        let found = findings(STEPS);
        for node in ["2", "node-2"] {
            let wanted = format!(
                "the scenario names the node `{node}`, and the cluster of world `bare` has 1"
            );
            assert!(found.contains(&wanted), "{wanted}: {found:?}");
        }
    }

    #[test]
    fn an_ipv6_address_needs_a_cluster_that_has_them() {
        let steps = "worlds: { bare: {} }\nsteps:\n\
            - { id: a, do: { create: pod.yaml }, expect: admitted }\n\
            - { id: b, do: { reach: { from: a, to: 'tcp://[$(node-ipv6:2)]:80' } }, expect: reached }\n";
        let wanted =
            "the scenario asks for an IPv6 address, and the cluster of world `bare` has none";
        assert_eq!(
            findings(&format!("cluster: {{ nodes: 2 }}\n{steps}")),
            [wanted]
        );
        assert_eq!(
            findings(&format!(
                "cluster: {{ nodes: 2, dual-stack: true }}\n{steps}"
            )),
            Vec::<String>::new()
        );
    }

    #[test]
    fn the_first_node_is_left_alone_and_a_fourth_is_not_to_be_had() {
        let found = findings(&format!(
            "cluster: {{ nodes: 4 }}\n{}",
            STEPS.replace("cut-off: node-2", "kill: node-1")
        ));
        let wanted = [
            "a cluster of 4 nodes is not supported",
            "step `b` does something to the node that the API server is beside",
        ];
        assert_eq!(found, wanted);
    }
}
