//! A pod, created in a namespace with the level's label.

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::ScenarioFiles;
use crate::Error;
use crate::pod_security::{ReleaseVersion, SecurityCheck, SecurityLevel};

/// The scenario of a pod that `level` and `version` should find to violate these checks.
///
/// # Errors
/// When it cannot be written as YAML.
pub fn pod_security(
    pod: &Pod,
    level: SecurityLevel,
    version: ReleaseVersion,
    says: &[SecurityCheck],
) -> Result<ScenarioFiles, Error> {
    let reasons: Vec<_> = says.iter().map(|check| check.reason()).collect();
    let (why, control, expected) = match reasons.as_slice() {
        [] => (
            "violates nothing".to_owned(),
            json!({"apply": ["namespace.yaml"], "ineffective": true}),
            json!("admitted"),
        ),
        some => (
            format!("violates {}", some.join(", ")),
            json!({"apply": ["namespace.yaml"]}),
            json!({"denied": {"by": "pod-security"}}),
        ),
    };
    let scenario = json!({
        "scenario": "v2",
        "why": format!("By the standards, this pod {why} at {level}:{version}."),
        "cluster": {"nodes": 0},
        "worlds": {"bare": {}, "labelled": control},
        "steps": [{"id": "pod", "dry-run": true, "do": {"create": "pod.yaml"},
            "expect-in": {"bare": "admitted", "labelled": expected}}],
    });
    let label = "pod-security.kubernetes.io/enforce";
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "$(namespace)",
        "labels": {label: level.to_string(), format!("{label}-version"): version.to_string()}}});
    let mut files = ScenarioFiles::default();
    files.add("scenario.yaml", &[scenario])?;
    files.add("namespace.yaml", &[namespace])?;
    files.add("pod.yaml", &[pod])?;
    Ok(files)
}
