//! Every kind of object that a scenario may send: how far it reaches, and what shows that it is in
//! force.
//!
//! The list is closed. A kind that is not in it is refused by the lint, and a world that meets one
//! all the same is broken: a control without a barrier would count as in force at once.

use serde_json::Value;

use crate::ADDONS;
use crate::spelling::plural_name;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectKind {
    /// Its group; empty for the core one.
    pub group: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// What decides whether other worlds on the cluster could notice it.
    pub isolation: KindIsolation,
    /// What shows that it is in force.
    pub barrier: KindBarrier,
}

/// What decides whether an object stays within its world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindIsolation {
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
    /// Its name, and the namespaces that it selects itself.
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
pub enum KindBarrier {
    /// The API server's answer: it is itself what is looked at, or every step that depends on it
    /// waits for its effect.
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
    /// Its own status says so, and then a sentinel quota refuses.
    Quotas,
    /// A dry run of a pod that names the class shows what it says.
    RuntimeClasses,
    /// A dry run of a pod that names the account shows what it says.
    ServiceAccounts,
    /// Its own status says so.
    OwnStatus,
    /// The box's enforcers say that their tables were made with it.
    NetworkTables,
    /// The addon of this name shows it: it refuses a sentinel, or says that it has looked.
    Addon(&'static str),
}

impl ObjectKind {
    /// The admission plugin by which it is seen that an object of this kind is in force; nothing
    /// where no plugin has to act for that.
    #[must_use]
    pub fn shown_by_plugin(&self) -> Option<&'static str> {
        match self.barrier {
            KindBarrier::AdmissionPolicies if self.kind.starts_with("Mutating") => {
                Some("MutatingAdmissionPolicy")
            }
            KindBarrier::AdmissionPolicies => Some("ValidatingAdmissionPolicy"),
            // That labels of a namespace are known is seen by a webhook.
            KindBarrier::ValidatingWebhooks | KindBarrier::NamespaceLabels => {
                Some("ValidatingAdmissionWebhook")
            }
            KindBarrier::MutatingWebhooks => Some("MutatingAdmissionWebhook"),
            KindBarrier::LimitRanges => Some("LimitRanger"),
            KindBarrier::PriorityClasses => Some("Priority"),
            KindBarrier::Quotas => Some("ResourceQuota"),
            KindBarrier::RuntimeClasses => Some("RuntimeClass"),
            KindBarrier::ServiceAccounts => Some("ServiceAccount"),
            KindBarrier::Stored
            | KindBarrier::Roles
            | KindBarrier::ClusterRoles
            | KindBarrier::OwnStatus
            | KindBarrier::NetworkTables
            | KindBarrier::Addon(_) => None,
        }
    }
}

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";
const ADMISSION_GROUP: &str = "admissionregistration.k8s.io";

pub(crate) const fn cluster_kind(
    group: &'static str,
    kind: &'static str,
    isolation: KindIsolation,
    barrier: KindBarrier,
) -> ObjectKind {
    ObjectKind {
        group,
        kind,
        isolation,
        barrier,
    }
}

/// A kind in namespaces that the API server keeps, and that controls nothing itself.
const fn plain_kind(group: &'static str, name: &'static str) -> ObjectKind {
    cluster_kind(group, name, KindIsolation::Namespace, KindBarrier::Stored)
}

const fn question_kind(group: &'static str, name: &'static str) -> ObjectKind {
    cluster_kind(group, name, KindIsolation::Question, KindBarrier::Stored)
}

/// A policy does nothing until a binding names it, but for one thing: parameters of a kind that the
/// API server does not know are an error before any binding is looked at, and refuse in every
/// namespace (kubernetes 1.36 `pkg/admission/plugin/policy/generic/policy_dispatcher.go`).
const POLICY_ISOLATION: KindIsolation = KindIsolation::Stated(ReachRule(|policy| {
    let parameters = &policy["spec"]["paramKind"];
    let is_known = match (
        parameters["apiVersion"].as_str(),
        parameters["kind"].as_str(),
    ) {
        (None, None) => true,
        (Some(version), Some(kind)) => {
            let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
            // An older version may not be served any more.
            version == "v1"
                && OBJECT_KINDS
                    .iter()
                    .any(|own| own.group == group && own.kind == kind)
        }
        _ => false,
    };
    is_known && stays_in_namespaces(&policy["spec"]["matchConstraints"]["resourceRules"])
}));

/// Whether all of these rules are about objects in namespaces, or about namespaces. A selector of
/// namespaces lets every other object of a cluster through (kubernetes.io, "Dynamic Admission
/// Control", "Matching requests: namespaceSelector").
pub(crate) fn stays_in_namespaces(rules: &Value) -> bool {
    let is_in_namespaces = |resource: &Value| {
        let resource = resource.as_str().unwrap_or_default();
        let whole = resource.split('/').next().unwrap_or_default();
        whole == "namespaces"
            || object_kinds()
                .filter(|kind| kind.isolation == KindIsolation::Namespace)
                .any(|kind| plural_name(kind.kind) == whole)
    };
    let mut rules = rules.as_array().into_iter().flatten();
    rules.all(|rule| {
        let mut resources = rule["resources"].as_array().into_iter().flatten();
        rule["scope"] == "Namespaced" || resources.all(is_in_namespaces)
    })
}

