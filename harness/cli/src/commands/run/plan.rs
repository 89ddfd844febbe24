//! Which worlds share a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::Trial;
use model::{ActionFacts, ClusterKey, ClusterSpec, Loaded, Shape, WorldOutcome, Writes};
use native::components::{Component, ETCD_TOOLS, PROBE};

use crate::args::Existing;
use crate::fault::Fault;

/// What is to run where.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Worlds by the shape of their cluster, the largest group first.
    pub(crate) groups: Vec<Group>,
    /// Worlds that this cluster is not for.
    pub(crate) skipped: Vec<(String, String, WorldOutcome)>,
}

/// Worlds that share a cluster.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) spec: ClusterSpec,
    pub(crate) trials: Vec<Trial>,
    /// What its box is made of, and what its steps need beside it.
    pub(crate) needed: Vec<&'static Component>,
}

impl Group {
    fn new(spec: ClusterSpec, trials: Vec<Trial>) -> Result<Self, Fault> {
        let mut all: Vec<&'static Component> = Vec::new();
        for trial in &trials {
            for component in needed(&spec, &trial.scenario, &trial.world)? {
                if !all.iter().any(|one| std::ptr::eq(*one, component)) {
                    all.push(component);
                }
            }
        }
        Ok(Self { spec, trials, needed: all })
    }

    /// How much there is to try: worlds, and all of their steps.
    fn size(&self) -> (usize, usize) {
        let steps = |trial: &Trial| trial.scenario.scenario.steps_in(&trial.world).count();
        (self.trials.len(), self.trials.iter().map(steps).sum())
    }

    /// How long it takes until everything is built that is not.
    fn build_seconds(&self, missing: &[&'static Component]) -> u32 {
        let is_missing = |component: &&&'static Component| missing.iter().any(|one| std::ptr::eq(*one, **component));
        self.needed.iter().filter(is_missing).map(|component| u32::from(component.build_seconds())).sum()
    }
}

/// What a box of this shape is made of in which this world can be tried: etcd's tools, too, where a step may look into it,
/// and the probe, where one makes an image.
///
/// # Errors
/// A release that is not pinned.
pub(crate) fn needed(
    spec: &ClusterSpec,
    loaded: &Loaded,
    world: &str,
) -> Result<Vec<&'static Component>, native::Error> {
    let mut needed = native::components::needed(spec)?;
    let has =
        |test: fn(&ActionFacts<'_>) -> bool| loaded.scenario.steps_in(world).any(|step| test(&step.action.facts()));
    let mut tools = Vec::new();
    if has(|facts| facts.needs_box) {
        tools.push(native::components::tool(ETCD_TOOLS)?);
    }
    if has(|facts| facts.writes == Writes::Images) {
        tools.push(native::components::tool(PROBE)?);
    }
    needed.extend(
        tools.into_iter().filter(|tool| !needed.iter().any(|one| std::ptr::eq(*one, *tool))).collect::<Vec<_>>(),
    );
    Ok(needed)
}

/// The plan for these scenarios; every box that has a node has at least `nodes`.
pub(crate) fn of(chosen: &[Arc<Loaded>], existing: &Existing, nodes: u8) -> Result<Plan, Fault> {
    let mut groups: BTreeMap<ClusterKey, Vec<Trial>> = BTreeMap::new();
    let mut plan = Plan::default();
    for loaded in chosen {
        for (name, world) in &loaded.scenario.worlds {
            let trial = Trial { scenario: Arc::clone(loaded), world: name.clone() };
            let alone = loaded.scenario.steps_in(name).any(|step| step.action.facts().needs_box);
            let fits = fits_any_cluster(&loaded.scenario.shape(world)) && !alone;
            let any = fits && loaded.scenario.install(world).is_empty();
            if existing.is_asked_for() && !any {
                let why =
                    "it needs a cluster of a shape of its own, or services beside it, which only a box can have".into();
                plan.skipped.push((loaded.id.clone(), name.clone(), WorldOutcome::Skipped { why }));
                continue;
            }
            let ClusterKey { spec, only_for } = ClusterKey::resolve(loaded, name)?;
            let spec = spec.with_more_nodes(nodes);
            let spec = if existing.is_asked_for() { spec.with_node() } else { spec };
            groups.entry(ClusterKey { spec, only_for }).or_default().push(trial);
        }
    }
    let groups = if existing.is_asked_for() { groups } else { share_nodes(groups) };
    plan.groups =
        groups.into_iter().map(|(key, trials)| Group::new(key.spec, trials)).collect::<Result<Vec<_>, _>>()?;
    plan.groups.sort_by_key(|group| std::cmp::Reverse(group.size()));
    Ok(plan)
}

/// Worlds that need no node join a cluster that is the same but for a node, where there is one anyway.
fn share_nodes(mut groups: BTreeMap<ClusterKey, Vec<Trial>>) -> BTreeMap<ClusterKey, Vec<Trial>> {
    let bare: Vec<ClusterKey> = groups.keys().filter(|key| key.spec.nodes == 0).cloned().collect();
    for key in bare {
        let with_node = ClusterKey { spec: key.spec.with_node(), ..key.clone() };
        if groups.contains_key(&with_node)
            && let Some(trials) = groups.remove(&key)
        {
            groups.entry(with_node).or_default().extend(trials);
        }
    }
    groups
}

/// Whether a world of this shape can be tried on a cluster that exists: whose own network enforces NetworkPolicies, where
/// the box would.
fn fits_any_cluster(shape: &Shape) -> bool {
    let usual = Shape::default();
    let free = Shape { nodes: usual.nodes, enforce_network_policy: usual.enforce_network_policy, ..shape.clone() };
    free == usual
}

impl Plan {
    /// What the boxes of this plan are made of, in the order in which it is best built.
    pub(crate) fn components(&self) -> Vec<&'static Component> {
        let is_needed = |component: &&'static Component| {
            self.groups.iter().flat_map(|group| &group.needed).any(|one| std::ptr::eq(*one, *component))
        };
        native::components::pinned().iter().filter(is_needed).collect()
    }

    /// While these are still to be built: what needs no node does not wait for one, and what can begin first comes first.
    ///
    /// # Errors
    /// None that the plan itself did not have.
    pub(crate) fn stage(mut self, missing: &[&'static Component]) -> Result<Self, Fault> {
        if missing.is_empty() {
            return Ok(self);
        }
        let mut groups = Vec::new();
        for group in std::mem::take(&mut self.groups) {
            let alone = group.spec.without_node();
            let waits = group.spec.nodes == 1 && group.build_seconds(missing) > 0;
            let (nodeless, others): (Vec<Trial>, Vec<Trial>) = group.trials.into_iter().partition(|trial| {
                let declared = || ClusterSpec::resolve(&trial.scenario, &trial.world).is_ok_and(|spec| spec.nodes == 0);
                waits && (model::needs_no_node(&trial.scenario, &trial.world) || declared())
            });
            for (spec, trials) in [(alone, nodeless), (group.spec, others)] {
                if !trials.is_empty() {
                    groups.push(Group::new(spec, trials)?);
                }
            }
        }
        groups.sort_by_key(|group| (group.build_seconds(missing), std::cmp::Reverse(group.size())));
        self.groups = groups;
        Ok(self)
    }
}
