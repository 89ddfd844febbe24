//! A scenario with one control taken out at a time: each such world has to fail, or the control did not matter.
//!
//! What a world has instead of something in `bare` is not left out but put back to what `bare` has: without any agent,
//! every step on agents would fail, and nothing would be shown of the agent's settings.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::{Loaded, Manifest, World};

/// One control that was taken out of one world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// The name of the world without it.
    pub world: String,
    /// The name of the world with it.
    pub of: String,
    /// What was taken out: a manifest file, `cluster` for the shape, `install` where nothing is applied, or `step ID`
    /// for one that `bare` leaves out. Behind it, in brackets, what `bare` has instead.
    pub without: String,
}

/// `loaded` with those worlds instead of its own that lack one control each; their intents are those of the whole world.
/// With `whole`, the worlds that have the controls are there as well, under their own names.
///
/// What `bare` has as well is no control, and a world that is declared ineffective has none that could matter. A file
/// with a namespace in which other objects of the world live is none by itself.
#[must_use]
pub fn mutants(loaded: &Loaded, whole: bool) -> (Loaded, Vec<Mutant>) {
    let bare = loaded.scenario.worlds.get("bare").cloned().unwrap_or_default();
    let (mut worlds, mut found) = (IndexMap::new(), Vec::new());
    let controlled = loaded.scenario.worlds.iter().filter(|(name, world)| *name != "bare" && !world.ineffective);
    for (of, world) in controlled {
        let (pair, before) = (Pair { loaded, bare: &bare, world }, found.len());
        for (without, world) in pair.without_files().chain(pair.without_cluster()).chain(pair.without_steps()) {
            let name = format!("without-{}", found.len());
            worlds.insert(name.clone(), world);
            found.push(Mutant { world: name, of: of.clone(), without });
        }
        if whole && found.len() > before {
            worlds.insert(of.clone(), world.clone());
        }
    }
    let mut scenario = loaded.clone();
    for each in scenario.scenario.steps.iter_mut().filter_map(|step| step.expect_in.as_mut()) {
        // A step that is put back has an intent in `bare` alone.
        let of_mutant = |one: &Mutant| Some((one.world.clone(), each.get(&one.of).or(each.get("bare"))?.clone()));
        let of_whole = |(name, _): (&String, &World)| Some((name.clone(), each.get(name)?.clone()));
        *each = found.iter().filter_map(of_mutant).chain(worlds.iter().filter_map(of_whole)).collect();
    }
    scenario.scenario.worlds = worlds;
    (scenario, found)
}

/// A world with controls, and the one without.
struct Pair<'a> {
    loaded: &'a Loaded,
    bare: &'a World,
    world: &'a World,
}

