//! What an addon serves: a world that writes an object of its kinds, or in which a step names one,
//! its namespace, or a name that only cluster DNS knows, has to install it. Nobody answers otherwise.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::resources::{is_called, named_targets};
use super::{FindingPlace, LintNotes};
use crate::addons::dns;
use crate::served::own_resources_called;
use crate::{
    ADDONS, ANY_KIND, Action, ActionWrites, Answer, ConnectionStage, ObjectManifest, PureAddon,
    ScenarioStep, includes_addon,
};

impl<'a> LintNotes<'a> {
    pub(super) fn check_addons(&mut self) {
        let scenario = &self.loaded.scenario;
        for (name, world) in &scenario.worlds {
            let install = scenario.world_installs(world);
            let mut lacking: BTreeMap<(&str, &str), (FindingPlace<'a>, String)> = BTreeMap::new();
            let mut add = |place, word: &'a str, kind: String, addon: &'static PureAddon| {
                if !includes_addon(&install, addon) {
                    let key = (word, addon.name);
                    lacking.entry(key).or_insert((place, kind));
                }
            };
            for file in &world.apply {
                for (kind, addon) in self.kinds_of_addons(file) {
                    add(FindingPlace::InWorld(name, file), file, kind, addon);
                }
            }
            for step in scenario.steps_in(name) {
                for (word, kind, addon) in self.asked_of_addons(step, name) {
                    add(FindingPlace::InStep(step, word), word, kind, addon);
                }
            }
            for ((_, addon), (place, kind)) in lacking {
                let what = format!("world `{name}` needs `{addon}`, which {kind}, and lacks it");
                let hint = format!("`install: [{addon}]`, or `skip-steps` in this world");
                self.add_finding(place, what, hint);
            }
        }
    }

    /// What a step in this world asks of addons: the word that names it, the kind, and who serves
    /// it. That the API server turns a type down can itself be what is tried.
    fn asked_of_addons(
        &self,
        step: &'a ScenarioStep,
        world: &str,
    ) -> Vec<(&'a str, String, &'static PureAddon)> {
        let named =
            |name: &'a str| Some((name, format!("serves `{name}`"), self.addon_called(name)?));
        let mut asked: Vec<_> = named_targets(&step.action)
            .into_iter()
            .filter_map(|target| named(&target.kind))
            .collect();
        if let Action::List { resource, .. } = &step.action {
            asked.extend(named(resource));
        }
        let is_turned_down = matches!(
            step.intended_verdict(world),
            Some(Answer::NotFound | Answer::Forbidden | Answer::Invalid)
        );
        if let Some(namespace) = &step.namespace
            && !is_turned_down
        {
            let home = self.home_addon(namespace).into_iter();
            asked.extend(home.map(|(what, addon)| (namespace.as_str(), what, addon)));
        }
        if let Some(target) = step.action.facts().connects_to
            && self.needs_dns(step, world)
        {
            asked.push((target, "looks up names".to_owned(), &dns::ADDON));
        }
        match step.action.facts().writes {
            ActionWrites::Object(target) => asked.extend(named(&target.kind)),
            ActionWrites::Manifest(file) if !is_turned_down => {
                let kinds = self.kinds_of_addons(file).into_iter();
                asked.extend(kinds.map(|(kind, addon)| (file, kind, addon)));
            }
            ActionWrites::Manifest(_)
            | ActionWrites::Nothing
            | ActionWrites::Namespace
            | ActionWrites::Images
            | ActionWrites::Cluster { .. }
            | ActionWrites::SharedFigures => {}
        }
        asked
    }

    /// The kinds in a file that an addon serves.
    fn kinds_of_addons(&self, file: &str) -> Vec<(String, &'static PureAddon)> {
        let objects = self.loaded.manifests.get(file).into_iter().flatten();
        objects
            .flat_map(|one| {
                let kind = || format!("serves `{}`", one.kind());
                let serving = self.serving_addon(one).map(|addon| (kind(), addon));
                serving.into_iter().chain(self.home_addon(one.namespace()))
            })
            .collect()
    }

    /// The addon that brings this namespace, where the scenario does not make it itself.
    fn home_addon(&self, namespace: &str) -> Option<(String, &'static PureAddon)> {
        let mut all = self.loaded.manifests.values().flatten();
        let is_made = all.any(|one| one.kind() == "Namespace" && one.name() == namespace);
        let mut addons = ADDONS.iter().copied().filter(|_| !is_made);
        let addon = addons.find(|addon| addon.namespace == Some(namespace))?;
        Some((format!("brings the namespace `{namespace}`"), addon))
    }

    /// Whether a step reaches for a name that only cluster DNS knows: that its look-up fails can
    /// itself be what is tried, and pods can have names and servers of their own.
    fn needs_dns(&self, step: &ScenarioStep, world: &str) -> bool {
        let target = step.action.facts().connects_to;
        let fails = matches!(
            step.intended_verdict(world),
            Some(Answer::Blocked {
                at: ConnectionStage::Dns
            })
        );
        let mut all = self.loaded.manifests.values().flatten();
        target.is_some_and(is_looked_up)
            && !fails
            && !all.any(|one| {
                let text = one.object.to_string();
                ["dnsConfig", "hostAliases"]
                    .iter()
                    .any(|own| text.contains(own))
            })
    }

    fn serving_addon(&self, manifest: &ObjectManifest) -> Option<&'static PureAddon> {
        let version = manifest.object["apiVersion"].as_str()?;
        let (group, _) = version.rsplit_once('/')?;
        let name = format!("{}.{group}", manifest.kind().to_lowercase());
        self.addon_called(&name)
    }

