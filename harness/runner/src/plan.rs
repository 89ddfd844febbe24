//! Which worlds are tried, and which of them share a cluster.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::ClusterProvider;
use components::{ETCD_TOOLS, PROBE_NAME, PinnedComponent};
use engine::WorldTrial;
use model::{
    ActionWrites, Capability, ClusterKey, ClusterSpec, LoadedScenario, WorldOutcome,
    world_requirements,
};

use crate::Error;
use crate::outcome::TriedWorld;

/// What is to be tried where.
#[derive(Debug, Default)]
pub struct RunPlan {
    /// The scenarios, in the order in which they were given.
    pub scenarios: Vec<Arc<LoadedScenario>>,
    /// Worlds by the shape of their cluster, the largest group first.
    pub groups: Vec<WorldGroup>,
    /// Worlds that the clusters are not for.
    pub skipped: Vec<SkippedWorld>,
}

/// Worlds that share a cluster.
#[derive(Debug)]
pub struct WorldGroup {
    /// What the cluster has to look like, where it is a box.
    pub spec: ClusterSpec,
    /// The worlds.
    pub trials: Vec<WorldTrial>,
    /// What its box is made of, and what its steps need beside it.
    pub needed: Vec<&'static PinnedComponent>,
}

/// A world that is not tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedWorld {
    /// The scenario.
    pub id: String,
    /// The world.
    pub world: String,
    /// What it needs and its cluster lacks; never empty.
    pub missing: Vec<Capability>,
}

impl SkippedWorld {
    pub(crate) fn into_outcome(self) -> TriedWorld {
        let lacks: Vec<String> = self.missing.iter().map(Capability::describe_lack).collect();
        (
            self.id,
            self.world,
            WorldOutcome::Skipped {
                why: lacks.join("; "),
            },
        )
    }
}

impl RunPlan {
    /// The plan for these scenarios on clusters of this provider. Every cluster that has a node has
    /// at least `nodes`.
    ///
    /// # Errors
    /// A file that a shape names and that cannot be read, and a release that is not pinned.
    pub fn new(
        scenarios: &[Arc<LoadedScenario>],
        provider: ClusterProvider<'_>,
        nodes: u8,
    ) -> Result<Self, Error> {
        let mut groups: BTreeMap<ClusterKey, Vec<WorldTrial>> = BTreeMap::new();
        let mut skipped = Vec::new();
        for loaded in scenarios {
            for world in loaded.scenario.worlds.keys() {
                let missing = provider.missing(&world_requirements(loaded, world));
                if !missing.is_empty() {
                    skipped.push(SkippedWorld {
                        id: loaded.id.clone(),
                        world: world.clone(),
                        missing,
                    });
                    continue;
                }
                let ClusterKey { spec, only_for } = ClusterKey::resolve(loaded, world)?;
                let key = ClusterKey {
                    spec: spec.with_more_nodes(nodes),
                    only_for,
                };
                let trial = WorldTrial {
                    scenario: Arc::clone(loaded),
                    world: world.clone(),
                };
                groups.entry(key).or_default().push(trial);
            }
        }
        let groups = share_nodes(groups)
            .into_iter()
            .map(|(key, trials)| WorldGroup::new(key.spec, trials));
        let mut groups = groups.collect::<Result<Vec<_>, _>>()?;
        groups.sort_by_key(|group| Reverse(group.size()));
        Ok(Self {
            scenarios: scenarios.to_vec(),
            groups,
            skipped,
        })
    }

