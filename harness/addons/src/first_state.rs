//! The state that a box with addons begins with: their definitions, and what they consist of, each
//! Deployment without pods.

use std::collections::BTreeSet;
use std::path::PathBuf;

use api::{collection_path, object_path};
use cluster::{FirstState, HostAccess};
use components::BoxCache;
use model::addons::sigstore;
use model::{FirstObject, PureAddon};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::install::data_folder;
use crate::start::ChosenAddon;
use crate::{Error, definitions, tuf};

/// Goes into the name of every first state: a change of what is in them that changes no text has to
/// change this.
const STATE_REVISION: u8 = 4;

/// What an addon's objects are made from.
#[derive(Clone, Debug)]
pub(crate) struct ObjectInputs {
    /// The folder with its component's data.
    pub(crate) data: PathBuf,
    /// The addons beside it that change what it is made of: parts of an addon, and Sigstore, whose
    /// trust others take.
    pub(crate) beside: BTreeSet<&'static str>,
}

impl ObjectInputs {
    /// Whether this addon is there as well.
    pub(crate) fn has(&self, addon: &PureAddon) -> bool {
        self.beside.contains(addon.name)
    }
}

/// The addons of these that change what others are made of.
pub(crate) fn addons_beside(
    all: impl Iterator<Item = &'static PureAddon>,
) -> BTreeSet<&'static str> {
    all.filter(|addon| addon.part_of.is_some() || **addon == sigstore::ADDON)
        .map(|addon| addon.name)
        .collect()
}

/// What an addon that runs in pods consists of.
pub(crate) struct AddonWorkload {
    /// Reads its definitions from its component's data.
    pub(crate) definitions: fn(&ObjectInputs) -> Result<Vec<Value>, Error>,
    /// The names of those definitions, where not all of its component's are taken.
    pub(crate) definition_names: &'static [&'static str],
    /// Everything else that it consists of: what its pods are, and what they need.
    pub(crate) objects: fn(&ObjectInputs) -> Result<Vec<Value>, Error>,
    /// The text that those are made from, beside its component's data: a manifest, or the patches of
    /// a release's.
    pub(crate) text: &'static str,
    /// The files of its component's data that are the manifest of its release, where `text` patches
    /// them.
    pub(crate) release: &'static [&'static str],
    /// Where its pods are, as `NAMESPACE/LABEL=VALUE`.
    pub(crate) pods: fn(&ObjectInputs) -> &'static [&'static str],
    /// Whether boxes begin with it in place.
    pub(crate) in_first_state: bool,
}

/// The objects of an addon's own manifest, filled in.
pub(crate) fn parse(addon: &str, text: &str) -> Result<Vec<Value>, Error> {
    serde_saphyr::from_multiple_with_options(text, model::library::object_yaml())
        .map_err(|source| Error::misread(addon, source))
}

pub(crate) fn is_secret(object: &Value) -> bool {
    object["kind"] == "Secret"
}

/// The addons' workloads that boxes begin with.
fn first_workloads(
    chosen: &[ChosenAddon],
) -> impl Iterator<Item = (&ChosenAddon, &'static AddonWorkload)> {
    let in_pods = chosen
        .iter()
        .filter_map(|chosen| Some((chosen, &chosen.live.pods.as_ref()?.workload)));
    in_pods.filter(|(_, workload)| workload.in_first_state)
}

/// The first state with these addons; none where no box begins with any of them.
pub(crate) fn first_state(
    cache: &BoxCache,
    chosen: &[ChosenAddon],
    beside: &BTreeSet<&'static str>,
) -> Option<FirstState> {
    let (mut name, mut hash) = (String::new(), Sha256::new());
    hash.update(format!(
        "{STATE_REVISION} {beside:?} {} {}",
        HostAccess::PROBE_IMAGE,
        HostAccess::NODE_ADDRESS
    ));
    for (chosen, workload) in first_workloads(chosen) {
        name += &format!("{}-", chosen.component.name);
        hash.update(chosen.component.id());
        hash.update(workload.text);
        hash.update(workload.release.join(" "));
        hash.update(workload.definition_names.join(" "));
    }
    let hash = tuf::hex(&hash.finalize());
    let name = (!name.is_empty()).then(|| format!("{name}{}", &hash[..12]))?;
    let (cache, chosen, beside) = (cache.clone(), chosen.to_vec(), beside.clone());
    Some(FirstState {
        name,
        objects: Box::new(move || Ok(first_objects(&cache, &chosen, &beside)?)),
    })
}

/// What is in that first state.
fn first_objects(
    cache: &BoxCache,
    chosen: &[ChosenAddon],
    beside: &BTreeSet<&'static str>,
) -> Result<Vec<FirstObject>, Error> {
    let mut all = Vec::new();
    for (chosen, workload) in first_workloads(chosen) {
        let material = ObjectInputs {
            data: data_folder(cache, chosen.component),
            beside: beside.clone(),
        };
        let definitions = (workload.definitions)(&material)?.into_iter();
        all.extend(
            definitions.map(|object| first(definitions::served_path(&object).into(), object)),
        );
        all.extend(hold_all_back((workload.objects)(&material)?));
    }
    Ok(all)
}

/// The objects that a first state holds: Secrets are each box's own.
fn hold_all_back(objects: Vec<Value>) -> impl Iterator<Item = FirstObject> {
    let kept = objects.into_iter().filter(|object| !is_secret(object));
    kept.map(hold_back)
}

