//! A scenario with each of its worlds twice, on two releases of the same thing.

use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use thiserror::Error;

use crate::addons::unserved_wish;
use crate::{AddonInstall, ClusterShape, LoadedScenario, Scenario, ScenarioWorld};

/// What Kubernetes itself is called beside the addons.
const KUBERNETES_NAME: &str = "kubernetes";

/// One of two things that are compared: a release of Kubernetes, or of an addon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComparedRelease {
    /// `kubernetes@1.N`. Whether that is pinned is found out by whoever starts it.
    Kubernetes(String),
    /// `NAME@VERSION`.
    Addon(AddonInstall),
}

/// Why something cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ComparisonError {
    /// It names no release.
    #[error(
        "`{word}` is neither a release nor a folder; write `kubernetes@1.N`, `ADDON@VERSION`, or a path"
    )]
    NoRelease {
        /// What was written.
        word: String,
    },
    /// No such addon, or no such version of it.
    #[error("{fault}")]
    NoAddon {
        /// What is wrong with it.
        fault: String,
    },
    /// A part of an addon.
    #[error("`{part}` is a part of {whole} and has its version; compare `{whole}@{version}`")]
    PartAlone {
        /// The part.
        part: &'static str,
        /// What it is a part of.
        whole: &'static str,
        /// The version that was asked for.
        version: &'static str,
    },
    /// Releases of two things.
    #[error("`{old}` and `{new}` are releases of two things; compare two releases of one")]
    TwoThings {
        /// The first.
        old: String,
        /// The second.
        new: String,
    },
    /// The same release twice.
    #[error("`{release}` is compared with itself")]
    Same {
        /// The release.
        release: String,
    },
}

impl FromStr for ComparedRelease {
    type Err = ComparisonError;

    fn from_str(word: &str) -> Result<Self, ComparisonError> {
        match word.split_once('@') {
            Some((KUBERNETES_NAME, release)) if !release.is_empty() => {
                Ok(Self::Kubernetes(release.to_owned()))
            }
            Some((_, version)) if !version.is_empty() => {
                let install =
                    AddonInstall::from_str(word).map_err(|error| ComparisonError::NoAddon {
                        fault: error.to_string(),
                    })?;
                match install.addon().part_of {
                    Some(whole) => Err(ComparisonError::PartAlone {
                        part: install.addon().name,
                        whole: whole.name,
                        version: install.version().version,
                    }),
                    None => Ok(Self::Addon(install)),
                }
            }
            _ => Err(ComparisonError::NoRelease {
                word: word.to_owned(),
            }),
        }
    }
}

impl fmt::Display for ComparedRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubernetes(release) => write!(f, "{KUBERNETES_NAME}@{release}"),
            Self::Addon(install) => {
                write!(f, "{}@{}", install.addon().name, install.version().version)
            }
        }
    }
}

/// Two releases of the same thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasePair {
    old: ComparedRelease,
    new: ComparedRelease,
}

/// A scenario whose worlds are there on both releases.
#[derive(Debug)]
pub struct DoubledScenario {
    /// The scenario, with the two forms of each world.
    pub loaded: LoadedScenario,
    /// How they belong together.
    pub pairs: Vec<ComparedWorld>,
    /// The worlds that the releases concern, and that cannot be compared.
    pub unserved: Vec<UnservedWorld>,
}

/// A world that one of two releases does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnservedWorld {
    /// The scenario's own name for it.
    pub world: String,
    /// Why.
    pub why: &'static str,
}

/// One world of a scenario, and the names of its two forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedWorld {
    /// The scenario's own name for it.
    pub world: String,
    /// Its name on the first release.
    pub old: String,
    /// Its name on the second.
    pub new: String,
}

impl ReleasePair {
    /// A comparison of the first with the second.
    ///
    /// # Errors
    /// When they are not two releases of one thing.
    pub fn new(old: ComparedRelease, new: ComparedRelease) -> Result<Self, ComparisonError> {
        if old == new {
            return Err(ComparisonError::Same {
                release: old.to_string(),
            });
        }
        let of_one_thing = match (&old, &new) {
            (ComparedRelease::Kubernetes(_), ComparedRelease::Kubernetes(_)) => true,
            (ComparedRelease::Addon(old), ComparedRelease::Addon(new)) => {
                old.addon() == new.addon()
            }
            (ComparedRelease::Kubernetes(_), ComparedRelease::Addon(_))
            | (ComparedRelease::Addon(_), ComparedRelease::Kubernetes(_)) => false,
        };
        if of_one_thing {
            Ok(Self { old, new })
        } else {
            Err(ComparisonError::TwoThings {
                old: old.to_string(),
                new: new.to_string(),
            })
        }
    }