    /// The addon that serves what is called so, where neither the API server nor a definition of the
    /// scenario's own does.
    fn addon_called(&self, name: &str) -> Option<&'static PureAddon> {
        let is_there = own_resources_called(name).next().is_some() || self.defines(name);
        (!is_there).then(|| addon_of_kind(name)).flatten()
    }
}

/// Whether the host of a target is a name: neither an address nor what stands for one, nor asked of
/// a server that the target names.
fn is_looked_up(target: &str) -> bool {
    let Some((scheme, rest)) = target.split_once("://") else {
        return false;
    };
    let host = rest.split([':', '?', '/']).next().unwrap_or_default();
    let is_address = host.starts_with(['[', '$']) || host.parse::<IpAddr>().is_ok();
    !is_address && host != "localhost" && !(scheme == "dns" && rest.contains('@'))
}

/// The addon that serves a kind or a resource that is called so, perhaps with its group behind it.
pub(super) fn addon_of_kind(whole: &str) -> Option<&'static PureAddon> {
    let (name, group) = whole
        .split_once('.')
        .map_or((whole, None), |(name, group)| (name, Some(group)));
    ADDONS.iter().copied().find(|addon| {
        let kinds = addon.kinds.iter().map(|kind| (kind.group, kind.kind));
        let mut all = kinds.chain(addon.without_barrier.iter().copied());
        all.any(|(own, kind)| {
            let is_it = is_called(kind, name) || kind == ANY_KIND && group.is_some();
            is_it && group.is_none_or(|group| group == own)
        })
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{ScenarioLibrary, lint_scenario};

    fn findings(world: &str, step: &str) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("admission/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "scenario: v2\nwhy: Because.\nworlds:\n  bare: {{}}\n  other: {{{world}}}\nsteps:\n\
             - {{id: version, do: {{path: /version}}, expect: allowed}}\n- {{id: one, do: {step}}}\n"
        );
        fs::write(dir.join("scenario.yaml"), &text).unwrap();
        for (file, manifest) in [
            (
                "policy.yaml",
                "{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {name: a}, spec: {rules: []}}",
            ),
            (
                "constraint.yaml",
                "{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: Repos, metadata: {name: a}}",
            ),
            (
                "own.yaml",
                "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: x}, \
                 spec: {group: kyverno.io, names: {plural: clusterpolicies, singular: clusterpolicy, kind: ClusterPolicy}}}",
            ),
            (
                "map.yaml",
                "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}",
            ),
        ] {
            if text.contains(file) {
                fs::write(dir.join(file), manifest).unwrap();
            }
        }
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        let found = lint_scenario(&library.scenarios[0]).into_iter();
        found
            .filter(|finding| finding.what.contains(", and lacks it"))
            .map(|finding| (finding.what, finding.snippet))
            .collect()
    }

    const MAKES_A_MAP: &str = "{create: map.yaml}, expect: admitted";

    #[test]
    fn a_world_without_the_addon_of_its_policy_is_refused() {
        let lacks = |world: &str, addon: &str, kind: &str| {
            format!("world `{world}` needs `{addon}`, which {kind}, and lacks it")
        };
        for (world, step, wanted) in [
            (
                "apply: [policy.yaml], did-not-help: another thing",
                MAKES_A_MAP,
                vec![lacks("other", "kyverno", "serves `ClusterPolicy`")],
            ),
            (
                "apply: [constraint.yaml], install: [kyverno]",
                MAKES_A_MAP,
                vec![lacks("other", "gatekeeper", "serves `Repos`")],
            ),
            (
                "install: [kyverno]",
                "{create: policy.yaml}, expect: admitted",
                vec![lacks("bare", "kyverno", "serves `ClusterPolicy`")],
            ),
            (
                "install: [kyverno]",
                "{list: {resource: clusterpolicies}}, expect: allowed",
                vec![lacks("bare", "kyverno", "serves `clusterpolicies`")],
            ),
            (
                "install: [kyverno]",
                "{delete: clusterpolicy/a}, expect: admitted",
                vec![lacks("bare", "kyverno", "serves `clusterpolicy`")],
            ),
            (
                "install: [external-secrets]",
                "{look-for: {object: externalsecret/a}}, expect: found",
                vec![lacks("bare", "external-secrets", "serves `externalsecret`")],
            ),
            (
                "install: [vault]",
                "{get: secret/a}, namespace: vault, expect: allowed",
                vec![lacks("bare", "vault", "brings the namespace `vault`")],
            ),
            (
                "install: [dns]",
                "{reach: {from: a, to: 'tcp://db:5432?open'}}, expect: reached",
                vec![lacks("bare", "dns", "looks up names")],
            ),
        ] {
            let found = findings(world, step);
            let told: Vec<_> = found.iter().map(|(what, _)| what.clone()).collect();
            assert_eq!(told, wanted, "{world} {step}");
            assert!(found[0].1.contains('^'), "{}", found[0].1);
        }
    }

    #[test]
    fn what_is_served_or_meant_to_be_turned_down_is_left_alone() {
        for (world, step) in [
            ("apply: [policy.yaml], install: [kyverno]", MAKES_A_MAP),
            ("apply: [own.yaml, policy.yaml]", MAKES_A_MAP),
            (
                "install: [kyverno]",
                "{create: policy.yaml}, expect-in: {bare: invalid, other: admitted}",
            ),
            ("", "{create: policy.yaml}, expect: invalid"),
            ("", "{list: {resource: events}}, expect: allowed"),
            (
                "install: [vault]",
                "{get: secret/a}, namespace: vault, expect-in: {bare: not-found, other: allowed}",
            ),
            (
                "install: [dns]",
                "{reach: {from: a, to: 'tcp://db:5432'}}, expect-in: {bare: {blocked: {at: dns}}, other: reached}",
            ),
            (
                "",
                "{reach: {from: a, to: 'dns://web@$(pod-ip:dns)'}}, expect: reached",
            ),
            (
                "",
                "{reach: {from: a, to: 'http://192.0.2.1/a?by=b'}}, expect: reached",
            ),
        ] {
            assert_eq!(findings(world, step), [], "{world} {step}");
        }
    }
}
