//! Scenarios of a few lines, and the ways that no step of theirs tries.

use std::collections::BTreeSet;
use std::fs;

use crate::{ScenarioLibrary, lint_scenario};

/// A Role that allows this, and its binding.
pub(super) fn tenant_role(verb: &str, plural: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: tenant}}
rules: [{{apiGroups: [''], resources: [{plural}], verbs: [{verb}]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: tenant}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: tenant}}
"
    )
}

/// The ways that the lint misses in a scenario with these worlds, steps and files.
pub(crate) fn untried_ways(head: &str, steps: &[&str], files: &[(&str, &str)]) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("area/one");
    fs::create_dir_all(&dir).unwrap();
    let steps: Vec<String> = steps.iter().map(|step| format!("- {step}\n")).collect();
    let text = format!(
        "scenario: v2\nwhy: Because.\n{head}\nsteps:\n{}",
        steps.concat()
    );
    fs::write(dir.join("scenario.yaml"), text).unwrap();
    for (name, content) in files {
        fs::write(dir.join(name), content).unwrap();
    }
    let library = ScenarioLibrary::open(folder.path()).unwrap();
    assert!(library.faults.is_empty(), "{:?}", library.faults);
    let found = lint_scenario(&library.scenarios[0]);
    let way = |what: &str| {
        let (_, rest) = what.split_once("no step tries `")?;
        Some(rest.split('`').next()?.to_owned())
    };
    found.iter().filter_map(|one| way(&one.what)).collect()
}

/// Each of these steps tries its own way, and no other of them: without any all are missed, and with
/// one all but this one.
pub(crate) fn assert_each_tries_its_own(
    missed: &dyn Fn(&[&str]) -> BTreeSet<String>,
    steps: &[(&str, &[&str])],
) {
    let names = |left_out: Option<&str>| -> BTreeSet<String> {
        let names = steps.iter().map(|(way, _)| *way);
        names
            .filter(|way| Some(*way) != left_out)
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(missed(&[]), names(None));
    for (way, tried) in steps {
        assert_eq!(missed(tried), names(Some(way)), "{way}");
    }
}
