//! Whether a world can be tried on a cluster that has no node: an API server with the few
//! controllers that namespaces, roles and quotas need.
//!
//! In doubt it cannot. Such a world gives the same answers on a cluster that has nodes; it is tried
//! without them while what a node is made of is still being built.

use serde_json::Value;

use crate::{Action, ClusterShape, LoadedScenario, ObjectTarget, ObservedRecord, Scenario};

/// Kinds that the API server alone stores, checks or enforces, or that wait for a pod to name them;
/// and those of the files that it is started with.
const NODELESS_KINDS: [&str; 30] = [
    "AdmissionConfiguration",
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "Lease",
    "LimitRange",
    "LocalSubjectAccessReview",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "Namespace",
    "PersistentVolumeClaim",
    "Pod",
    "PodTemplate",
    "Policy",
    "PriorityClass",
    "ResourceQuota",
    "Role",
    "RoleBinding",
    "RuntimeClass",
    "Secret",
    "SelfSubjectAccessReview",
    "SelfSubjectReview",
    "SelfSubjectRulesReview",
    "ServiceAccount",
    "StorageClass",
    "SubjectAccessReview",
    "TokenRequest",
    "TokenReview",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

/// What a path leads through to something else than the API server.
pub(crate) const BEHIND_THE_API: [&str; 4] = ["nodes", "proxy", "pods", "services"];

/// What stands for a node, or for something that only a node gives a pod.
const OF_NODES: [&str; 3] = ["$(node", "$(pod-ip", "$(service-ip"];

/// Whether this world of the scenario needs no node. False for a world that does not exist.
#[must_use]
pub fn needs_no_node(loaded: &LoadedScenario, world: &str) -> bool {
    let scenario = &loaded.scenario;
    let Some(own) = scenario.worlds.get(world) else {
        return false;
    };
    let manifests: Vec<&Value> = loaded
        .manifests
        .values()
        .flatten()
        .map(|manifest| &manifest.object)
        .collect();
    shape_needs_no_node(&scenario.world_shape(own))
        && scenario.world_installs(own).is_empty()
        && !OF_NODES.iter().any(|word| loaded.text.contains(word))
        && manifests.iter().all(|object| object_needs_no_node(object))
        && steps_need_no_node(scenario, world)
}

/// A shape that says something of nodes is meant as it is.
fn shape_needs_no_node(shape: &ClusterShape) -> bool {
    let usual = ClusterShape::default();
    shape.nodes <= 1
        && !shape.enforce_network_policy
        && !shape.dual_stack
        && !shape.seccomp_default
        && shape.sync_frequency == usual.sync_frequency
        && shape.node_monitor_grace_period == usual.node_monitor_grace_period
}

fn object_needs_no_node(object: &Value) -> bool {
    let kind = object["kind"].as_str().unwrap_or_default();
    let text = object.to_string();
    NODELESS_KINDS.contains(&kind) && !OF_NODES.iter().any(|word| text.contains(word))
}

fn steps_need_no_node(scenario: &Scenario, world: &str) -> bool {
    scenario
        .steps_in(world)
        .all(|step| action_needs_no_node(&step.action))
}

fn action_needs_no_node(action: &Action) -> bool {
    match action {
        Action::Create(_) | Action::Apply(_) | Action::Update(_) => true,
        Action::Patch {
            target,
            subresource,
            ..
        } => is_api_alone(target) && subresource.is_none(),
        // It changes what a controller or a kubelet says of an object.
        Action::UpdateSubresource { .. } => false,
        Action::Delete(target)
        | Action::DeleteCollection(target)
        | Action::Label { target, .. }
        | Action::Get(target) => is_api_alone(target),
        Action::DeleteLabelled { kind, .. } => is_api_alone_kind(kind),
        Action::List {
            resource, watch, ..
        } => !watch && !resource.starts_with("node"),
        Action::Token { bound_to, .. } => bound_to.is_none(),
        Action::LookFor(record) => record_needs_no_node(record),
        Action::Path(path) => !BEHIND_THE_API.iter().any(|part| path.contains(part)),
        Action::Scale { .. }
        | Action::Evict(_)
        | Action::Exec { .. }
        | Action::AttachPod(_)
        | Action::PortForward(_)
        | Action::EphemeralContainer { .. }
        | Action::Bind { .. }
        | Action::WaitRunning(_)
        | Action::Reach(_)
        | Action::OpenConnection(_)
        | Action::CheckConnection(_)
        | Action::Build(_)
        | Action::Push(_)
        | Action::Copy(_)
        | Action::Index(_)
        | Action::Tamper(_)
        | Action::Corrupt(_)
        | Action::Sbom(_)
        | Action::Scan(_)
        | Action::Attach(_)
        | Action::Sign(_)
        | Action::Attest(_)
        | Action::Verify(_)
        | Action::ReadEtcdValue(_)
        | Action::SetEncryption(_)
        | Action::RewriteSecrets(_)
        | Action::CreateSecrets(_)
        | Action::CheckSecrets
        | Action::Process(_)
        | Action::Node(_)
        | Action::Kms(_)
        | Action::CopyEtcdValue(_)
        | Action::Snapshot(_)
        | Action::Restore(_)
        | Action::Rotate(_)
        | Action::CheckPropagation(_)
        | Action::CheckAgent(_)
        | Action::CheckDelivery(_) => false,
    }
}

/// Whether a target is one object that the API server answers for: a subresource may be a way to a
/// kubelet, and a pod that nobody runs ends in another way than one that runs.
pub(crate) fn is_api_alone(target: &ObjectTarget) -> bool {
    target.subresource.is_none() && is_api_alone_kind(&target.kind)
}

fn is_api_alone_kind(kind: &str) -> bool {
    let kind = kind.split('.').next().unwrap_or_default();
    kind != "pod"
        && NODELESS_KINDS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(kind))
}

fn record_needs_no_node(record: &ObservedRecord) -> bool {
    match record {
        ObservedRecord::Audit(_) | ObservedRecord::Warning(_) | ObservedRecord::Output(_) => true,
        ObservedRecord::Field(field) => is_api_alone(&field.of),
        ObservedRecord::Object(target) => is_api_alone(target),
        ObservedRecord::Pods(_)
        | ObservedRecord::Metric(_)
        | ObservedRecord::Event(_)
        | ObservedRecord::Node(_)
        | ObservedRecord::Canary(_) => false,
    }
}
