//! Admission plugins that a cluster's shape turns on or off by name, and its configuration of
//! authentication: what the API server would not take, or take for nothing, and what nobody could
//! know to be in force without a plugin.

use std::collections::BTreeSet;

use super::{FindingPlace, LintNotes};
use crate::served::{admission_plugins, is_usual_plugin};
use crate::spelling::suggest_word;
use crate::{ClusterShape, LoadedScenario, ObjectManifest, object_kind};

impl LintNotes<'_> {
    pub(super) fn check_switches(&mut self, world: Option<&str>, shape: &ClusterShape) {
        let switches = &shape.admission_plugins;
        let configured = self.configured_plugins(shape);
        for name in switches.enable.union(&switches.disable) {
            let off = switches.disable.contains(name);
            let what = if !admission_plugins().any(|one| one == name) {
                let what = format!("there is no admission plugin `{name}`");
                let hint = suggest_word(
                    name,
                    admission_plugins(),
                    "`kube-apiserver --help` lists them",
                );
                self.add_finding(FindingPlace::InShape(world, name), what, hint);
                continue;
            } else if off && (switches.enable.contains(name) || configured.contains(name)) {
                format!("the admission plugin `{name}` is turned on and off")
            } else if off && !is_usual_plugin(name) {
                format!("the admission plugin `{name}` is off without being turned off")
            } else if !off && is_usual_plugin(name) {
                format!("the admission plugin `{name}` acts without being turned on")
            } else {
                continue;
            };
            let hint = "name it once, and where it changes something";
            self.add_finding(FindingPlace::InShape(world, name), what, hint);
        }
    }

    /// The plugins that the shape's file names.
    fn configured_plugins(&self, shape: &ClusterShape) -> BTreeSet<String> {
        let file = shape.admission.iter();
        let objects = file.flat_map(|file| self.loaded.manifests.get(file).into_iter().flatten());
        let plugins = objects.filter_map(|one| one.object["plugins"].as_array());
        plugins
            .flatten()
            .filter_map(|one| one["name"].as_str().map(str::to_owned))
            .collect()
    }

    pub(super) fn check_authentication(&mut self, world: Option<&str>, shape: &ClusterShape) {
        const KIND: &str = "AuthenticationConfiguration";
        let Some(file) = &shape.authentication else {
            return;
        };
        let objects = self.loaded.manifests.get(file).into_iter().flatten();
        let objects: Vec<_> = objects.map(|one| &one.object).collect();
        let (what, hint) = if !objects.iter().any(|one| one["kind"] == KIND) {
            (
                format!("`{file}` is not an `{KIND}`"),
                "its `kind` says what a file is",
            )
        } else if objects.iter().any(|one| !one["jwt"].is_null()) {
            (
                format!("`{file}` names issuers of tokens, and the API server reaches none"),
                "leave `jwt` out: `anonymous` is what can be tried",
            )
        } else if objects.iter().all(|one| one["anonymous"].is_null()) {
            (
                format!("`{file}` says nothing of anonymous requests, and changes nothing"),
                "say `anonymous`, or leave the file out",
            )
        } else {
            return;
        };
        self.add_finding(FindingPlace::InShape(world, file), what, hint);
    }

    /// What a world writes has to be shown to be in force by something that acts.
    pub(super) fn check_shown_by(&mut self) {
        let loaded = self.loaded;
        let scenario = &loaded.scenario;
        for (name, world) in &scenario.worlds {
            let off = scenario.world_shape(world).admission_plugins.disable;
            for (kind, plugin) in shown_kinds(loaded, name) {
                if off.contains(plugin) {
                    let what = format!(
                        "world `{name}` writes a {kind}, and turns off the admission plugin `{plugin}`, by which it is seen to be in force"
                    );
                    let hint = "leave the plugin on, or give it a world that writes no such object";
                    self.add_finding(FindingPlace::World(name), what, hint);
                }
            }
        }
    }
}

