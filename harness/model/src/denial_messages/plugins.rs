//! The texts of the built-in admission plugins, each as its plugin writes it behind
//! `… is forbidden: `.
//!
//! Sources, kubernetes 1.36.3: `plugin/pkg/admission/*` (a folder for each plugin,
//! `namespace/lifecycle` and `resourcequota` in
//! `staging/src/k8s.io/apiserver/pkg/admission/plugin`). "not yet ready to handle request", which
//! any of them says while the server starts, and "unexpected type" are faults, and stand here for
//! nobody.

use crate::{Plugin, Refuser};

/// The parts of a text that are always the same: it begins with the first, and the others follow in
/// this order.
type Parts = &'static [&'static str];

const fn by(plugin: Plugin) -> Refuser {
    Refuser::Plugin(plugin)
}

static TEXTS: [(Refuser, Parts); 74] = [
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
    (
        Refuser::NodeRestriction,
        &["could not determine node from user \""],
    ),
    (
        Refuser::NodeRestriction,
        &["could not determine pod from request data"],
    ),
    (
        Refuser::NodeRestriction,
        &[
            "unexpected pod subresource \"",
            ", only 'status' and 'eviction' are allowed",
        ],
    ),
    (Refuser::NodeRestriction, &["may only update PVC status"]),
    (
        Refuser::NodeRestriction,
        &[
            "unexpected operation \"",
            ", node \"",
            " can only create and delete mirror pods",
        ],
    ),
    (Refuser::NodeRestriction, &["node \"", "\" can only "]),
    (
        Refuser::NodeRestriction,
        &[
            "node ",
            " can only evict pods with spec.nodeName set to itself",
        ],
    ),
    (
        Refuser::NodeRestriction,
        &["node \"", "\" is not allowed to "],
    ),
    (
        Refuser::NodeRestriction,
        &[
            "node \"",
            "\" must not set blockOwnerDeletion on an owner reference",
        ],
    ),
    (
        Refuser::NodeRestriction,
        &["node \"", "\" can not create pods that reference "],
    ),
    (Refuser::NodeRestriction, &["node \"", "\" cannot update "]),
    (
        Refuser::NodeRestriction,
        &["is not allowed to modify labels: "],
    ),
    (
        Refuser::NodeRestriction,
        &["pod does not have \"kubernetes.io/config.mirror\" annotation, node \""],
    ),
    (
        Refuser::NodeRestriction,
        &["error looking up node ", " to verify uid: "],
    ),
    (
        Refuser::NodeRestriction,
        &["node ", " UID mismatch: expected "],
    ),
    (
        Refuser::NodeRestriction,
        &["error checking mirror pod for API references: "],
    ),
    (Refuser::NodeRestriction, &["node requested token "]),
    (
        Refuser::NodeRestriction,
        &["the UID in the bound object reference ("],
    ),
    (
        Refuser::NodeRestriction,
        &["node may only request 0 or 1 audiences"],
    ),
    (Refuser::NodeRestriction, &["error validating audience \""]),
    (
        Refuser::NodeRestriction,
        &["audience \"", " not found in pod spec volume, "],
    ),
    (
        Refuser::NodeRestriction,
        &[
            "PodCertificateRequest.Spec.NodeName=\"",
            ", which is not the requesting node \"",
        ],
    ),
    (
        Refuser::NodeRestriction,
        &["PodCertificateRequest for pod \""],
    ),
    (
        Refuser::NodeRestriction,
        &["while retrieving ", " named in the PodCertificateRequest: "],
    ),
    (
        Refuser::NodeRestriction,
        &["pod \"", " named in the PodCertificateRequest"],
    ),
    (
        Refuser::NodeRestriction,
        &["can only access leases in the \""],
    ),
    (
        Refuser::NodeRestriction,
        &["can only access node lease with the same name as the requesting node"],
    ),
    (
        Refuser::NodeRestriction,
        &["can only access CSINode with the same name as the requesting node"],
    ),
    (Refuser::NodeRestriction, &["unable to parse csr: "]),
    (
        Refuser::NodeRestriction,
        &["can only create a node CSR with CN=system:node:"],
    ),
];

/// The plugin whose text this is. Of several faults in one, `[FAULT, FAULT]`, the first says whose
/// they are.
pub(super) fn refuser(text: &str) -> Option<Refuser> {
    let text = text.strip_prefix('[').unwrap_or(text);
    let known = TEXTS.iter().find(|(_, parts)| holds(text, parts));
    known.map(|(by, _)| by.clone())
}

/// What a plugin says without wrapping it as a refusal: the server passes it on as a fault of its
/// own.
pub(super) fn unwrapped(message: &str) -> Option<Refuser> {
    let plugin = if message.starts_with("insufficient quota to match these scopes: ") {
        Plugin::ResourceQuota
    } else if holds(
        message,
        &["pod tolerations (", " conflict with its ", " whitelist"],
    ) {
        Plugin::PodTolerationRestriction
    } else {
        let first = message.strip_prefix('[').unwrap_or(message);
        let text = super::behind_forbidden(first)?;
        let parts = &[
            "spec.",
            "ullPolicy: Unsupported value: ",
            "supported values: \"Always\"",
        ];
        if !holds(text, parts) {
            return None;
        }
        Plugin::AlwaysPullImages
    };
    Some(Refuser::Plugin(plugin))
}

/// The text of the 429 with which events are turned away.
pub(super) fn too_many_events(message: &str) -> Option<Refuser> {
    let text = message.strip_prefix('[').unwrap_or(message);
    holds(text, &["limit reached on type ", " for key "])
        .then_some(Refuser::Plugin(Plugin::EventRateLimit))
}

fn holds(text: &str, parts: &[&str]) -> bool {
    let Some((first, others)) = parts.split_first() else {
        return false;
    };
    let mut rest = text.strip_prefix(first);
    for part in others {
        rest = rest
            .and_then(|rest| rest.split_once(part))
            .map(|(_, rest)| rest);
    }
    rest.is_some()
}
