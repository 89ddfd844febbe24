//! The objects of an addon's own release, changed by named patches alone, each with a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use components::PinnedComponent;
use model::library::object_yaml;
use serde::Deserialize;
use serde_json::Value;

use crate::first_state::{AddonWorkload, ObjectInputs};
use crate::{Error, LIVE_ADDONS};

/// A change of what was released.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleasePatch {
    /// What it is called.
    pub name: String,
    /// Why it has to be.
    pub why: String,
    /// The addons beside which alone it is made.
    #[serde(default)]
    pub with: BTreeSet<String>,
    /// The addons beside which it is not made.
    #[serde(default)]
    pub without: BTreeSet<String>,
    /// The kind of the objects that it changes: all of them, unless some are named.
    kind: String,
    /// The names of the only objects that it changes.
    #[serde(default)]
    only: Vec<String>,
    /// Whether these objects are not made at all.
    #[serde(default, rename = "leave-out")]
    leave_out: bool,
    /// New values, by JSON pointer. The mapping that a value goes into is there already.
    #[serde(default)]
    set: BTreeMap<String, Value>,
    /// What is added to a list, by its JSON pointer: a value, or each of several.
    #[serde(default)]
    append: BTreeMap<String, Value>,
    /// What is taken out, by JSON pointer.
    #[serde(default)]
    remove: Vec<String>,
}

/// A release's manifest, and all that is changed of it.
#[derive(Debug)]
pub struct PatchedRelease {
    /// Where its manifests are in the release, in their order.
    pub manifests: Vec<&'static str>,
    /// The changes.
    pub patches: Vec<ReleasePatch>,
}

/// How the release that comes with this component is changed; nothing where what is installed does
/// not come from a release's manifest.
///
/// # Errors
/// When the patches cannot be read.
pub fn patched_release(component: &PinnedComponent) -> Result<Option<PatchedRelease>, Error> {
    let title = component.title();
    let mut workloads = LIVE_ADDONS.iter().filter_map(|live| {
        let mut versions = live.addon.versions.iter();
        let is_its_own = versions.any(|version| version.components.first() == Some(&&*title));
        let workload = live.pods.as_ref().map(|pods| &pods.workload);
        workload.filter(|_| is_its_own)
    });
    let Some(workload) = workloads.find(|one| !one.release.is_empty()) else {
        return Ok(None);
    };
    let origin = |file: &&'static str| component.data_origin(file).unwrap_or(*file);
    Ok(Some(PatchedRelease {
        manifests: workload.release.iter().map(origin).collect(),
        patches: read_patches(workload.text)?,
    }))
}

fn read_patches(text: &str) -> Result<Vec<ReleasePatch>, Error> {
    serde_saphyr::from_str_with_options(text, object_yaml())
        .map_err(|source| Error::misread("patches.yaml", source))
}

/// Everything in the manifests of a workload's release but its definitions, with the workload's
/// patches, and their placeholders filled in.
///
/// # Errors
/// When a manifest cannot be read, or a patch does not fit the release.
pub(crate) fn released_objects(
    material: &ObjectInputs,
    workload: &AddonWorkload,
    fill: &[(&str, &str)],
) -> Result<Vec<Value>, Error> {
    let mut objects = Vec::new();
    for file in workload.release {
        objects.extend(manifest_objects(&material.data.join(file))?);
    }
    let mut patches = read_patches(workload.text)?;
    patches.retain(|patch| patch.is_made_beside(&material.beside));
    patch_objects(&mut objects, &patches, fill)?;
    Ok(objects)
}

/// Everything in a manifest but its definitions.
fn manifest_objects(manifest: &Path) -> Result<Vec<Value>, Error> {
    let text = std::fs::read_to_string(manifest).map_err(|source| Error::Read {
        path: manifest.to_owned(),
        source,
    })?;
    parse_objects(&manifest.display().to_string(), &text)
}

fn parse_objects(manifest: &str, text: &str) -> Result<Vec<Value>, Error> {
    let is_ours = |document: &&str| {
        says_something(document) && !document.contains("\nkind: CustomResourceDefinition\n")
    };
    text.split("\n---\n")
        .filter(is_ours)
        .map(|document| {
            serde_saphyr::from_str_with_options(document, object_yaml())
                .map_err(|source| Error::misread(manifest, source))
        })
        .collect()
}

