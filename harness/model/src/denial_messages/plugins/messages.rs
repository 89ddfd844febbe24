//! The table of what plugins say.

use crate::{Plugin, Refuser};

/// The parts of a text that are always the same: it begins with the first, and the others follow in
/// this order.
pub(super) type MessageParts = &'static [&'static str];

const fn by(plugin: Plugin) -> Refuser {
    Refuser::Plugin(plugin)
}

/// The texts of every plugin but `NodeRestriction`.
pub(super) static PLUGIN_MESSAGES: [(Refuser, MessageParts); 44] = [
    (
        by(Plugin::AlwaysDeny),
        &["admission control is denying all modifications"],
    ),
    (
        by(Plugin::CertificateSigning),
        &["user not permitted to sign requests with signerName \""],
    ),
    (
        Refuser::CertificateApproval,
        &["user not permitted to approve requests with signerName \""],
    ),
    (
        Refuser::CertificateSubjectRestriction,
        &[
            "use of ",
            " signer with system:masters group is not allowed",
        ],
    ),
    (
        Refuser::CertificateSubjectRestriction,
        &["failed to parse CSR: "],
    ),
    (
        by(Plugin::ClusterTrustBundleAttest),
        &["user not permitted to attest for signerName \""],
    ),
    (
        by(Plugin::DenyServiceExternalIPs),
        &["Use of external IPs is denied by admission control"],
    ),
    (
        by(Plugin::ImagePolicyWebhook),
        &["image policy webhook backend denied one or more images: "],
    ),
    (
        by(Plugin::ImagePolicyWebhook),
        &["one or more images rejected by webhook backend"],
    ),
    (
        by(Plugin::JobValidation),
        &["cannot change parallelism for a Job referencing gang-scheduled PodGroup \""],
    ),
    (
        by(Plugin::LimitPodHardAntiAffinityTopology),
        &[
            "affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey ",
            " is allowed",
        ],
    ),
    (
        by(Plugin::LimitRanger),
        &["minimum ", " usage per ", " is "],
    ),
    (
        by(Plugin::LimitRanger),
        &["maximum ", " usage per ", " is "],
    ),
    (
        by(Plugin::LimitRanger),
        &["", " max limit to request ratio per ", " is "],
    ),
    (
        by(Plugin::LimitRanger),
        &[
            "unable to ",
            " at this time because there was an error enforcing limit ranges",
        ],
    ),
    (
        by(Plugin::NamespaceLifecycle),
        &[
            "unable to create new content in namespace ",
            " because it is being terminated",
        ],
    ),
    (
        by(Plugin::NamespaceLifecycle),
        &["this namespace may not be deleted"],
    ),
    (
        by(Plugin::NodeDeclaredFeatureValidator),
        &[
            "pod update requires features ",
            " which are not available on node \"",
        ],
    ),
    (
        by(Plugin::OwnerReferencesPermissionEnforcement),
        &["cannot set an ownerRef on a resource you can't delete: "],
    ),
    (
        by(Plugin::OwnerReferencesPermissionEnforcement),
        &["cannot set blockOwnerDeletion "],
    ),
    (
        by(Plugin::PersistentVolumeClaimResize),
        &["Only bound persistent volume claims can be expanded"],
    ),
    (
        by(Plugin::PersistentVolumeClaimResize),
        &["only dynamically provisioned pvc can be resized and "],
    ),
    (by(Plugin::PodGroupWorkloadExists), &["PodGroup rejected: "]),
    (
        by(Plugin::PodNodeSelector),
        &["pod node label selector conflicts with its namespace node label selector"],
    ),
    (
        by(Plugin::PodNodeSelector),
        &["pod node label selector labels conflict with its namespace whitelist"],
    ),
    (
        by(Plugin::PodResizeValidator),
        &["pod resize is only supported on linux nodes, "],
    ),
    (
        by(Plugin::PodResizeValidator),
        &["node didn't have enough allocatable resources: "],
    ),
    (
        by(Plugin::Priority),
        &[
            "the integer value of priority (",
            " must not be provided in pod spec",
        ],
    ),
    (
        by(Plugin::Priority),
        &[
            "the string value of PreemptionPolicy (",
            " must not be provided in pod spec",
        ],
    ),
    (
        by(Plugin::Priority),
        &[
            "priority set in the pod group (",
            " must match the priority computed (",
        ],
    ),
    (
        by(Plugin::Priority),
        &[
            "PriorityClass ",
            " is already marked as default. Only one default can exist",
        ],
    ),
    (
        by(Plugin::Priority),
        &["no PriorityClass with name ", " was found"],
    ),
    (
        by(Plugin::ResourceQuota),
        &["insufficient quota to consume: "],
    ),
    (
        by(Plugin::ResourceQuota),
        &["quota usage is negative for resource(s): "],
    ),
    (by(Plugin::RuntimeClass), &["pod rejected: "]),
    (
        by(Plugin::RuntimeClass),
        &["conflict: runtimeClass.scheduling.nodeSelector["],
    ),
    (
        by(Plugin::ServiceAccount),
        &["error looking up service account "],
    ),
    (
        by(Plugin::ServiceAccount),
        &["no service account specified for pod "],
    ),
    (by(Plugin::ServiceAccount), &["a mirror pod may not "]),
    (
        by(Plugin::ServiceAccount),
        &[
            "volume with secret.secretName=\"",
            " is not allowed because service account ",
        ],
    ),
    (
        by(Plugin::ServiceAccount),
        &[
            "init container ",
            " referencing secret.secretName=\"",
            " is not allowed because service account ",
        ],
    ),
    (
        by(Plugin::ServiceAccount),
        &[
            "container ",
            " referencing secret.secretName=\"",
            " is not allowed because service account ",
        ],
    ),
    (
        by(Plugin::ServiceAccount),
        &[
            "ephemeral container ",
            " referencing secret.secretName=\"",
            " is not allowed because service account ",
        ],
    ),
    (
        by(Plugin::ServiceAccount),
        &[
            "imagePullSecrets[",
            " is not allowed because service account ",
        ],
    ),
];