    /// `loaded` with two worlds for each of its own that the releases concern, and how they belong
    /// together. Where they concern none, there is no world in it.
    ///
    /// Two releases of Kubernetes do not concern a world that asks for a release by itself, those of
    /// an addon only worlds that install it.
    #[must_use]
    pub fn double_worlds(&self, loaded: &LoadedScenario) -> DoubledScenario {
        let mut doubled = loaded.clone();
        let (mut worlds, mut pairs, mut unserved) = (IndexMap::new(), Vec::new(), Vec::new());
        for (name, world) in &loaded.scenario.worlds {
            let (Some(old), Some(new)) = (
                self.old.put_in(&loaded.scenario, world),
                self.new.put_in(&loaded.scenario, world),
            ) else {
                continue;
            };
            let asked = |form| asked_unserved(loaded, name, form);
            if let Some(why) = asked(&old).or_else(|| asked(&new)) {
                unserved.push(UnservedWorld {
                    world: name.clone(),
                    why,
                });
                continue;
            }
            let pair = ComparedWorld {
                world: name.clone(),
                old: format!("{name}-old"),
                new: format!("{name}-new"),
            };
            worlds.insert(pair.old.clone(), old);
            worlds.insert(pair.new.clone(), new);
            pairs.push(pair);
        }
        for intents in doubled
            .scenario
            .steps
            .iter_mut()
            .filter_map(|step| step.expect_in.as_mut())
        {
            let of_pair = |pair: &ComparedWorld| {
                let intent = intents.get(&pair.world)?;
                Some([
                    (pair.old.clone(), intent.clone()),
                    (pair.new.clone(), intent.clone()),
                ])
            };
            *intents = pairs.iter().filter_map(of_pair).flatten().collect();
        }
        // Each world names all that it installs.
        doubled.scenario.install.clear();
        doubled.scenario.worlds = worlds;
        DoubledScenario {
            loaded: doubled,
            pairs,
            unserved,
        }
    }
}

/// What a world writes that this form of it does not serve, with what it installs, or of which nobody
/// knows there how to wait for it: its answers would be chance.
fn asked_unserved(
    loaded: &LoadedScenario,
    name: &str,
    form: &ScenarioWorld,
) -> Option<&'static str> {
    let mut manifests = loaded.world_manifests(name);
    manifests.find_map(|one| unserved_wish(&one.object, &form.install))
}

