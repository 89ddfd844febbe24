//! A scenario with one control taken out at a time: each such world has to fail, or the control did
//! not matter.
//!
//! What a world has instead of something in `bare` is not left out but put back to what `bare` has:
//! without any agent, every step on agents would fail, and nothing would be shown of the agent's
//! settings.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::{LoadedScenario, ObjectManifest, ScenarioWorld};

/// One control that was taken out of one world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlMutant {
    /// The name of the world without it.
    pub world: String,
    /// The name of the world with it.
    pub of: String,
    /// What was taken out: a manifest file, `cluster` for the shape, `install` where nothing is
    /// applied, or `step ID` for one that `bare` leaves out. Behind it, in brackets, what `bare`
    /// has instead.
    pub without: String,
    /// The steps that were put back. They are intended as in `bare`, where other controls are
    /// missing as well: that one of them is answered differently shows nothing of this control.
    pub back: Vec<String>,
}

/// A world without one control.
struct WorldWithout {
    what: String,
    world: ScenarioWorld,
    back: Vec<String>,
    /// What is left of a file, under its own name.
    rest: Option<(String, Vec<ObjectManifest>)>,
}

/// `loaded` with those worlds instead of its own that lack one control each; their intents are
/// those of the whole world. With `whole`, the worlds that have the controls are there as well,
/// under their own names.
///
/// What `bare` has as well is not a control, and a world that is declared to change nothing has none
/// that could matter. For a world that repairs another, that other one stands in the place of `bare`. A namespace in which other objects of the world live stays when its file goes.
#[must_use]
pub fn scenario_mutants(
    loaded: &LoadedScenario,
    whole: bool,
) -> (LoadedScenario, Vec<ControlMutant>) {
    let base_of = |world: &str| {
        let base = loaded.scenario.judged_against(world);
        loaded
            .scenario
            .worlds
            .get(base)
            .cloned()
            .unwrap_or_default()
    };
    let (mut worlds, mut found) = (IndexMap::new(), Vec::new());
    let mut scenario = loaded.clone();
    let controlled = loaded
        .scenario
        .worlds
        .iter()
        .filter(|(name, world)| *name != "bare" && !world.changes_nothing());
    for (of, world) in controlled {
        let base = base_of(of);
        let (pair, before) = (
            WorldPair {
                loaded,
                bare: &base,
                world,
            },
            found.len(),
        );
        for without in pair
            .without_files()
            .chain(pair.without_cluster())
            .chain(pair.without_steps())
        {
            let mut name = format!("without-{}", found.len());
            while loaded.scenario.worlds.contains_key(&name) {
                name.push('-');
            }
            let WorldWithout {
                what,
                world,
                back,
                rest,
            } = without;
            scenario.manifests.extend(rest);
            worlds.insert(name.clone(), world);
            found.push(ControlMutant {
                world: name,
                of: of.clone(),
                without: what,
                back,
            });
        }
        if whole && found.len() > before {
            worlds.insert(of.clone(), world.clone());
        }
    }
    for each in scenario
        .scenario
        .steps
        .iter_mut()
        .filter_map(|step| step.expect_in.as_mut())
    {
        // A step that is put back has an intent in `bare` alone, or in the world that is repaired.
        let of_mutant = |one: &ControlMutant| {
            Some((
                one.world.clone(),
                each.get(&one.of)
                    .or(each.get(loaded.scenario.judged_against(&one.of)))?
                    .clone(),
            ))
        };
        let of_whole =
            |(name, _): (&String, &ScenarioWorld)| Some((name.clone(), each.get(name)?.clone()));
        *each = found
            .iter()
            .filter_map(of_mutant)
            .chain(worlds.iter().filter_map(of_whole))
            .collect();
    }
    scenario.scenario.worlds = worlds;
    (scenario, found)
}

/// The name of a world's own namespace.
const OWN_NAMESPACE: &str = "$(namespace)";

/// A world with controls, and the one without.
struct WorldPair<'a> {
    loaded: &'a LoadedScenario,
    bare: &'a ScenarioWorld,
    world: &'a ScenarioWorld,
}

