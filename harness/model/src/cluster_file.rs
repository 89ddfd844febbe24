//! A cluster that a file of its own asks for, in the words of a scenario's `cluster`: for a box to
//! work in, which no scenario describes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::library::{parse_document, read_manifests, read_text};
use crate::lint::lint_shapes;
use crate::{
    ClusterShape, ClusterSpec, Error, FileReach, FormatVersion, LintFinding, LoadedScenario,
    Scenario, ScenarioWorld,
};

/// The only world of such a file.
const ONLY_WORLD: &str = "bare";

/// A file with the shape of a cluster. Files that it names are relative to its folder.
#[derive(Clone, Debug)]
pub struct ClusterFile {
    path: PathBuf,
    loaded: LoadedScenario,
}

impl ClusterFile {
    /// Reads the file, and those that it names.
    ///
    /// # Errors
    /// For a file that cannot be read, and one that does not parse, with the place.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = read_text(path)?;
        let shape: ClusterShape = parse_document(path, &text)?;
        let mut loaded = LoadedScenario {
            id: path.display().to_string(),
            dir: path.parent().unwrap_or(Path::new("")).to_owned(),
            text,
            scenario: bare_scenario(shape),
            manifests: BTreeMap::new(),
            files: Vec::new(),
            reach: FileReach::Anywhere,
        };
        for name in loaded.list_referenced() {
            let objects = read_manifests(&loaded.locate_file(&name)?)?;
            loaded.manifests.insert(name, objects);
        }
        Ok(Self {
            path: path.to_owned(),
            loaded,
        })
    }

    /// What a component would not take, or take for nothing.
    #[must_use]
    pub fn lint(&self) -> Vec<LintFinding> {
        let mut findings = lint_shapes(&self.loaded);
        let own = self.loaded.file();
        for finding in findings.iter_mut().filter(|one| one.place.file == own) {
            finding.place.file.clone_from(&self.path);
        }
        findings
    }

    /// The cluster.
    ///
    /// # Errors
    /// When a file that it names cannot be read.
    pub fn spec(&self) -> Result<ClusterSpec, Error> {
        ClusterSpec::resolve(&self.loaded, ONLY_WORLD)
    }
}

/// A scenario that tries nothing in such a cluster.
fn bare_scenario(shape: ClusterShape) -> Scenario {
    Scenario {
        scenario: FormatVersion::V2,
        why: String::new(),
        cluster: Some(shape),
        install: BTreeSet::new(),
        worlds: IndexMap::from([(ONLY_WORLD.to_owned(), ScenarioWorld::default())]),
        holds: None,
        leaves_out: IndexMap::new(),
        steps: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{AuditShape, EncryptionShape};

    fn read(text: &str) -> Result<Vec<LintFinding>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let own = [
            ("cluster.yaml", text),
            (
                "sealing.yaml",
                "{kind: EncryptionConfiguration, resources: [{providers: [{kms: {endpoint: $(kms:one)}}]}]}",
            ),
            (
                "audit.yaml",
                "{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Request}]}",
            ),
            (
                "admission.yaml",
                "{kind: AdmissionConfiguration, plugins: [{name: PodNodeSelecter}]}",
            ),
        ];
        for (name, text) in own {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let file = ClusterFile::read(&folder.path().join("cluster.yaml"))?;
        // While the folder is there.
        file.spec()?;
        Ok(file.lint())
    }

    #[test]
    fn a_file_says_all_that_a_scenarios_cluster_can() {
        let folder = tempfile::tempdir().unwrap();
        let text = "nodes: 2\nkubernetes: '1.35'\nenforce-network-policy: true\nverbosity: 4\n\
            encryption: { config: sealing.yaml }\naudit: { policy: audit.yaml }\n\
            feature-gates: { AllAlpha: true }\nruntime-config: { api/alpha: true }\n";
        let sealing = "{resources: [{providers: [{kms: {endpoint: $(kms:one)}}]}]}";
        let files = [
            ("cluster.yaml", text),
            ("sealing.yaml", sealing),
            ("audit.yaml", "kind: Policy"),
        ];
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let file = ClusterFile::read(&folder.path().join("cluster.yaml")).unwrap();
        assert_eq!(file.lint(), []);
        let spec = file.spec().unwrap();
        assert_eq!((spec.nodes, spec.kubernetes.as_str()), (2, "1.35"));
        assert!(spec.enforce_network_policy && !spec.dual_stack);
        assert_eq!(spec.verbosity, Some(4));
        assert!(
            matches!(&spec.encryption, EncryptionShape::Config(text) if text.0.contains("resources"))
        );
        assert!(matches!(&spec.audit, AuditShape::Policy(text) if text.0 == "kind: Policy"));
        assert_eq!(spec.kms, BTreeSet::from(["one".to_owned()]));
        assert_eq!(spec.feature_gates.get("AllAlpha"), Some(&true));
        assert_eq!(spec.runtime_config.get("api/alpha"), Some(&true));
        assert!(spec.install.is_empty());
    }

    #[test]
    fn what_is_wrong_with_it_has_a_place_in_it() {
        let found = |text: &str| -> Vec<LintFinding> { read(text).unwrap() };
        let gate = found("nodes: 1\nfeature-gates: { WatchListClent: false }\n");
        assert_eq!(gate.len(), 1, "{gate:#?}");
        assert!(
            gate[0]
                .what
                .contains("has no feature gate `WatchListClent`")
        );
        assert!(gate[0].place.file.ends_with("cluster.yaml"));
        assert_eq!((gate[0].place.line, gate[0].place.column), (2, 18));
        let plugin = found("admission: admission.yaml\n");
        assert!(plugin[0].what.contains("`PodNodeSelecter`"), "{plugin:#?}");
        assert!(plugin[0].place.file.ends_with("admission.yaml"));
        for (text, what) in [
            ("node: 2\n", "node"),
            ("nodes: many\n", "nodes"),
            ("cluster: { nodes: 2 }\n", "cluster"),
            ("audit: { policy: nowhere.yaml }\n", "nowhere.yaml"),
        ] {
            let error = read(text).map(drop).unwrap_err().to_string();
            assert!(error.contains(what), "{text}: {error}");
        }
    }
}