/// Whether there is more in a document than comments: some manifests begin or end with none.
fn says_something(document: &str) -> bool {
    let mut lines = document.lines().map(str::trim);
    lines.any(|line| !matches!(line, "" | "---") && !line.starts_with('#'))
}

fn patch_objects(
    objects: &mut Vec<Value>,
    patches: &[ReleasePatch],
    fill: &[(&str, &str)],
) -> Result<(), Error> {
    for patch in patches {
        patch.expect_objects(objects)?;
        if patch.leave_out {
            objects.retain(|object| !patch.is_for(object));
        }
        let mut changed = objects.iter_mut().filter(|object| patch.is_for(object));
        changed.try_for_each(|object| patch.apply(object, fill))?;
    }
    Ok(())
}

impl ReleasePatch {
    /// Whether it is made where these addons are.
    fn is_made_beside(&self, addons: &BTreeSet<&'static str>) -> bool {
        let is_there = |name: &String| addons.contains(name.as_str());
        self.with.iter().all(is_there) && !self.without.iter().any(is_there)
    }

    fn is_for(&self, object: &Value) -> bool {
        let is_named = |name: &String| object["metadata"]["name"] == **name;
        object["kind"] == *self.kind && (self.only.is_empty() || self.only.iter().any(is_named))
    }

    /// Fails unless there is something to change, and everything that is named.
    fn expect_objects(&self, objects: &[Value]) -> Result<(), Error> {
        let mut concerned = objects
            .iter()
            .filter(|object| self.is_for(object))
            .peekable();
        if concerned.peek().is_none() {
            return Err(self.lacks(self.kind.clone()));
        }
        let found: Vec<&Value> = concerned
            .map(|object| &object["metadata"]["name"])
            .collect();
        let missing = self
            .only
            .iter()
            .find(|name| !found.iter().any(|one| **one == ***name));
        missing.map_or(Ok(()), |name| {
            Err(self.lacks(format!("{} `{name}`", self.kind)))
        })
    }

    fn apply(&self, object: &mut Value, fill: &[(&str, &str)]) -> Result<(), Error> {
        for (pointer, value) in &self.set {
            let (place, key) = self.resolve_pointer(object, pointer)?;
            place.insert(key, fill_placeholders(value, fill));
        }
        for (pointer, value) in &self.append {
            let list = object.pointer_mut(pointer).and_then(Value::as_array_mut);
            let list = list.ok_or_else(|| self.lacks(format!("list at {pointer}")))?;
            match fill_placeholders(value, fill) {
                Value::Array(several) => list.extend(several),
                one => list.push(one),
            }
        }
        for pointer in &self.remove {
            let (place, key) = self.resolve_pointer(object, pointer)?;
            place
                .shift_remove(&key)
                .ok_or_else(|| self.lacks(format!("value at {pointer}")))?;
        }
        Ok(())
    }

    /// The mapping that a pointer leads into, and the key in it.
    fn resolve_pointer<'a>(
        &self,
        object: &'a mut Value,
        pointer: &str,
    ) -> Result<(&'a mut serde_json::Map<String, Value>, String), Error> {
        let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
        let mapping = object.pointer_mut(parent).and_then(Value::as_object_mut);
        let mapping = mapping.ok_or_else(|| self.lacks(format!("mapping at {parent}")))?;
        Ok((mapping, key.replace("~1", "/").replace("~0", "~")))
    }

    fn lacks(&self, missing: String) -> Error {
        Error::Patch {
            name: self.name.clone(),
            why: self.why.clone(),
            missing,
        }
    }
}

