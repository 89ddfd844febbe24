//! Words of a cluster's shape that a component would not take, or take for nothing: feature gates,
//! groups of the API, admission plugins, times.

use super::{FindingPlace, LintNotes};
use crate::ClusterShape;
use crate::served::{
    FeatureGate, admission_plugins, feature_gate, gate_names, is_runtime_api, runtime_apis,
    tabled_release,
};
use crate::spelling::suggest_word;

const GATES_HINT: &str =
    "`kube-apiserver --help` of that release lists those that it does not hide";
const APIS_HINT: &str = "it is `api/all`, `api/ga`, `api/beta`, `api/alpha`, or GROUP/VERSION as in `resource.k8s.io/v1beta1`";
const PLUGINS_HINT: &str = "`kube-apiserver --help` lists them";

/// The units of Go's durations.
const TIME_UNITS: [&str; 7] = ["ns", "us", "µs", "ms", "s", "m", "h"];

impl LintNotes<'_> {
    pub(super) fn check_cluster_words(&mut self) {
        for (world, shape) in self.written_shapes() {
            self.check_gates(world, shape);
            self.check_apis(world, shape);
            self.check_plugins(shape);
            self.check_switches(world, shape);
            self.check_authentication(world, shape);
            self.check_authorization(world, shape);
            self.check_times(world, shape);
        }
    }

    fn check_gates(&mut self, world: Option<&str>, shape: &ClusterShape) {
        let Some(release) = tabled_release(&shape.kubernetes) else {
            return; // the components say so
        };
        for (name, is_on) in &shape.feature_gates {
            let (what, hint) = match feature_gate(release, name) {
                None => (
                    format!("Kubernetes {release} has no feature gate `{name}`"),
                    suggest_word(name, gate_names(release), GATES_HINT),
                ),
                Some(FeatureGate::Locked(locked)) if locked != *is_on => (
                    format!("Kubernetes {release} has locked the feature gate `{name}`"),
                    format!("drop it, or say `{locked}`"),
                ),
                Some(FeatureGate::Free | FeatureGate::Locked(_)) => continue,
            };
            self.add_finding(FindingPlace::InShape(world, name), what, hint);
        }
    }

    fn check_apis(&mut self, world: Option<&str>, shape: &ClusterShape) {
        let names = shape.runtime_config.keys();
        for name in names.filter(|name| !is_runtime_api(name)) {
            let what = format!("`{name}` in `runtime-config` is not a version of the API");
            let hint = suggest_word(name, runtime_apis(), APIS_HINT);
            self.add_finding(FindingPlace::InShape(world, name), what, hint);
        }
    }

    fn check_plugins(&mut self, shape: &ClusterShape) {
        let Some(file) = &shape.admission else { return };
        let objects = self.loaded.manifests.get(file).into_iter().flatten();
        let plugins = objects.filter_map(|one| one.object["plugins"].as_array());
        let names = plugins.flatten().filter_map(|one| one["name"].as_str());
        for name in names.filter(|name| !admission_plugins().any(|one| one == *name)) {
            let what =
                format!("`{file}` names the admission plugin `{name}`, which does not exist");
            let hint = suggest_word(name, admission_plugins(), PLUGINS_HINT);
            self.add_finding(FindingPlace::InManifest(file, name), what, hint);
        }
    }

    fn check_times(&mut self, world: Option<&str>, shape: &ClusterShape) {
        let times = [
            ("sync-frequency", &shape.sync_frequency),
            (
                "node-monitor-grace-period",
                &shape.node_monitor_grace_period,
            ),
        ];
        for (key, time) in times {
            if let Some(time) = time.as_ref().filter(|time| !is_duration(time)) {
                let what = format!("`{time}` in `{key}` is not a time");
                let hint = "write numbers with their units, as in `2s` or `1m30s`";
                self.add_finding(FindingPlace::InShape(world, time), what, hint);
            }
        }
    }
}