/// The kinds of what a world applies, and of what its steps send, each with the plugin that shows
/// that it is in force, where one does.
fn shown_kinds<'a>(loaded: &'a LoadedScenario, world: &str) -> BTreeSet<(&'a str, &'static str)> {
    let shown = |one: &'a ObjectManifest| {
        let known = object_kind(one.object["apiVersion"].as_str()?, one.kind())?;
        Some((one.kind(), known.shown_by_plugin()?))
    };
    loaded.world_manifests(world).filter_map(shown).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::{ScenarioLibrary, lint_scenario};

    const FILES: [(&str, &str); 7] = [
        (
            "admission.yaml",
            "{apiVersion: apiserver.config.k8s.io/v1, kind: AdmissionConfiguration, plugins: [{name: Priority}]}",
        ),
        (
            "anonymous.yaml",
            "{apiVersion: apiserver.config.k8s.io/v1, kind: AuthenticationConfiguration, anonymous: {enabled: false}}",
        ),
        (
            "issuers.yaml",
            "{apiVersion: apiserver.config.k8s.io/v1, kind: AuthenticationConfiguration, jwt: [{}]}",
        ),
        (
            "nothing.yaml",
            "{apiVersion: apiserver.config.k8s.io/v1, kind: AuthenticationConfiguration}",
        ),
        (
            "limits.yaml",
            "{apiVersion: v1, kind: LimitRange, metadata: {name: a}, spec: {limits: []}}",
        ),
        (
            "binding.yaml",
            "{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingAdmissionPolicyBinding, metadata: {name: a}}",
        ),
        (
            "namespace.yaml",
            "{apiVersion: v1, kind: Namespace, metadata: {name: $(namespace)}}",
        ),
    ];

    /// What is found in a world of this shape, of what this module looks for.
    fn findings(world: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("admission/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "scenario: v2\nwhy: Because.\nworlds: {{bare: {{}}, other: {{{world}}}}}\n\
             steps: [{{id: a, do: {{path: /version}}, expect: allowed}}]\n"
        );
        fs::write(dir.join("scenario.yaml"), text).unwrap();
        for (name, text) in FILES.iter().filter(|(name, _)| world.contains(name)) {
            fs::write(dir.join(name), text).unwrap();
        }
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        let found = lint_scenario(&library.scenarios[0]).into_iter();
        let of_this = [
            "admission plugin",
            "not an `",
            "issuers",
            "anonymous requests",
        ];
        found
            .map(|finding| finding.what)
            .filter(|what| of_this.iter().any(|word| what.contains(word)))
            .collect()
    }

    fn switched(switches: &str) -> Vec<String> {
        findings(&format!("cluster: {{admission-plugins: {{{switches}}}}}"))
    }

    #[test]
    fn a_plugin_is_named_where_it_changes_something() {
        let named = |what: &str| vec![format!("the admission plugin `{what}")];
        assert_eq!(switched("enable: [AlwaysPullImages]"), Vec::<String>::new());
        assert_eq!(switched("disable: [NodeRestriction]"), Vec::<String>::new());
        assert_eq!(
            switched("enable: [AlwaysPullImage]"),
            ["there is no admission plugin `AlwaysPullImage`"]
        );
        for (switches, what) in [
            (
                "enable: [LimitRanger]",
                "LimitRanger` acts without being turned on",
            ),
            (
                "disable: [AlwaysDeny]",
                "AlwaysDeny` is off without being turned off",
            ),
        ] {
            assert_eq!(switched(switches), named(what), "{switches}");
        }
        assert_eq!(
            switched("enable: [AlwaysDeny], disable: [AlwaysDeny]"),
            named("AlwaysDeny` is turned on and off")
        );
        let both = "cluster: {admission: admission.yaml, admission-plugins: {disable: [Priority]}}";
        assert_eq!(findings(both), named("Priority` is turned on and off"));
    }

    #[test]
    fn what_is_written_is_shown_by_a_plugin_that_acts() {
        let world = |plugin: &str, file: &str| {
            findings(&format!(
                "cluster: {{admission-plugins: {{disable: [{plugin}]}}}}, apply: [{file}]"
            ))
            .len()
        };
        assert_eq!(world("LimitRanger", "limits.yaml"), 1);
        assert_eq!(world("LimitRanger", "namespace.yaml"), 0);
        assert_eq!(world("ValidatingAdmissionWebhook", "namespace.yaml"), 1);
        assert_eq!(world("PodSecurity", "limits.yaml"), 0);
        assert_eq!(world("MutatingAdmissionPolicy", "binding.yaml"), 1);
        assert_eq!(world("ValidatingAdmissionPolicy", "binding.yaml"), 0);
    }

    #[test]
    fn authentication_is_about_anonymous_requests() {
        let found = |file: &str| findings(&format!("cluster: {{authentication: {file}}}"));
        assert_eq!(found("anonymous.yaml"), Vec::<String>::new());
        assert_eq!(
            found("issuers.yaml"),
            ["`issuers.yaml` names issuers of tokens, and the API server reaches none"]
        );
        assert_eq!(found("nothing.yaml").len(), 1);
        assert_eq!(
            found("limits.yaml"),
            ["`limits.yaml` is not an `AuthenticationConfiguration`"]
        );
    }
}
