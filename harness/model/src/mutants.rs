//! Scenarios with one control taken out: each has to fail, or the control did not matter.

use indexmap::IndexMap;

use crate::{Loaded, World};

/// A scenario of one world, with one of its controls taken out.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The scenario: that world alone, under a name of its own.
    pub scenario: Loaded,
    /// That name.
    pub world: String,
    /// The world's name in its file.
    pub of: String,
    /// What was taken out: a manifest file, or `cluster` for the shape.
    pub without: String,
}

/// Every way to take one control out of one world of `loaded`.
///
/// What `bare` has as well is no control, and a world that is declared ineffective has none that could matter.
#[must_use]
pub fn mutants(loaded: &Loaded) -> Vec<Mutant> {
    let bare = loaded.scenario.worlds.get("bare").cloned().unwrap_or_default();
    let worlds = loaded.scenario.worlds.iter().filter(|(name, world)| *name != "bare" && !world.ineffective);
    let mut found = Vec::new();
    for (of, world) in worlds {
        for file in world.apply.iter().filter(|file| !bare.apply.contains(file)) {
            let apply = world.apply.iter().filter(|other| *other != file).cloned().collect();
            found.push(mutant(loaded, of, file, World { apply, ..world.clone() }, found.len()));
        }
        if world.cluster.is_some() && world.cluster != bare.cluster {
            let world = World { cluster: bare.cluster.clone(), ..world.clone() };
            found.push(mutant(loaded, of, "cluster", world, found.len()));
        }
    }
    found
}

fn mutant(loaded: &Loaded, of: &str, without: &str, world: World, number: usize) -> Mutant {
    let name = format!("without-{number}");
    let mut scenario = loaded.clone();
    scenario.scenario.worlds = IndexMap::from([(name.clone(), world)]);
    for step in &mut scenario.scenario.steps {
        if let Some(answer) = step.expect_in.as_ref().and_then(|each| each.get(of).cloned()) {
            step.expect_in = Some(IndexMap::from([(name.clone(), answer)]));
        }
    }
    Mutant { scenario, world: name, of: of.into(), without: without.into() }
}