/// Whether Go reads it as a time (`time.ParseDuration`), above zero.
fn is_duration(text: &str) -> bool {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let (mut rest, mut is_more) = (text, false);
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(is_number);
        let number = &rest[..rest.len() - unit.len()];
        let behind = unit.trim_start_matches(|c: char| !is_number(c));
        let Ok(number) = number.parse::<f64>() else {
            return false;
        };
        if !TIME_UNITS.contains(&&unit[..unit.len() - behind.len()]) {
            return false;
        }
        (rest, is_more) = (behind, is_more || number > 0.0);
    }
    is_more
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{LintFinding, ScenarioLibrary, lint_scenario};

    fn findings(shape: &str) -> Vec<LintFinding> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("pods/one");
        fs::create_dir_all(&dir).unwrap();
        let text = format!(
            "scenario: v2\nwhy: Because.\nworlds:\n  bare:\n    cluster:\n      {shape}\n\
             steps: [{{id: a, do: {{path: /version}}, expect: allowed}}]\n"
        );
        fs::write(dir.join("scenario.yaml"), text).unwrap();
        if shape.contains("admission.yaml") {
            let config = "{apiVersion: apiserver.config.k8s.io/v1, kind: AdmissionConfiguration, plugins: [{name: PodSecurity}, {name: PodNodeSelecter}]}";
            fs::write(dir.join("admission.yaml"), config).unwrap();
        }
        let library = ScenarioLibrary::open(folder.path()).unwrap();
        assert!(library.faults.is_empty(), "{:?}", library.faults);
        lint_scenario(&library.scenarios[0])
    }

    #[test]
    fn what_a_component_does_not_know_is_refused_with_the_word_that_is_meant() {
        for (shape, what, hint) in [
            (
                "feature-gates: { WatchListClent: false }",
                "Kubernetes 1.36 has no feature gate `WatchListClent`",
                "did you mean `WatchListClient`? ",
            ),
            (
                "{ kubernetes: '1.35', feature-gates: { ShardedListAndWatch: true } }",
                "Kubernetes 1.35 has no feature gate `ShardedListAndWatch`",
                "`kube-apiserver --help`",
            ),
            (
                "feature-gates: { AggregatedDiscoveryRemoveBetaType: false }",
                "Kubernetes 1.36 has locked the feature gate `AggregatedDiscoveryRemoveBetaType`",
                "drop it, or say `true`",
            ),
            (
                "runtime-config: { admisionregistration.k8s.io/v1beta1: true }",
                "`admisionregistration.k8s.io/v1beta1` in `runtime-config` is not a version of the API",
                "did you mean `admissionregistration.k8s.io/v1beta1`? ",
            ),
            (
                "admission: admission.yaml",
                "`admission.yaml` names the admission plugin `PodNodeSelecter`, which does not exist",
                "did you mean `PodNodeSelector`? ",
            ),
            (
                "sync-frequency: 2",
                "`2` in `sync-frequency` is not a time",
                "write numbers with their units",
            ),
            (
                "node-monitor-grace-period: 8x",
                "`8x` in `node-monitor-grace-period` is not a time",
                "write numbers with their units",
            ),
        ] {
            let found = findings(&shape.replace("frequency: 2", "frequency: '2'"));
            assert_eq!(found.len(), 1, "{found:#?}");
            assert_eq!(found[0].what, what);
            assert!(found[0].hint.starts_with(hint), "{}", found[0].hint);
            let in_manifest = found[0].place.file.ends_with("admission.yaml");
            assert_eq!(in_manifest, shape.starts_with("admission:"));
            let line = if in_manifest { 1 } else { 6 };
            assert_eq!(found[0].place.line, line, "{}", found[0].snippet);
            assert!(found[0].place.column > 10, "{}", found[0].snippet);
        }
    }

    #[test]
    fn what_is_known_is_left_alone() {
        for shape in [
            "feature-gates: { WatchListClient: false, AllAlpha: true }",
            "feature-gates: { AggregatedDiscoveryRemoveBetaType: true }",
            "runtime-config: { api/alpha: true, scheduling.k8s.io/v1alpha2: true }",
            "{ sync-frequency: 2s, node-monitor-grace-period: 1m0.5s }",
        ] {
            assert_eq!(findings(shape), [], "{shape}");
        }
    }

    #[test]
    fn a_time_is_what_go_reads_as_one() {
        for good in ["1s", "1m30s", "1.5h", "100ms", "2µs"] {
            assert!(is_duration(good), "{good}");
        }
        for bad in ["", "1", "s", "1s2", "-1s", "1 s", "0s", "1d", "1..2s"] {
            assert!(!is_duration(bad), "{bad}");
        }
    }
}
