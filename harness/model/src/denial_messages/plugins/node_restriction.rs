//! What the plugin `NodeRestriction` says to kubelets.

use super::messages::MessageParts;

pub(super) static NODE_MESSAGES: [MessageParts; 30] = [
    &["could not determine node from user \""],
    &["could not determine pod from request data"],
    &[
        "unexpected pod subresource \"",
        ", only 'status' and 'eviction' are allowed",
    ],
    &["may only update PVC status"],
    &[
        "unexpected operation \"",
        ", node \"",
        " can only create and delete mirror pods",
    ],
    &["node \"", "\" can only "],
    &[
        "node ",
        " can only evict pods with spec.nodeName set to itself",
    ],
    &["node \"", "\" is not allowed to "],
    &[
        "node \"",
        "\" must not set blockOwnerDeletion on an owner reference",
    ],
    &["node \"", "\" can not create pods that reference "],
    &["node \"", "\" cannot update "],
    &["is not allowed to modify labels: "],
    &["pod does not have \"kubernetes.io/config.mirror\" annotation, node \""],
    &["error looking up node ", " to verify uid: "],
    &["node ", " UID mismatch: expected "],
    &["error checking mirror pod for API references: "],
    &["node requested token "],
    &["the UID in the bound object reference ("],
    &["node may only request 0 or 1 audiences"],
    &["error validating audience \""],
    &["audience \"", " not found in pod spec volume, "],
    &[
        "PodCertificateRequest.Spec.NodeName=\"",
        ", which is not the requesting node \"",
    ],
    &["PodCertificateRequest for pod \""],
    &["while retrieving ", " named in the PodCertificateRequest: "],
    &["pod \"", " named in the PodCertificateRequest"],
    &["can only access leases in the \""],
    &["can only access node lease with the same name as the requesting node"],
    &["can only access CSINode with the same name as the requesting node"],
    &["unable to parse csr: "],
    &["can only create a node CSR with CN=system:node:"],
];