/// An object of an addon. A Deployment has no pods yet: its template is the one that it keeps, so
/// that an engine can be restarted, and only their number changes when they are to start.
fn hold_back(mut object: Value) -> FirstObject {
    if object["kind"] != "Deployment" {
        return first(None, object);
    }
    object["spec"]["replicas"] = json!(0);
    first(Some(object_path(&object)), object)
}

fn first(in_force: Option<String>, object: Value) -> FirstObject {
    FirstObject {
        collection: collection_path(&object),
        in_force,
        object,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::LIVE_ADDONS;

    /// What is built of a release; nothing where it is not.
    pub(crate) fn built_material(title: &str, beside: &[&'static str]) -> Option<ObjectInputs> {
        let cache = BoxCache::from_env().unwrap();
        let component = components::find_titled(title).unwrap();
        if cache.is_built(component) {
            let data = cache.data_path(component, "");
            let beside = beside.iter().copied().collect();
            return Some(ObjectInputs { data, beside });
        }
        // CI sets it where everything is built (see tests/released_kinds.rs).
        assert!(
            std::env::var_os("GAUNTLET_ALL_BUILT").is_none(),
            "{title} is not built"
        );
        None
    }

    pub(crate) fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
        let all = objects.iter().filter(|object| object["kind"] == kind);
        all.collect()
    }

    /// Every object has a kind, and no placeholder is left.
    pub(crate) fn expect_filled_in(objects: &[Value]) {
        for object in objects {
            assert!(
                object["kind"].is_string() && !object.to_string().contains("$("),
                "{object}"
            );
        }
    }

    /// The lint takes the accounts of these namespaces as ones that are there.
    #[test]
    fn pods_run_in_the_namespace_that_their_addon_brings() {
        let parts: BTreeSet<&str> = LIVE_ADDONS.iter().map(|live| live.addon.name).collect();
        for beside in [BTreeSet::new(), parts] {
            let material = ObjectInputs {
                data: PathBuf::from("/nonexistent"),
                beside,
            };
            for live in LIVE_ADDONS {
                let pods = live.pods.as_ref();
                let pods = pods.map_or(&[][..], |pods| (pods.workload.pods)(&material));
                // What is in a namespace that a cluster has from the beginning brings none.
                let places: BTreeSet<&str> = pods
                    .iter()
                    .filter_map(|place| Some(place.split_once('/')?.0))
                    .filter(|place| *place != "kube-system")
                    .collect();
                let brought: BTreeSet<&str> = live.addon.namespace.into_iter().collect();
                assert_eq!(places, brought, "{}", live.addon.name);
            }
        }
    }

    /// Those whose objects are made from texts alone.
    fn from_texts() -> impl Iterator<Item = (&'static str, &'static AddonWorkload, Vec<Value>)> {
        let all = LIVE_ADDONS
            .iter()
            .filter_map(|live| Some((live.addon.name, &live.pods.as_ref()?.workload)));
        let material = ObjectInputs {
            data: PathBuf::from("/nonexistent"),
            beside: BTreeSet::from(["sigstore"]),
        };
        all.filter_map(move |(name, workload)| {
            Some((name, workload, (workload.objects)(&material).ok()?))
        })
    }

    #[test]
    fn a_secret_is_in_no_first_state() {
        let objects = ["Secret", "ConfigMap"].map(|kind| {
            json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "a", "namespace": "n"}})
        });
        let held = hold_all_back(objects.to_vec());
        let kinds: Vec<Value> = held.map(|first| first.object["kind"].clone()).collect();
        assert_eq!(kinds, ["ConfigMap"]);
    }

    #[test]
    fn the_pods_of_an_addon_in_a_first_state_are_those_of_its_manifest() {
        for (name, workload, objects) in
            from_texts().filter(|(_, workload, _)| workload.in_first_state)
        {
            let held: Vec<FirstObject> = hold_all_back(objects.clone()).collect();
            let deployments = || {
                held.iter()
                    .filter(|first| first.object["kind"] == "Deployment")
            };
            let pods = (workload.pods)(&ObjectInputs {
                data: PathBuf::new(),
                beside: BTreeSet::new(),
            });
            assert_eq!(deployments().count(), pods.len(), "{name}");
            for (deployment, pods) in deployments().zip(pods) {
                let template = &deployment.object["spec"]["template"];
                assert_eq!(deployment.object["spec"]["replicas"], 0);
                let path = object_path(&deployment.object);
                let whole = objects.iter().find(|object| object_path(object) == path);
                assert_eq!(template, &whole.unwrap()["spec"]["template"], "{name}");
                let (namespace, label) = pods.split_once('/').unwrap();
                let (key, value) = label.split_once('=').unwrap();
                assert_eq!(deployment.object["metadata"]["namespace"], namespace);
                assert_eq!(template["metadata"]["labels"][key], value);
                assert_eq!(
                    deployment.in_force,
                    Some(api::object_path(&deployment.object))
                );
            }
        }
    }

    #[test]
    fn every_text_can_be_read_and_is_filled_in() {
        let mut names = BTreeSet::new();
        for (name, _, objects) in from_texts() {
            expect_filled_in(&objects);
            names.insert(name);
        }
        assert!(
            names.contains("dns") && names.contains("vault"),
            "{names:?}"
        );
    }
}
