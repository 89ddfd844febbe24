//! Kinds of objects without a known barrier or scope.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{FindingPlace, LintNotes};
use crate::addons::unserved_wish;
use crate::{
    ActionWrites, Answer, ObjectManifest, ScenarioStep, ScenarioWorld, object_kind,
    object_kind_called,
};

const KINDS_HINT: &str = "known kinds are in `harness/model/src/kinds.rs` and `harness/model/src/addons`, each with what shows that it is in force";

const UNSERVED_HINT: &str = "a world would show that nothing happens, and prove nothing by it";

impl LintNotes<'_> {
    pub(super) fn check_kinds(&mut self) {
        let scenario = &self.loaded.scenario;
        let mut files: BTreeSet<&str> = scenario
            .worlds
            .values()
            .flat_map(|world| world.apply.iter().map(String::as_str))
            .collect();
        let mut named = BTreeSet::new();
        for step in scenario.steps.iter().filter(|step| !is_only_invalid(step)) {
            match step.action.facts().writes {
                ActionWrites::Manifest(file) => _ = files.insert(file),
                ActionWrites::Object(target) => _ = named.insert(target.kind.as_str()),
                ActionWrites::Nothing
                | ActionWrites::Namespace
                | ActionWrites::Images
                | ActionWrites::Cluster { .. }
                | ActionWrites::SharedFigures => {}
            }
        }
        let all = self.loaded.manifests.values().flatten();
        let own: Vec<&Value> = all
            .filter(|one| one.kind() == "CustomResourceDefinition")
            .map(|one| &one.object["spec"])
            .collect();
        for file in files {
            let objects = self.loaded.manifests.get(file).into_iter().flatten();
            for manifest in objects
                .filter(|one| is_unknown(one) && !own.iter().any(|spec| defines_kind(spec, one)))
            {
                let what = format!(
                    "`{file}` holds a {}, a kind that Gauntlet does not know",
                    manifest.kind()
                );
                let place = FindingPlace::InManifest(file, manifest.kind());
                self.add_finding(place, what, KINDS_HINT);
            }
            for (kind, wish) in self.unserved_wishes(file) {
                let what =
                    format!("`{file}` holds a {kind} that does not get what it asks for: {wish}");
                self.add_finding(FindingPlace::InManifest(file, &kind), what, UNSERVED_HINT);
            }
        }
        let is_own = |kind: &str| {
            own.iter()
                .any(|spec| spec["names"]["singular"] == *kind || calls_kind(spec, kind))
        };
        for kind in named
            .into_iter()
            .filter(|kind| object_kind_called(kind).is_none() && !is_own(kind))
        {
            self.add_finding(
                FindingPlace::Anywhere(&format!("{kind}/")),
                format!("`{kind}` is not a kind that Gauntlet knows"),
                KINDS_HINT,
            );
        }
    }
}

impl LintNotes<'_> {
    /// What the objects of a file ask for that nothing does in some world that writes them, with
    /// their kinds.
    fn unserved_wishes(&self, file: &str) -> BTreeSet<(String, &'static str)> {
        let scenario = &self.loaded.scenario;
        let writes = |name: &str, world: &ScenarioWorld| {
            let mut steps = scenario.steps_in(name);
            world.apply.iter().any(|one| one == file)
                || steps.any(|step| step.action.facts().writes == ActionWrites::Manifest(file))
        };
        let worlds = scenario.worlds.iter();
        let installs: BTreeSet<_> = worlds
            .filter(|(name, world)| writes(name, world))
            .map(|(_, world)| scenario.world_installs(world))
            .collect();
        let objects = || self.loaded.manifests.get(file).into_iter().flatten();
        let wishes = installs.iter().flat_map(|install| {
            objects().filter_map(move |one| {
                Some((one.kind().to_owned(), unserved_wish(&one.object, install)?))
            })
        });
        wishes.collect()
    }
}

/// Whether the API server is meant to turn it down for its type: then it is never in force.
fn is_only_invalid(step: &ScenarioStep) -> bool {
    let mut intents = step
        .expect
        .iter()
        .chain(step.expect_in.iter().flat_map(|each| each.values()))
        .peekable();
    intents.peek().is_some() && intents.all(|answer| *answer == Answer::Invalid)
}

fn is_unknown(manifest: &ObjectManifest) -> bool {
    let version = manifest.object["apiVersion"].as_str().unwrap_or_default();
    manifest.manifest_fault().is_none() && object_kind(version, manifest.kind()).is_none()
}

/// Whether a definition is that of this object's kind.
fn defines_kind(spec: &Value, manifest: &ObjectManifest) -> bool {
    let version = manifest.object["apiVersion"].as_str().unwrap_or_default();
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    spec["group"] == *group && spec["names"]["kind"] == *manifest.kind()
}

/// Whether a definition's kind is called so: `KIND` or `KIND.GROUP`, in lower case.
fn calls_kind(spec: &Value, name: &str) -> bool {
    let (kind, group) = name
        .split_once('.')
        .map_or((name, None), |(kind, group)| (kind, Some(group)));
    let is_kind = spec["names"]["kind"]
        .as_str()
        .is_some_and(|one| one.to_lowercase() == kind);
    is_kind && group.is_none_or(|group| spec["group"] == *group)
}
