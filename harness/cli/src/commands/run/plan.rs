//! Which worlds share a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::{ResolvedShape, resolve};
use engine::Trial;
use model::{Loaded, Shape, WorldOutcome};
use native::components::Component;

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
    pub(crate) shape: ResolvedShape,
    pub(crate) trials: Vec<Trial>,
}

/// The plan for these scenarios; every box that has a node has at least `nodes`.
pub(crate) fn of(chosen: &[Arc<Loaded>], existing: &Existing, nodes: u8) -> Result<Plan, Fault> {
    let mut groups: BTreeMap<ResolvedShape, Vec<Trial>> = BTreeMap::new();
    let mut plan = Plan::default();
    for loaded in chosen {
        for (name, world) in &loaded.scenario.worlds {
            let trial = Trial { scenario: Arc::clone(loaded), world: name.clone() };
            let alone = loaded.scenario.steps_in(name).any(|step| step.action.needs_a_box());
            let fits = fits_any_cluster(&loaded.scenario.shape(world)) && !alone;
            let any = fits && loaded.scenario.install(world).is_empty();
            if existing.is_asked_for() && !any {
                let why =
                    "it needs a cluster of a shape of its own, or services beside it, which only a box can have".into();
                plan.skipped.push((loaded.id.clone(), name.clone(), WorldOutcome::Skipped { why }));
                continue;
            }
            let shape = resolve(loaded, name)?.with_more_nodes(nodes);
            groups.entry(if existing.is_asked_for() { shape.with_node() } else { shape }).or_default().push(trial);
        }
    }
    plan.groups = share_nodes(groups).into_iter().map(|(shape, trials)| Group { shape, trials }).collect();
    plan.groups.sort_by_key(|group| std::cmp::Reverse(group.trials.len()));
    Ok(plan)
}

/// Worlds that need no node join a cluster that is the same but for a node, where there is one anyway.
fn share_nodes(mut groups: BTreeMap<ResolvedShape, Vec<Trial>>) -> BTreeMap<ResolvedShape, Vec<Trial>> {
    let bare: Vec<ResolvedShape> = groups.keys().filter(|shape| shape.nodes == 0).cloned().collect();
    for shape in bare {
        let with_node = shape.with_node();
        if groups.contains_key(&with_node)
            && let Some(trials) = groups.remove(&shape)
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
    /// What the boxes of this plan are made of.
    pub(crate) fn components(&self) -> Result<Vec<&'static Component>, Fault> {
        let mut all: Vec<&'static Component> = Vec::new();
        for group in &self.groups {
            for component in native::components::needed(&group.shape.to_box())? {
                if !all.iter().any(|have| std::ptr::eq(*have, component)) {
                    all.push(component);
                }
            }
        }
        Ok(all)
    }
}