impl ComparedRelease {
    /// The world on this release; nothing where the release does not concern it.
    fn put_in(&self, scenario: &Scenario, world: &ScenarioWorld) -> Option<ScenarioWorld> {
        let shape = scenario.world_shape(world);
        let mut install = scenario.world_installs(world);
        let shape = match self {
            Self::Kubernetes(release) => {
                if shape.kubernetes != ClusterShape::default().kubernetes {
                    return None;
                }
                ClusterShape {
                    kubernetes: release.clone(),
                    ..shape
                }
            }
            Self::Addon(one) => {
                // A world that asks for another version than the usual one is about that version.
                if !install.remove(&AddonInstall::usual_version(one.addon())) {
                    return None;
                }
                install.insert(*one);
                shape
            }
        };
        Some(ScenarioWorld {
            cluster: Some(shape),
            install,
            ..world.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScenarioLibrary;

    fn pair(old: &str, new: &str) -> Result<ReleasePair, ComparisonError> {
        ReleasePair::new(old.parse()?, new.parse()?)
    }

    #[test]
    fn a_world_that_one_release_does_not_serve_is_not_compared() {
        let mut loaded = loaded(SCENARIO);
        let releases = pair("kyverno@1.18", "kyverno@1.19").unwrap();
        let count = |loaded: &LoadedScenario| releases.double_worlds(loaded).pairs.len();
        let write = |loaded: &mut LoadedScenario, version: &str, kind: &str| {
            let object =
                serde_json::json!({"apiVersion": version, "kind": kind, "spec": {"rules": []}});
            let engine = &mut loaded.scenario.worlds["engine"];
            engine.apply = vec!["policy.yaml".to_owned()];
            let file = "policy.yaml".into();
            let manifests = vec![crate::ObjectManifest { file, object }];
            loaded.manifests.insert("policy.yaml".to_owned(), manifests);
        };
        write(&mut loaded, "kyverno.io/v1", "ClusterPolicy");
        assert_eq!(count(&loaded), 1);
        write(&mut loaded, "policies.kyverno.io/v1", "ValidatingPolicy");
        assert_eq!(count(&loaded), 0);
        let unserved = releases.double_worlds(&loaded).unserved;
        assert!(unserved[0].world == "engine" && unserved[0].why.contains("in force"));
    }

    fn loaded(text: &str) -> LoadedScenario {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("area/name");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("scenario.yaml"), text).unwrap();
        let mut library = ScenarioLibrary::open(folder.path()).unwrap();
        assert_eq!(library.scenarios.len(), 1, "{text}");
        library.scenarios.remove(0)
    }

    const SCENARIO: &str = "scenario: v2\nwhy: x\nworlds:\n  bare: {}\n  engine: { install: [kyverno] }\n  \
        older: { cluster: { kubernetes: \"1.35\", nodes: 0 } }\nsteps:\n- id: look\n  do: check-secrets\n  \
        expect-in: { bare: intact, engine: intact, older: intact }\n";

    #[test]
    fn two_releases_of_one_thing_are_compared_and_nothing_else() {
        assert!(pair("kubernetes@1.35", "kubernetes@1.36").is_ok());
        let fault = |old: &str, new: &str| pair(old, new).unwrap_err().to_string();
        for (old, new, said) in [
            (
                "kubernetes",
                "kubernetes@1.36",
                "`kubernetes` is neither a release",
            ),
            (
                "kubernetes@",
                "kubernetes@1.36",
                "`kubernetes@` is neither a release",
            ),
            ("kubernetes@1.36", "kubernetes@1.36", "compared with itself"),
            ("kubernetes@1.36", "kyverno@1.19", "releases of two things"),
            ("kyverno@1.19", "kyverno@0.1", "0.1"),
            ("docker@1", "docker@2", "docker"),
            (
                "kyverno-controllers@1.18",
                "kyverno-controllers@1.19",
                "compare `kyverno@1.18.2`",
            ),
        ] {
            assert!(fault(old, new).contains(said), "{}", fault(old, new));
        }
    }

    #[test]
    fn every_world_that_names_no_release_is_there_on_both() {
        let DoubledScenario {
            loaded: doubled,
            pairs,
            ..
        } = pair("kubernetes@1.35", "kubernetes@1.36")
            .unwrap()
            .double_worlds(&loaded(SCENARIO));
        let names: Vec<&str> = pairs.iter().map(|pair| pair.world.as_str()).collect();
        assert_eq!(
            names,
            ["bare", "engine"],
            "`older` asks for a release itself"
        );
        let release = |world: &str| {
            let world = &doubled.scenario.worlds[world];
            doubled.scenario.world_shape(world).kubernetes
        };
        assert_eq!(
            ["bare-old", "bare-new", "engine-old", "engine-new"].map(release),
            ["1.35", "1.36", "1.35", "1.36"]
        );
        assert_eq!(doubled.scenario.worlds.len(), 4);
        let intents = doubled.scenario.steps[0].expect_in.as_ref().unwrap();
        assert_eq!(intents.len(), 4);
    }

    #[test]
    fn releases_of_an_addon_concern_the_worlds_that_install_it() {
        let releases = pair("kyverno@1.18", "kyverno@1.19").unwrap();
        let text = SCENARIO
            .replace("[kyverno] }", "[kyverno, kyverno-controllers] }")
            .replace(
                "worlds:\n",
                "worlds:\n  asked: { install: [kyverno@1.18] }\n",
            )
            .replace("{ bare: intact", "{ asked: intact, bare: intact");
        let DoubledScenario {
            loaded: doubled,
            pairs,
            ..
        } = releases.double_worlds(&loaded(&text));
        // One that asks for another version than the usual one is about that version.
        assert_eq!(pairs.len(), 1);
        assert_eq!(pairs[0].world, "engine");
        let installed = |world: &str| {
            let world = &doubled.scenario.worlds[world];
            let install = doubled.scenario.world_installs(world);
            install.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            installed(&pairs[0].old),
            ["kyverno@1.18.2", "kyverno-controllers@1.18.2"]
        );
        assert_eq!(installed(&pairs[0].new), ["kyverno", "kyverno-controllers"]);
    }
}