impl WorldPair<'_> {
    fn without_files(&self) -> impl Iterator<Item = WorldWithout> {
        let files = self
            .world
            .apply
            .iter()
            .filter(|file| !self.bare.apply.contains(file));
        files.filter_map(|file| {
            let mut instead = self.instead_of(file);
            let kept = if instead.is_empty() {
                self.lived_in(file)
            } else {
                Vec::new()
            };
            if !kept.is_empty() && kept.len() == self.manifests(file).len() {
                return None;
            }
            let mut named = instead.clone();
            let rest = (!kept.is_empty()).then(|| (format!("{file} (its namespaces)"), kept));
            instead.extend(rest.iter().map(|(name, _)| name.clone()));
            // What bare has in its place may stand on what only bare does.
            let back = if named.is_empty() {
                Vec::new()
            } else {
                self.left_out()
            };
            let skip = self
                .world
                .skip_steps
                .iter()
                .filter(|step| !back.contains(step))
                .cloned()
                .collect();
            named.extend(back.iter().map(|step| format!("step {step}")));
            let world = ScenarioWorld {
                apply: self.apply_instead(file, &instead),
                skip_steps: skip,
                ..self.world.clone()
            };
            Some(WorldWithout {
                what: mutant_label(file, &named),
                world,
                back,
                rest,
            })
        })
    }

    /// The world's files with others in the place of one.
    fn apply_instead(&self, file: &str, instead: &[String]) -> Vec<String> {
        let mut apply: Vec<String> = Vec::new();
        for one in &self.world.apply {
            let these = if one == file {
                instead
            } else {
                std::slice::from_ref(one)
            };
            apply.extend(these.iter().cloned());
        }
        apply
    }

    fn without_cluster(&self) -> impl Iterator<Item = WorldWithout> {
        let (bare, world) = (self.bare, self.world);
        let shape = (world.cluster.is_some() && world.cluster != bare.cluster).then(|| {
            (
                "cluster",
                ScenarioWorld {
                    cluster: bare.cluster.clone(),
                    ..world.clone()
                },
            )
        });
        let applies_nothing = world.apply.iter().all(|file| bare.apply.contains(file));
        let install = (world.install != bare.install && applies_nothing).then(|| {
            (
                "install",
                ScenarioWorld {
                    install: bare.install.clone(),
                    ..world.clone()
                },
            )
        });
        let both = shape.into_iter().chain(install);
        both.map(|(what, world)| WorldWithout {
            what: what.into(),
            world,
            back: Vec::new(),
            rest: None,
        })
    }

    fn without_steps(&self) -> impl Iterator<Item = WorldWithout> {
        let done = self
            .bare
            .skip_steps
            .iter()
            .filter(|step| !self.world.skip_steps.contains(step));
        done.map(|step| {
            let back = self.alternatives(step);
            let skip = self
                .world
                .skip_steps
                .iter()
                .filter(|other| !back.contains(other))
                .chain([step])
                .cloned()
                .collect();
            let what = mutant_label(&format!("step {step}"), &back);
            WorldWithout {
                what,
                world: ScenarioWorld {
                    skip_steps: skip,
                    ..self.world.clone()
                },
                back,
                rest: None,
            }
        })
    }

    /// The files of `bare`, not of the world, with an object of the same kind and name as one in
    /// `file`; none with an object that another file of the world has, which would be put back
    /// along with it.
    fn instead_of(&self, file: &str) -> Vec<String> {
        let ours = self.objects(file);
        let rest: BTreeSet<_> = self
            .world
            .apply
            .iter()
            .filter(|other| *other != file)
            .flat_map(|other| self.objects(other))
            .collect();
        let others = self
            .bare
            .apply
            .iter()
            .filter(|other| !self.world.apply.contains(other));
        let fits = |other: &&String| {
            let theirs = self.objects(other);
            !theirs.is_disjoint(&ours) && theirs.is_disjoint(&rest)
        };
        others.filter(fits).cloned().collect()
    }

    /// The steps beside `step` that `bare` takes and the world leaves out: between them and `step`
    /// are only such as one of the two leaves out.
    fn alternatives(&self, step: &str) -> Vec<String> {
        let around = self
            .differing()
            .into_iter()
            .find(|ids| ids.contains(&step))
            .unwrap_or_default();
        around
            .into_iter()
            .filter(|id| self.only_in_bare(id))
            .map(ToOwned::to_owned)
            .collect()
    }

    /// The steps that `bare` takes and the world leaves out, with nothing in their place.
    fn left_out(&self) -> Vec<String> {
        let groups = self
            .differing()
            .into_iter()
            .filter(|ids| ids.iter().all(|id| self.only_in_bare(id)));
        groups.flatten().map(ToOwned::to_owned).collect()
    }

    /// Steps that one of the two leaves out, and perhaps others of its kind beside it; in groups
    /// without a step that both take.
    fn differing(&self) -> Vec<Vec<&str>> {
        let steps: Vec<&str> = self
            .loaded
            .scenario
            .steps
            .iter()
            .map(|step| step.id.as_str())
            .collect();
        let shared = |id: &&str| !omits_step(self.bare, id) && !omits_step(self.world, id);
        steps
            .split(shared)
            .filter(|ids| !ids.is_empty())
            .map(<[&str]>::to_vec)
            .collect()
    }

    fn only_in_bare(&self, id: &str) -> bool {
        omits_step(self.world, id) && !omits_step(self.bare, id)
    }

    /// Kind, namespace and name of the objects in `file`; no namespace stands for the world's own.
    fn objects(&self, file: &str) -> BTreeSet<(&str, &str, &str)> {
        let place = |namespace| {
            if namespace == OWN_NAMESPACE {
                ""
            } else {
                namespace
            }
        };
        let objects = self.manifests(file).iter();
        objects
            .map(|manifest| {
                (
                    manifest.kind(),
                    place(manifest.namespace()),
                    manifest.name(),
                )
            })
            .collect()
    }

    /// The namespaces in `file` in which objects of other files live, or steps: they stay when the
    /// file goes. The world's own is there in any case.
    fn lived_in(&self, file: &str) -> Vec<ObjectManifest> {
        let others = self
            .world
            .apply
            .iter()
            .filter(|other| *other != file)
            .flat_map(|other| self.manifests(other));
        let in_steps = self
            .loaded
            .scenario
            .steps
            .iter()
            .filter_map(|step| step.namespace.as_deref());
        let used: BTreeSet<&str> = others
            .map(ObjectManifest::namespace)
            .chain(in_steps)
            .collect();
        let made = self
            .manifests(file)
            .iter()
            .filter(|manifest| manifest.kind() == "Namespace");
        made.filter(|made| made.name() != OWN_NAMESPACE && used.contains(made.name()))
            .cloned()
            .collect()
    }

    fn manifests(&self, file: &str) -> &[ObjectManifest] {
        self.loaded.manifests.get(file).map_or(&[], Vec::as_slice)
    }
}

fn omits_step(world: &ScenarioWorld, id: &str) -> bool {
    world.skip_steps.iter().any(|omitted| omitted == id)
}

fn mutant_label(what: &str, instead: &[String]) -> String {
    if instead.is_empty() {
        what.to_owned()
    } else {
        format!("{what} (instead: {})", instead.join(", "))
    }
}
