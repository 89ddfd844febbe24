//! Every kind of object that a scenario may send: how far it reaches, and what shows that it is in force.
//!
//! The list is closed. A kind that is not in it is refused by the lint, and a world that meets one all the same is broken:
//! a control that nobody knows how to wait for would count as in force at once.

use serde_json::Value;

use crate::ADDONS;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectKind {
    /// Its group; empty for the core one.
    pub group: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// What decides whether other worlds on the cluster could notice it.
    pub isolation: Isolation,
    /// What shows that it is in force.
    pub barrier: Barrier,
}

/// What decides whether an object stays within its world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Its namespace.
    Namespace,
    /// Its name: without a namespace, and without effect until another object names it.
    Name,
    /// Its name, and that no other world's claim can take it.
    Volume,
    /// Nothing: it reaches the whole cluster.
    Never,
    /// It is a question, and is not stored.
    Question,
    /// Its name, and what it aggregates.
    ClusterRole,
    /// Its name and subjects.
    ClusterRoleBinding,
    /// Its name, and the namespaces that its `matchResources` select.
    PolicyBinding,
    /// Its name, and the namespaces that each of its webhooks selects.
    Webhooks,
    /// Its name, and whom it says itself that it concerns.
    Stated(ReachRule),
}

/// Whether an object that is named after its world says of itself that it stays within it.
#[derive(Clone, Copy, Debug)]
pub struct ReachRule(pub fn(&Value) -> bool);

impl PartialEq for ReachRule {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Eq for ReachRule {}

/// What shows that an object is in force, once it was written or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Barrier {
    /// The API server's answer: it is itself what is looked at, or every step that depends on it waits for its effect.
    Stored,
    /// The authorizer allows what a sentinel grants.
    Roles,
    /// The same for the whole cluster.
    ClusterRoles,
    /// A sentinel policy of API server's own shows its effect.
    AdmissionPolicies,
    /// A sentinel webhook of the validating kind cannot be reached.
    ValidatingWebhooks,
    /// A sentinel webhook of the mutating kind cannot be reached.
    MutatingWebhooks,
    /// A sentinel webhook sees a label, and so do the engines and enforcers that read labels.
    NamespaceLabels,
    /// A sentinel's changed default is set.
    LimitRanges,
    /// A dry run may name a sentinel.
    PriorityClasses,
    /// Its own status says so.
    OwnStatus,
    /// The box's enforcers say that their tables were made with it.
    NetworkTables,
    /// The addon of this name shows it: it refuses a sentinel, or says that it has looked.
    Addon(&'static str),
}

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

pub(crate) const fn kind(
    group: &'static str,
    kind: &'static str,
    isolation: Isolation,
    barrier: Barrier,
) -> ObjectKind {
    ObjectKind {
        group,
        kind,
        isolation,
        barrier,
    }
}

/// A kind in namespaces that the API server keeps, and that controls nothing itself.
const fn plain(group: &'static str, name: &'static str) -> ObjectKind {
    kind(group, name, Isolation::Namespace, Barrier::Stored)
}

const fn question(group: &'static str, name: &'static str) -> ObjectKind {
    kind(group, name, Isolation::Question, Barrier::Stored)
}

/// A policy does nothing until a binding names it, but for one thing: parameters of a kind that the API server does not
/// know are an error before any binding is looked at, and refuse in every namespace (kubernetes 1.36
/// `pkg/admission/plugin/policy/generic/policy_dispatcher.go`).
const PARAMETERS: Isolation = Isolation::Stated(ReachRule(|policy| {
    let (version, kind) = (
        &policy["spec"]["paramKind"]["apiVersion"],
        &policy["spec"]["paramKind"]["kind"],
    );
    let group = |version: &str| {
        version
            .rsplit_once('/')
            .map_or(String::new(), |(group, _)| group.into())
    };
    match (version.as_str(), kind.as_str()) {
        (None, None) => true,
        (Some(version), Some(kind)) => OBJECT_KINDS
            .iter()
            .any(|own| own.group == group(version) && own.kind == kind),
        _ => false,
    }
}));

/// Kubernetes' own kinds. Left out on purpose, since nobody has built a way to know that the API server has learned of them:
/// StorageClass, IngressClass, FlowSchema, APIService and what is like them.
static OBJECT_KINDS: &[ObjectKind] = &[
    kind("", "Namespace", Isolation::Name, Barrier::NamespaceLabels),
    kind("", "Pod", Isolation::Namespace, Barrier::NetworkTables),
    plain("", "ConfigMap"),
    plain("", "Endpoints"),
    plain("", "Event"),
    plain("", "PersistentVolumeClaim"),
    plain("", "ReplicationController"),
    plain("", "Secret"),
    plain("", "Service"),
    plain("", "ServiceAccount"),
    kind("", "LimitRange", Isolation::Namespace, Barrier::LimitRanges),
    kind(
        "",
        "ResourceQuota",
        Isolation::Namespace,
        Barrier::OwnStatus,
    ),
    kind("", "Node", Isolation::Never, Barrier::Stored),
    kind("", "PersistentVolume", Isolation::Volume, Barrier::Stored),
    plain("apps", "ControllerRevision"),
    plain("apps", "DaemonSet"),
    plain("apps", "Deployment"),
    plain("apps", "ReplicaSet"),
    plain("apps", "StatefulSet"),
    plain("autoscaling", "HorizontalPodAutoscaler"),
    plain("batch", "CronJob"),
    plain("batch", "Job"),
    plain("coordination.k8s.io", "Lease"),
    plain("discovery.k8s.io", "EndpointSlice"),
    plain("networking.k8s.io", "Ingress"),
    kind(
        "networking.k8s.io",
        "NetworkPolicy",
        Isolation::Namespace,
        Barrier::NetworkTables,
    ),
    kind(
        "policy",
        "PodDisruptionBudget",
        Isolation::Namespace,
        Barrier::OwnStatus,
    ),
    // The admission plugin asks the API server for a class that it does not know yet. Nothing is waited for after a change
    // or a deletion.
    kind(
        "node.k8s.io",
        "RuntimeClass",
        Isolation::Name,
        Barrier::Stored,
    ),
    kind(
        "scheduling.k8s.io",
        "PriorityClass",
        Isolation::Never,
        Barrier::PriorityClasses,
    ),
    kind(
        "certificates.k8s.io",
        "CertificateSigningRequest",
        Isolation::Name,
        Barrier::Stored,
    ),
    kind(
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        Isolation::Never,
        Barrier::OwnStatus,
    ),
    kind(RBAC, "Role", Isolation::Namespace, Barrier::Roles),
    kind(RBAC, "RoleBinding", Isolation::Namespace, Barrier::Roles),
    kind(
        RBAC,
        "ClusterRole",
        Isolation::ClusterRole,
        Barrier::ClusterRoles,
    ),
    kind(
        RBAC,
        "ClusterRoleBinding",
        Isolation::ClusterRoleBinding,
        Barrier::ClusterRoles,
    ),
    kind(
        ADMISSION,
        "ValidatingAdmissionPolicy",
        PARAMETERS,
        Barrier::AdmissionPolicies,
    ),
    kind(
        ADMISSION,
        "ValidatingAdmissionPolicyBinding",
        Isolation::PolicyBinding,
        Barrier::AdmissionPolicies,
    ),
    kind(
        ADMISSION,
        "MutatingAdmissionPolicy",
        PARAMETERS,
        Barrier::AdmissionPolicies,
    ),
    kind(
        ADMISSION,
        "MutatingAdmissionPolicyBinding",
        Isolation::PolicyBinding,
        Barrier::AdmissionPolicies,
    ),
    kind(
        ADMISSION,
        "ValidatingWebhookConfiguration",
        Isolation::Webhooks,
        Barrier::ValidatingWebhooks,
    ),
    kind(
        ADMISSION,
        "MutatingWebhookConfiguration",
        Isolation::Webhooks,
        Barrier::MutatingWebhooks,
    ),
    question("authentication.k8s.io", "SelfSubjectReview"),
    question("authentication.k8s.io", "TokenReview"),
    question("authorization.k8s.io", "LocalSubjectAccessReview"),
    question("authorization.k8s.io", "SelfSubjectAccessReview"),
    question("authorization.k8s.io", "SelfSubjectRulesReview"),
    question("authorization.k8s.io", "SubjectAccessReview"),
];

/// Every kind: Kubernetes' own, then those that addons serve.
pub fn object_kinds() -> impl Iterator<Item = &'static ObjectKind> {
    OBJECT_KINDS
        .iter()
        .chain(ADDONS.iter().flat_map(|addon| addon.kinds))
}