/// Kubernetes' own kinds. Left out on purpose, since there is no way yet to know that the API
/// server has learned of them: StorageClass, IngressClass, FlowSchema, APIService and what is like
/// them.
static OBJECT_KINDS: &[ObjectKind] = &[
    cluster_kind(
        "",
        "Namespace",
        KindIsolation::Name,
        KindBarrier::NamespaceLabels,
    ),
    cluster_kind(
        "",
        "Pod",
        KindIsolation::Namespace,
        KindBarrier::NetworkTables,
    ),
    plain_kind("", "ConfigMap"),
    plain_kind("", "Endpoints"),
    plain_kind("", "Event"),
    plain_kind("", "PersistentVolumeClaim"),
    plain_kind("", "ReplicationController"),
    plain_kind("", "Secret"),
    plain_kind("", "Service"),
    cluster_kind(
        "",
        "ServiceAccount",
        KindIsolation::Namespace,
        KindBarrier::ServiceAccounts,
    ),
    cluster_kind(
        "",
        "LimitRange",
        KindIsolation::Namespace,
        KindBarrier::LimitRanges,
    ),
    cluster_kind(
        "",
        "ResourceQuota",
        KindIsolation::Namespace,
        KindBarrier::Quotas,
    ),
    cluster_kind("", "Node", KindIsolation::Never, KindBarrier::Stored),
    cluster_kind(
        "",
        "PersistentVolume",
        KindIsolation::Volume,
        KindBarrier::Stored,
    ),
    plain_kind("apps", "ControllerRevision"),
    plain_kind("apps", "DaemonSet"),
    plain_kind("apps", "Deployment"),
    plain_kind("apps", "ReplicaSet"),
    plain_kind("apps", "StatefulSet"),
    plain_kind("autoscaling", "HorizontalPodAutoscaler"),
    plain_kind("batch", "CronJob"),
    plain_kind("batch", "Job"),
    plain_kind("coordination.k8s.io", "Lease"),
    plain_kind("discovery.k8s.io", "EndpointSlice"),
    plain_kind("networking.k8s.io", "Ingress"),
    cluster_kind(
        "networking.k8s.io",
        "NetworkPolicy",
        KindIsolation::Namespace,
        KindBarrier::NetworkTables,
    ),
    cluster_kind(
        "policy",
        "PodDisruptionBudget",
        KindIsolation::Namespace,
        KindBarrier::OwnStatus,
    ),
    cluster_kind(
        "node.k8s.io",
        "RuntimeClass",
        KindIsolation::Name,
        KindBarrier::RuntimeClasses,
    ),
    cluster_kind(
        "scheduling.k8s.io",
        "PriorityClass",
        KindIsolation::Never,
        KindBarrier::PriorityClasses,
    ),
    cluster_kind(
        "certificates.k8s.io",
        "CertificateSigningRequest",
        KindIsolation::Name,
        KindBarrier::Stored,
    ),
    cluster_kind(
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        KindIsolation::Never,
        KindBarrier::OwnStatus,
    ),
    cluster_kind(
        RBAC_GROUP,
        "Role",
        KindIsolation::Namespace,
        KindBarrier::Roles,
    ),
    cluster_kind(
        RBAC_GROUP,
        "RoleBinding",
        KindIsolation::Namespace,
        KindBarrier::Roles,
    ),
    cluster_kind(
        RBAC_GROUP,
        "ClusterRole",
        KindIsolation::ClusterRole,
        KindBarrier::ClusterRoles,
    ),
    cluster_kind(
        RBAC_GROUP,
        "ClusterRoleBinding",
        KindIsolation::ClusterRoleBinding,
        KindBarrier::ClusterRoles,
    ),
    cluster_kind(
        ADMISSION_GROUP,
        "ValidatingAdmissionPolicy",
        POLICY_ISOLATION,
        KindBarrier::AdmissionPolicies,
    ),
    cluster_kind(
        ADMISSION_GROUP,
        "ValidatingAdmissionPolicyBinding",
        KindIsolation::PolicyBinding,
        KindBarrier::AdmissionPolicies,
    ),
    cluster_kind(
        ADMISSION_GROUP,
        "MutatingAdmissionPolicy",
        POLICY_ISOLATION,
        KindBarrier::AdmissionPolicies,
    ),
    cluster_kind(
        ADMISSION_GROUP,
        "MutatingAdmissionPolicyBinding",
        KindIsolation::PolicyBinding,
        KindBarrier::AdmissionPolicies,
    ),
    cluster_kind(
        ADMISSION_GROUP,
        "ValidatingWebhookConfiguration",
        KindIsolation::Webhooks,
        KindBarrier::ValidatingWebhooks,
    ),
    cluster_kind(
        ADMISSION_GROUP,
        "MutatingWebhookConfiguration",
        KindIsolation::Webhooks,
        KindBarrier::MutatingWebhooks,
    ),
    question_kind("authentication.k8s.io", "SelfSubjectReview"),
    question_kind("authentication.k8s.io", "TokenReview"),
    question_kind("authorization.k8s.io", "LocalSubjectAccessReview"),
    question_kind("authorization.k8s.io", "SelfSubjectAccessReview"),
    question_kind("authorization.k8s.io", "SelfSubjectRulesReview"),
    question_kind("authorization.k8s.io", "SubjectAccessReview"),
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
    find_kind(|one| one.group == group, |name| name == kind)
}

/// The kind that a step writes as `name`: in lower case, perhaps with `.GROUP`.
#[must_use]
pub fn object_kind_called(name: &str) -> Option<&'static ObjectKind> {
    let (kind, group) = name
        .split_once('.')
        .map_or((name, None), |(kind, group)| (kind, Some(group)));
    let is_named = |one: &str| one.to_lowercase() == kind;
    match group {
        Some(group) => find_kind(|one| one.group == group, is_named),
        None => object_kinds().find(|one| is_named(one.kind)),
    }
}

fn find_kind(
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