/// A value with what its placeholders stand for.
fn fill_placeholders(value: &Value, fill: &[(&str, &str)]) -> Value {
    match value {
        Value::String(text) => fill
            .iter()
            .fold(text.clone(), |text, (name, value)| {
                text.replace(&format!("$({name})"), value)
            })
            .into(),
        Value::Array(items) => items
            .iter()
            .map(|item| fill_placeholders(item, fill))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), fill_placeholders(value, fill)))
            .collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RELEASE: &str = "kind: Namespace\nmetadata: { labels: { a/b: c } }\n---\napiVersion: apiextensions.k8s.io/v1\n\
        kind: CustomResourceDefinition\nmetadata: {}\n---\nkind: Deployment\nmetadata: { name: d }\nspec: { image: x, args: [one], mode: 0444 }\n";

    fn patched(patches: &str) -> Result<Vec<Value>, Error> {
        let mut objects = parse_objects("the release", RELEASE)?;
        patch_objects(&mut objects, &read_patches(patches)?, &[("image", "ours")])?;
        Ok(objects)
    }

    #[test]
    fn a_document_that_says_nothing_is_none() {
        let objects = |text| parse_objects("the release", text).unwrap();
        let text = "# by whom\n---\n---\nkind: Service\n\n---\n# kind: Secret\n---\n";
        assert_eq!(objects(text), [json!({"kind": "Service"})]);
        assert!(parse_objects("the release", "kind: [").is_err());
    }

    #[test]
    fn a_release_is_changed_where_its_patches_say() {
        let objects = patched(
            "- { name: a, why: w, kind: Deployment, set: { /spec/image: $(image) }, append: { /spec/args: two } }\n\
             - { name: b, why: w, kind: Namespace, remove: [/metadata/labels/a~1b] }\n\
             - { name: c, why: w, kind: Deployment, only: [d], append: { /spec/args: [three, four] } }",
        );
        let spec = json!({"image": "ours", "args": ["one", "two", "three", "four"], "mode": 0o444});
        let wanted = [
            json!({"kind": "Namespace", "metadata": {"labels": {}}}),
            json!({"kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}),
        ];
        assert_eq!(objects.unwrap(), wanted);
    }

    #[test]
    fn what_a_patch_leaves_out_is_not_made() {
        let objects =
            patched("- { name: a, why: w, kind: Deployment, only: [d], leave-out: true }");
        let kinds: Vec<Value> = objects
            .unwrap()
            .iter()
            .map(|object| object["kind"].clone())
            .collect();
        assert_eq!(kinds, ["Namespace"]);
    }

    #[test]
    fn a_patch_may_go_by_what_is_beside() {
        let patches = "- { name: a, why: w, kind: K, with: [x, y] }\n- { name: b, why: w, kind: K, without: [x] }";
        let made = |beside: &[&'static str]| {
            let beside = beside.iter().copied().collect();
            let patches = read_patches(patches).unwrap().into_iter();
            let made = patches.filter(|patch| patch.is_made_beside(&beside));
            made.map(|patch| patch.name).collect::<String>()
        };
        assert_eq!(made(&[]), "b");
        assert_eq!(made(&["x"]), "");
        assert_eq!(made(&["x", "y"]), "a");
    }

    #[test]
    fn what_is_changed_of_a_release_is_told() {
        let of_versions = model::ADDONS.iter().flat_map(|addon| addon.versions);
        let titles: BTreeSet<&str> = of_versions.map(|one| one.components[0]).collect();
        let release_of = |title| patched_release(components::find_titled(title).unwrap()).unwrap();
        let told: Vec<(&str, PatchedRelease)> = titles
            .into_iter()
            .filter_map(|title| Some((title, release_of(title)?)))
            .collect();
        assert!(told.len() >= 6, "{}", told.len());
        for (title, release) in told {
            let is_path = |manifest: &&str| manifest.contains('/');
            let manifests = &release.manifests;
            assert!(
                !manifests.is_empty() && manifests.iter().all(is_path),
                "{manifests:?}"
            );
            let names: std::collections::BTreeSet<_> =
                release.patches.iter().map(|patch| &patch.name).collect();
            assert!(names.len() > 5 && names.len() == release.patches.len());
            let mut beside = release
                .patches
                .iter()
                .flat_map(|patch| patch.with.union(&patch.without));
            assert!(
                beside.all(|name| model::find_addon(name).is_some()),
                "{title}"
            );
        }
        let other = components::find_titled("vault-1.13.2").unwrap();
        assert!(patched_release(other).unwrap().is_none());
    }

    #[test]
    fn a_patch_that_changes_nothing_is_a_fault() {
        for patch in [
            "kind: Service, set: { /spec/a: b }",
            "kind: Deployment, only: [another], set: { /spec/image: b }",
            "kind: Deployment, only: [d, another], leave-out: true",
            "kind: Deployment, set: { /status/a: b }",
            "kind: Deployment, append: { /spec/image: b }",
            "kind: Deployment, remove: [/spec/b]",
        ] {
            let why = patched(&format!("- {{ name: a, why: for fun, {patch} }}"));
            let why = why.unwrap_err().to_string();
            assert!(
                why.starts_with("the patch `a` (for fun) does not fit the release: "),
                "{why}"
            );
        }
        assert!(
            patched("- { name: a, kind: Deployment }").is_err(),
            "a reason has to be given"
        );
    }
}