/// Stands for every kind of a group that is not named.
pub const ANY_KIND: &str = "*";

/// The kind of an object with this `apiVersion` and `kind`, whatever its version.
#[must_use]
pub fn object_kind(api_version: &str, kind: &str) -> Option<&'static ObjectKind> {
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    find(|one| one.group == group, |name| name == kind)
}

/// The kind that a step writes as `name`: in lower case, perhaps with `.GROUP`.
#[must_use]
pub fn object_kind_called(name: &str) -> Option<&'static ObjectKind> {
    let (kind, group) = name
        .split_once('.')
        .map_or((name, None), |(kind, group)| (kind, Some(group)));
    let is_named = |one: &str| one.to_lowercase() == kind;
    match group {
        Some(group) => find(|one| one.group == group, is_named),
        None => object_kinds().find(|one| is_named(one.kind)),
    }
}

fn find(
    is_in: impl Fn(&ObjectKind) -> bool,
    is_named: impl Fn(&str) -> bool,
) -> Option<&'static ObjectKind> {
    let any = || object_kinds().find(|one| is_in(one) && one.kind == ANY_KIND);
    object_kinds()
        .find(|one| is_in(one) && is_named(one.kind))
        .or_else(any)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_is_there_once_and_found_by_both_names() {
        let names: BTreeSet<_> = object_kinds().map(|one| (one.group, one.kind)).collect();
        assert_eq!(names.len(), object_kinds().count());
        for one in object_kinds() {
            let version = if one.group.is_empty() {
                "v1".to_owned()
            } else {
                format!("{}/v1beta1", one.group)
            };
            assert_eq!(object_kind(&version, one.kind), Some(one));
            let called = format!("{}.{}", one.kind.to_lowercase(), one.group);
            assert_eq!(object_kind_called(called.trim_end_matches('.')), Some(one));
        }
        assert_eq!(object_kind("storage.k8s.io/v1", "StorageClass"), None);
        assert_eq!(object_kind("audit.k8s.io/v1", "Policy"), None);
        assert_eq!(object_kind_called("policy.audit.k8s.io"), None);
    }
}
