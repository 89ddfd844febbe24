//! Every kind of object that a scenario may send: how far it reaches, and what shows that it is in force.
//!
//! The list is closed. A kind that is not in it is refused by the lint, and a world that meets one all the same is broken:
//! a control that nobody knows how to wait for would count as in force at once.

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
    /// Its name, and the namespaces that each of its rules matches (Kyverno).
    KyvernoRules,
    /// Its name, and the namespaces that its `matchConstraints` select (Kyverno).
    KyvernoConstraints,
    /// Its name, and its patterns of images (policy-controller).
    ImageGlobs,
    /// Its name, and the namespaces that it goes into (External Secrets Operator).
    ClusterExternalSecret,
}

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
    /// A sentinel policy of Kyverno refuses.
    Kyverno,
    /// A sentinel policy of policy-controller refuses.
    PolicyController,
    /// External Secrets Operator has looked at a sentinel.
    ExternalSecrets,
}

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const KYVERNO: &str = "kyverno.io";
const KYVERNO_CEL: &str = "policies.kyverno.io";
const SIGSTORE: &str = "policy.sigstore.dev";
const SECRETS: &str = "external-secrets.io";

const fn kind(group: &'static str, kind: &'static str, isolation: Isolation, barrier: Barrier) -> ObjectKind {
    ObjectKind { group, kind, isolation, barrier }
}

/// A kind in namespaces that the API server keeps, and that controls nothing itself.
const fn plain(group: &'static str, name: &'static str) -> ObjectKind {
    kind(group, name, Isolation::Namespace, Barrier::Stored)
}

const fn question(group: &'static str, name: &'static str) -> ObjectKind {
    kind(group, name, Isolation::Question, Barrier::Stored)
}

/// The kinds. Left out on purpose, since nobody has built a way to know that the API server has learned of them:
/// StorageClass, IngressClass, FlowSchema, APIService and what is like them.
pub static OBJECT_KINDS: &[ObjectKind] = &[
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
    kind("", "ResourceQuota", Isolation::Namespace, Barrier::OwnStatus),
    kind("", "Node", Isolation::Never, Barrier::Stored),
    kind("", "PersistentVolume", Isolation::Name, Barrier::Stored),
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
    kind("networking.k8s.io", "NetworkPolicy", Isolation::Namespace, Barrier::NetworkTables),
    kind("policy", "PodDisruptionBudget", Isolation::Namespace, Barrier::OwnStatus),
    // The admission plugin asks the API server for a class that it does not know yet. Nothing is waited for after a change
    // or a deletion.
    kind("node.k8s.io", "RuntimeClass", Isolation::Name, Barrier::Stored),
    kind("scheduling.k8s.io", "PriorityClass", Isolation::Never, Barrier::PriorityClasses),
    kind("certificates.k8s.io", "CertificateSigningRequest", Isolation::Name, Barrier::Stored),
    kind("apiextensions.k8s.io", "CustomResourceDefinition", Isolation::Never, Barrier::OwnStatus),
    kind(RBAC, "Role", Isolation::Namespace, Barrier::Roles),
    kind(RBAC, "RoleBinding", Isolation::Namespace, Barrier::Roles),
    kind(RBAC, "ClusterRole", Isolation::ClusterRole, Barrier::ClusterRoles),
    kind(RBAC, "ClusterRoleBinding", Isolation::ClusterRoleBinding, Barrier::ClusterRoles),
    kind(ADMISSION, "ValidatingAdmissionPolicy", Isolation::Name, Barrier::AdmissionPolicies),
    kind(ADMISSION, "ValidatingAdmissionPolicyBinding", Isolation::PolicyBinding, Barrier::AdmissionPolicies),
    kind(ADMISSION, "MutatingAdmissionPolicy", Isolation::Name, Barrier::AdmissionPolicies),
    kind(ADMISSION, "MutatingAdmissionPolicyBinding", Isolation::PolicyBinding, Barrier::AdmissionPolicies),
    kind(ADMISSION, "ValidatingWebhookConfiguration", Isolation::Webhooks, Barrier::ValidatingWebhooks),
    kind(ADMISSION, "MutatingWebhookConfiguration", Isolation::Webhooks, Barrier::MutatingWebhooks),
    question("authentication.k8s.io", "SelfSubjectReview"),
    question("authentication.k8s.io", "TokenReview"),
    question("authorization.k8s.io", "LocalSubjectAccessReview"),
    question("authorization.k8s.io", "SelfSubjectAccessReview"),
    question("authorization.k8s.io", "SelfSubjectRulesReview"),
    question("authorization.k8s.io", "SubjectAccessReview"),
    kind(KYVERNO, "ClusterPolicy", Isolation::KyvernoRules, Barrier::Kyverno),
    kind(KYVERNO, "Policy", Isolation::Namespace, Barrier::Kyverno),
    kind(KYVERNO_CEL, "ImageValidatingPolicy", Isolation::KyvernoConstraints, Barrier::Kyverno),
    kind(KYVERNO_CEL, "NamespacedImageValidatingPolicy", Isolation::Namespace, Barrier::Kyverno),
    kind(SIGSTORE, "ClusterImagePolicy", Isolation::ImageGlobs, Barrier::PolicyController),
    kind(SIGSTORE, "TrustRoot", Isolation::Name, Barrier::PolicyController),
    kind(SECRETS, "SecretStore", Isolation::Namespace, Barrier::ExternalSecrets),
    kind(SECRETS, "ClusterSecretStore", Isolation::Name, Barrier::ExternalSecrets),
    kind(SECRETS, "ExternalSecret", Isolation::Namespace, Barrier::ExternalSecrets),
    kind(SECRETS, "ClusterExternalSecret", Isolation::ClusterExternalSecret, Barrier::ExternalSecrets),
];

/// The kind of an object with this `apiVersion` and `kind`, whatever its version.
#[must_use]
pub fn object_kind(api_version: &str, kind: &str) -> Option<&'static ObjectKind> {
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    OBJECT_KINDS.iter().find(|one| one.group == group && one.kind == kind)
}

/// The kind that a step writes as `name`: in lower case, perhaps with `.GROUP`.
#[must_use]
pub fn object_kind_called(name: &str) -> Option<&'static ObjectKind> {
    let (kind, group) = name.split_once('.').map_or((name, None), |(kind, group)| (kind, Some(group)));
    OBJECT_KINDS.iter().find(|one| one.kind.to_lowercase() == kind && group.is_none_or(|group| group == one.group))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_is_there_once_and_found_by_both_names() {
        let names: BTreeSet<_> = OBJECT_KINDS.iter().map(|one| (one.group, one.kind)).collect();
        assert_eq!(names.len(), OBJECT_KINDS.len());
        for one in OBJECT_KINDS {
            let version = if one.group.is_empty() { "v1".to_owned() } else { format!("{}/v1beta1", one.group) };
            assert_eq!(object_kind(&version, one.kind), Some(one));
            let called = format!("{}.{}", one.kind.to_lowercase(), one.group);
            assert_eq!(object_kind_called(called.trim_end_matches('.')), Some(one));
        }
        assert_eq!(object_kind("storage.k8s.io/v1", "StorageClass"), None);
        assert_eq!(object_kind("audit.k8s.io/v1", "Policy"), None);
        assert_eq!(object_kind_called("policy.audit.k8s.io"), None);
    }
}