    /// What the boxes of this plan are made of, in the order in which it is best built.
    #[must_use]
    pub fn components(&self) -> Vec<&'static PinnedComponent> {
        let is_needed = |component: &&'static PinnedComponent| {
            self.groups
                .iter()
                .flat_map(|group| &group.needed)
                .any(|one| std::ptr::eq(*one, *component))
        };
        components::pinned_components()
            .iter()
            .filter(is_needed)
            .collect()
    }

    /// While these are still to be built: what needs no node does not wait for one, and what can
    /// begin first comes first.
    ///
    /// # Errors
    /// None that the plan itself did not have.
    pub fn next_stage(mut self, missing: &[&'static PinnedComponent]) -> Result<Self, Error> {
        if missing.is_empty() {
            return Ok(self);
        }
        let mut groups = Vec::new();
        for group in std::mem::take(&mut self.groups) {
            let alone = group.spec.without_node();
            let waits = group.spec.nodes == 1 && group.build_seconds(missing) > 0;
            let (nodeless, others): (Vec<WorldTrial>, Vec<WorldTrial>) =
                group.trials.into_iter().partition(|trial| {
                    let declared = || {
                        ClusterSpec::resolve(&trial.scenario, &trial.world)
                            .is_ok_and(|spec| spec.nodes == 0)
                    };
                    waits && (model::needs_no_node(&trial.scenario, &trial.world) || declared())
                });
            for (spec, trials) in [(alone, nodeless), (group.spec, others)] {
                if !trials.is_empty() {
                    groups.push(WorldGroup::new(spec, trials)?);
                }
            }
        }
        groups.sort_by_key(|group| (group.build_seconds(missing), Reverse(group.size())));
        self.groups = groups;
        Ok(self)
    }
}

impl WorldGroup {
    fn new(spec: ClusterSpec, trials: Vec<WorldTrial>) -> Result<Self, Error> {
        let mut all: Vec<&'static PinnedComponent> = Vec::new();
        for trial in &trials {
            for component in needed_components(&spec, &trial.scenario, &trial.world)? {
                if !all.iter().any(|one| std::ptr::eq(*one, component)) {
                    all.push(component);
                }
            }
        }
        Ok(Self {
            spec,
            trials,
            needed: all,
        })
    }

    /// How much there is to try: worlds, and all of their steps.
    fn size(&self) -> (usize, usize) {
        let steps = |trial: &WorldTrial| trial.scenario.scenario.steps_in(&trial.world).count();
        (self.trials.len(), self.trials.iter().map(steps).sum())
    }

    /// How long it takes until everything is built that is not.
    fn build_seconds(&self, missing: &[&'static PinnedComponent]) -> u32 {
        let is_missing = |component: &&&'static PinnedComponent| {
            missing.iter().any(|one| std::ptr::eq(*one, **component))
        };
        self.needed
            .iter()
            .filter(is_missing)
            .map(|component| u32::from(component.build_seconds()))
            .sum()
    }
}

/// What a box of this shape is made of in which this world can be tried: etcd's tools, too, where a
/// step looks into it, and the probe, where one makes an image.
///
/// # Errors
/// A release that is not pinned.
pub fn needed_components(
    spec: &ClusterSpec,
    loaded: &LoadedScenario,
    world: &str,
) -> Result<Vec<&'static PinnedComponent>, components::Error> {
    let mut needed = cluster::needed_components(spec)?;
    let facts: Vec<_> = loaded
        .scenario
        .steps_in(world)
        .map(|step| step.action.facts())
        .collect();
    let mut tools = Vec::new();
    if facts
        .iter()
        .any(|facts| facts.needs.contains(&Capability::Etcd))
    {
        tools.push(components::only_version(ETCD_TOOLS)?);
    }
    if facts
        .iter()
        .any(|facts| facts.writes == ActionWrites::Images)
    {
        tools.push(components::only_version(PROBE_NAME)?);
    }
    for tool in tools {
        if !needed.iter().any(|one| std::ptr::eq(*one, tool)) {
            needed.push(tool);
        }
    }
    Ok(needed)
}

/// Worlds that need no node join a cluster that is the same but for a node, where there is one
/// anyway.
fn share_nodes(
    mut groups: BTreeMap<ClusterKey, Vec<WorldTrial>>,
) -> BTreeMap<ClusterKey, Vec<WorldTrial>> {
    let bare: Vec<ClusterKey> = groups
        .keys()
        .filter(|key| key.spec.nodes == 0)
        .cloned()
        .collect();
    for key in bare {
        let with_node = ClusterKey {
            spec: key.spec.with_node(),
            ..key.clone()
        };
        if groups.contains_key(&with_node)
            && let Some(trials) = groups.remove(&key)
        {
            groups.entry(with_node).or_default().extend(trials);
        }
    }
    groups
}

#[cfg(test)]
#[path = "plan_tests.rs"]
pub(crate) mod tests;