impl Pair<'_> {
    fn without_files(&self) -> impl Iterator<Item = (String, World)> {
        let files = self.world.apply.iter().filter(|file| !self.bare.apply.contains(file) && !self.is_lived_in(file));
        files.map(|file| {
            let instead = self.instead_of(file);
            let files = self.world.apply.iter().flat_map(|other| match other == file {
                true => instead.clone(),
                false => vec![other.clone()],
            });
            let mut apply: Vec<String> = Vec::new();
            for one in files {
                if !apply.contains(&one) {
                    apply.push(one);
                }
            }
            // What bare has in its place may stand on what only bare does.
            let back = if instead.is_empty() { Vec::new() } else { self.left_out() };
            let omit = self.world.omit.iter().filter(|step| !back.contains(step)).cloned().collect();
            let named =
                instead.iter().cloned().chain(back.iter().map(|step| format!("step {step}"))).collect::<Vec<_>>();
            (label(file, &named), World { apply, omit, ..self.world.clone() })
        })
    }

    fn without_cluster(&self) -> impl Iterator<Item = (String, World)> {
        let (bare, world) = (self.bare, self.world);
        let shape = (world.cluster.is_some() && world.cluster != bare.cluster)
            .then(|| ("cluster".to_owned(), World { cluster: bare.cluster.clone(), ..world.clone() }));
        let applies_nothing = world.apply.iter().all(|file| bare.apply.contains(file));
        let install = (world.install != bare.install && applies_nothing)
            .then(|| ("install".to_owned(), World { install: bare.install.clone(), ..world.clone() }));
        shape.into_iter().chain(install)
    }

    fn without_steps(&self) -> impl Iterator<Item = (String, World)> {
        let done = self.bare.omit.iter().filter(|step| !self.world.omit.contains(step));
        done.map(|step| {
            let instead = self.alternatives(step);
            let omit = self.world.omit.iter().filter(|other| !instead.contains(other)).chain([step]).cloned().collect();
            (label(&format!("step {step}"), &instead), World { omit, ..self.world.clone() })
        })
    }

    /// The files of `bare`, not of the world, with an object of the same kind and name as one in `file`.
    fn instead_of(&self, file: &str) -> Vec<String> {
        let ours = self.objects(file);
        let others = self.bare.apply.iter().filter(|other| !self.world.apply.contains(other));
        others.filter(|other| !self.objects(other).is_disjoint(&ours)).cloned().collect()
    }

    /// The steps beside `step` that `bare` takes and the world leaves out: between them and `step` are only such as one
    /// of the two leaves out.
    fn alternatives(&self, step: &str) -> Vec<String> {
        let around = self.differing().into_iter().find(|ids| ids.contains(&step)).unwrap_or_default();
        around.into_iter().filter(|id| self.only_in_bare(id)).map(ToOwned::to_owned).collect()
    }

    /// The steps that `bare` takes and the world leaves out, with nothing in their place.
    fn left_out(&self) -> Vec<String> {
        let groups = self.differing().into_iter().filter(|ids| ids.iter().all(|id| self.only_in_bare(id)));
        groups.flatten().map(ToOwned::to_owned).collect()
    }

    /// Steps that one of the two leaves out, and perhaps others of its kind beside it; in groups without a step that both
    /// take.
    fn differing(&self) -> Vec<Vec<&str>> {
        let steps: Vec<&str> = self.loaded.scenario.steps.iter().map(|step| step.id.as_str()).collect();
        let shared = |id: &&str| !omits(self.bare, id) && !omits(self.world, id);
        steps.split(shared).filter(|ids| !ids.is_empty()).map(<[&str]>::to_vec).collect()
    }

    fn only_in_bare(&self, id: &str) -> bool {
        omits(self.world, id) && !omits(self.bare, id)
    }

    fn objects(&self, file: &str) -> BTreeSet<(&str, &str, &str)> {
        self.manifests(file).iter().map(|manifest| (manifest.kind(), manifest.namespace(), manifest.name())).collect()
    }

    /// Whether an object of another file lives in a namespace that only `file` makes.
    fn is_lived_in(&self, file: &str) -> bool {
        let made = self.manifests(file).iter().filter(|manifest| manifest.kind() == "Namespace").map(Manifest::name);
        let made: BTreeSet<&str> = made.collect();
        let others = self.world.apply.iter().filter(|other| *other != file).flat_map(|other| self.manifests(other));
        let in_steps = self.loaded.scenario.steps.iter().filter_map(|step| step.namespace.as_deref());
        let used = others.map(Manifest::namespace).chain(in_steps).any(|namespace| made.contains(namespace));
        used && self.instead_of(file).is_empty()
    }

    fn manifests(&self, file: &str) -> &[Manifest] {
        self.loaded.manifests.get(file).map_or(&[], Vec::as_slice)
    }
}

fn omits(world: &World, id: &str) -> bool {
    world.omit.iter().any(|omitted| omitted == id)
}

fn label(what: &str, instead: &[String]) -> String {
    if instead.is_empty() { what.to_owned() } else { format!("{what} (instead: {})", instead.join(", ")) }
}
