//! The API server's own admission plugins, by the names that Kubernetes gives them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A built-in admission plugin that refuses in its own name. (`PodSecurity`, `NodeRestriction`,
/// `CertificateApproval` and `CertificateSubjectRestriction` have words of their own, and a
/// `ResourceQuota` is told by its name. `DefaultTolerationSeconds`, `StorageObjectInUseProtection`,
/// `TaintNodesByCondition` and others that only change objects refuse nothing.)
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Plugin {
    /// Everything is refused.
    AlwaysDeny,
    /// An image that is not always pulled.
    AlwaysPullImages,
    /// The signer lacks `sign` on this signer's name.
    CertificateSigning,
    /// The writer lacks `attest` on this signer's name.
    ClusterTrustBundleAttest,
    /// A Service with external addresses.
    DenyServiceExternalIPs,
    /// Too many events.
    EventRateLimit,
    /// An outside service does not allow an image.
    ImagePolicyWebhook,
    /// A change of a Job that is scheduled as a group.
    JobValidation,
    /// A required anti-affinity by something else than the host name.
    LimitPodHardAntiAffinityTopology,
    /// More, or less, than a LimitRange of the namespace allows.
    LimitRanger,
    /// The namespace is being deleted, or must not be.
    NamespaceLifecycle,
    /// A change of a pod that its node cannot follow.
    NodeDeclaredFeatureValidator,
    /// An owner reference that the writer has no right to.
    OwnerReferencesPermissionEnforcement,
    /// A claim that cannot grow.
    PersistentVolumeClaimResize,
    /// A group of pods whose workload does not exist.
    PodGroupWorkloadExists,
    /// A node selector against that of the namespace.
    PodNodeSelector,
    /// A pod that cannot be resized where it is.
    PodResizeValidator,
    /// A toleration that the namespace does not allow.
    PodTolerationRestriction,
    /// A priority class that does not exist, or a priority that is not its.
    Priority,
    /// A resource that is only for namespaces with a quota for it.
    ResourceQuota,
    /// A runtime class that does not exist, or does not fit.
    RuntimeClass,
    /// A ServiceAccount that does not exist, or may not use a Secret.
    ServiceAccount,
}

impl fmt::Display for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
