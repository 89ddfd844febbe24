//! A scenario with one control taken out at a time: each such world has to fail, or the control did not matter.

use indexmap::IndexMap;

use crate::{Loaded, World};

/// One control that was taken out of one world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The name of the world without it.
    pub world: String,
    /// The name of the world with it.
    pub of: String,
    /// What was taken out: a manifest file, `cluster` for the shape, `install` where nothing is applied, or `step ID`
    /// for one that `bare` leaves out.
    pub without: String,
}

/// `loaded` with those worlds instead of its own that lack one control each; their intents are those of the whole world.
///
/// What `bare` has as well is no control, and a world that is declared ineffective has none that could matter.
#[must_use]
pub fn mutants(loaded: &Loaded) -> (Loaded, Vec<Mutant>) {
    let bare = loaded.scenario.worlds.get("bare").cloned().unwrap_or_default();
    let (mut worlds, mut found) = (IndexMap::new(), Vec::new());
    let controlled = loaded.scenario.worlds.iter().filter(|(name, world)| *name != "bare" && !world.ineffective);
    for (of, world) in controlled {
        let files = world.apply.iter().filter(|file| !bare.apply.contains(file));
        let without_file = files.map(|file| {
            let apply = world.apply.iter().filter(|other| *other != file).cloned().collect();
            (file.clone(), World { apply, ..world.clone() })
        });
        let without_shape = (world.cluster.is_some() && world.cluster != bare.cluster)
            .then(|| ("cluster".to_owned(), World { cluster: bare.cluster.clone(), ..world.clone() }));
        let without_install = (world.install != bare.install
            && world.apply.iter().all(|file| bare.apply.contains(file)))
        .then(|| ("install".to_owned(), World { install: bare.install.clone(), ..world.clone() }));
        let done = bare.omit.iter().filter(|step| !world.omit.contains(step));
        let without_step = done.map(|step| {
            let omit = world.omit.iter().chain([step]).cloned().collect();
            (format!("step {step}"), World { omit, ..world.clone() })
        });
        for (without, world) in without_file.chain(without_shape).chain(without_install).chain(without_step) {
            let name = format!("without-{}", found.len());
            worlds.insert(name.clone(), world);
            found.push(Mutant { world: name, of: of.clone(), without });
        }
    }
    let mut scenario = loaded.clone();
    scenario.scenario.worlds = worlds;
    for each in scenario.scenario.steps.iter_mut().filter_map(|step| step.expect_in.as_mut()) {
        let intended = |one: &Mutant| Some((one.world.clone(), each.get(&one.of)?.clone()));
        *each = found.iter().filter_map(intended).collect();
    }
    (scenario, found)
}
