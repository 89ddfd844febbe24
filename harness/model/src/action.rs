//! What a step can do. One key each; names in the fields' own terms.

use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ParseWordError;
use crate::agent::{AgentLook, DeliveredEvents};
use crate::image::{
    AttachSbom, AttestImage, BuildImage, CopyImage, ImageName, IndexImages, ScanImage, SignImage,
    SpoilAttached, TamperImage, VerifyImage, WriteSbom,
};
use crate::node::NodeChange;
use crate::record::ObservedRecord;
use crate::storage::{
    EncryptStorage, KmsBehavior, PlaceFollowed, ProcessChange, RewriteSecrets, RotateSecret,
    TransplantObject,
};
use crate::stream::{AttachPod, ForwardPort};
use crate::wire::{ConnectionTry, HeldConnection, HoldConnection};

/// One thing to try. Manifests are files of the scenario, with one object each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum Action {
    /// POST the object of this manifest.
    Create(String),
    /// Server-side apply of this manifest, conflicts forced.
    Apply(String),
    /// PUT the object of this manifest; a missing `resourceVersion` is taken from the stored
    /// object.
    Update(String),
    /// PATCH an object.
    Patch {
        /// What to patch.
        target: ObjectTarget,
        /// How.
        #[serde(default)]
        kind: PatchKind,
        /// A subresource, such as `status`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subresource: Option<String>,
        /// The patch itself, a file of the scenario.
        with: String,
    },
    /// PUT the object of a manifest to a subresource, such as `finalize`, which takes no patch; a
    /// missing `resourceVersion` is taken from the stored object.
    UpdateSubresource {
        /// Whose subresource it is.
        target: ObjectTarget,
        /// Its name.
        subresource: String,
        /// The whole object, a file of the scenario.
        with: String,
    },
    /// DELETE an object.
    Delete(ObjectTarget),
    /// DELETE the collection of its kind, narrowed to this object by a field selector: the verb
    /// `deletecollection`, a request without a name.
    DeleteCollection(ObjectTarget),
    /// DELETE the collection of a kind, narrowed by a label selector: the same verb, for every object
    /// of the namespace that has these labels.
    DeleteLabelled {
        /// The kind, in lower case, with its group where it is ambiguous; one whose objects are in
        /// namespaces.
        kind: String,
        /// The label selector.
        labels: String,
    },
    /// GET an object, or one of its subresources (`pod/x/log`, `pod/x/status`).
    Get(ObjectTarget),
    /// GET a collection.
    List {
        /// The plural resource, with its group where it has one: `secrets`,
        /// `roles.rbac.authorization.k8s.io`.
        resource: String,
        /// Across all namespaces, or cluster-scoped.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        all_namespaces: bool,
        /// A field selector.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fields: Option<String>,
        /// A label selector.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        labels: Option<String>,
        /// Open a watch for a second instead.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        watch: bool,
    },
    /// Merge labels into an object's metadata, as `kubectl label --overwrite`; null removes one.
    Label {
        /// What to label.
        target: ObjectTarget,
        /// The labels.
        set: IndexMap<String, Option<String>>,
    },
    /// Evict a pod (`pods/eviction`).
    Evict(String),
    /// Run a command in a pod (`pods/exec`); the detail holds its output and exit code.
    Exec {
        /// The pod.
        pod: String,
        /// The command and its arguments.
        command: Vec<String>,
        /// Keeps its output out of the record, because it differs each time. Later steps can look
        /// into it all the same.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unrecorded: bool,
    },
    /// Join the program that a container runs (`pods/attach`).
    AttachPod(AttachPod),
    /// Connect to a port of a pod through the API server (`pods/portforward`).
    PortForward(ForwardPort),
    /// Add the ephemeral container of this manifest (one container, as in a pod's spec) to a
    /// running pod.
    EphemeralContainer {
        /// The pod.
        pod: String,
        /// The file with the container.
        with: String,
    },
    /// Bind a pod to a node, past the scheduler (`pods/binding`).
    Bind {
        /// The pod.
        pod: String,
        /// The node; `$(node)` names one that exists.
        node: String,
        /// Labels of the binding, which overwrite those of the pod.
        #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
        labels: IndexMap<String, String>,
    },
    /// Request a token for a ServiceAccount (`serviceaccounts/token`). The token itself is never
    /// recorded.
    Token {
        /// The ServiceAccount.
        serviceaccount: String,
        /// The audiences; the API server's own where it is empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        audiences: Vec<String>,
        /// A pod of that namespace: the token is good for as long as the pod is there. A later step
        /// uses this very token with `as: { serviceaccount: { name: …, bound-to: … } }`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bound_to: Option<String>,
    },
    /// Set the replicas of a workload (`…/scale`).
    Scale {
        /// What to scale.
        target: ObjectTarget,
        /// To how many.
        replicas: u32,
    },
    /// GET a path of the API server (`/metrics`, `/api/v1/nodes/$(node)/proxy/pods`).
    Path(String),
    /// Wait until a pod, or every pod of a workload's newest revision, really runs and is ready, or
    /// say who or what does not let it.
    WaitRunning(ObjectTarget),
    /// Try a connection from a pod. A block counts once it held for a second, and the pod that is
    /// meant still answers itself.
    Reach(ConnectionTry),
    /// Open a TCP connection from a pod and keep it, with a line out and back every tenth of a
    /// second.
    OpenConnection(HoldConnection),
    /// Whether a line still gets out and back over a connection that an earlier step opened.
    CheckConnection(HeldConnection),
    /// Look for something in a record.
    LookFor(ObservedRecord),
    /// Make an image; it is not in the registry yet.
    Build(BuildImage),
    /// Put an image that was built into the registry, under its tag.
    Push(ImageName),
    /// Put an index of images for several platforms into the registry.
    Index(IndexImages),
    /// Copy an image within the registry, or move a tag.
    Copy(CopyImage),
    /// Change an image under its tag.
    Tamper(TamperImage),
    /// Destroy what is attached to an image.
    Corrupt(SpoilAttached),
    /// Write an image's bill of materials, with syft.
    Sbom(WriteSbom),
    /// Attach a bill of materials to an image, unsigned.
    Attach(AttachSbom),
    /// Sign an image, with cosign.
    Sign(SignImage),
    /// Attach a signed statement to an image, with cosign.
    Attest(AttestImage),
    /// Judge an image's signature or attestation.
    Verify(VerifyImage),
    /// Look for known vulnerabilities, with grype.
    Scan(ScanImage),
    /// Look at an object's bytes in etcd.
    ReadEtcdValue(ObjectTarget),
    /// Give the API server another encryption configuration.
    SetEncryption(EncryptStorage),
    /// Read every Secret of the world and write it back.
    RewriteSecrets(RewriteSecrets),
    /// Create this many Secrets, `many-0` and on, each with a value that `check-secrets` knows.
    CreateSecrets(u16),
    /// Whether every Secret that `create-secrets` made is still there, can be read, and holds its
    /// value.
    CheckSecrets,
    /// Stop, kill, freeze or start a process of the box.
    Process(ProcessChange),
    /// Cut off, freeze, kill or start a whole node of the box.
    Node(NodeChange),
    /// Change how the test's own KMS plugin behaves.
    Kms(KmsBehavior),
    /// Copy an object's stored bytes to another object's place, past the API server.
    CopyEtcdValue(TransplantObject),
    /// Save what etcd holds, under a name.
    Snapshot(String),
    /// Stop the API server and etcd, and start them with what a snapshot of this name holds.
    Restore(String),
    /// Give a Secret another value, and watch how it gets about.
    Rotate(RotateSecret),
    /// Whether a place followed a rotation in time.
    CheckPropagation(PlaceFollowed),
    /// Whether a security agent reaches its manager, from enrolment to an event that was taken.
    CheckAgent(AgentLook),
    /// Whether every event of a source was taken by a manager; the detail counts what is missing,
    /// twice, or late.
    CheckDelivery(DeliveredEvents),
}

impl Action {
    /// Its word in a scenario.
    #[must_use]
    pub fn word(&self) -> String {
        match serde_json::to_value(self) {
            Ok(Value::String(word)) => word,
            Ok(Value::Object(action)) => action.keys().next().cloned().unwrap_or_default(),
            Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | Err(_) => {
                String::new()
            }
        }
    }
}

/// The format of a patch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PatchKind {
    /// `application/merge-patch+json`.
    #[default]
    Merge,
    /// `application/strategic-merge-patch+json`.
    Strategic,
    /// `application/json-patch+json`.
    Json,
}

/// An object by name, `KIND/NAME`, or one of its subresources, `KIND/NAME/SUBRESOURCE`. The kind is
/// written in lower case, with its group where it is ambiguous: `pod/web`,
/// `clusterrole.rbac.authorization.k8s.io/view`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectTarget {
    /// The kind, lower case, perhaps with `.GROUP`.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The subresource.
    pub subresource: Option<String>,
}

impl FromStr for ObjectTarget {
    type Err = ParseWordError;

    fn from_str(text: &str) -> Result<Self, ParseWordError> {
        let mut parts = text.split('/');
        let (kind, name, subresource) = (parts.next(), parts.next(), parts.next());
        match (kind, name, parts.next()) {
            (Some(kind), Some(name), None)
                if !kind.is_empty() && !name.is_empty() && subresource != Some("") =>
            {
                Ok(Self {
                    kind: kind.to_lowercase(),
                    name: name.into(),
                    subresource: subresource.map(Into::into),
                })
            }
            _ => Err(ParseWordError::new(
                text,
                "is not an object: write KIND/NAME, as in `pod/web`",
            )),
        }
    }
}

impl TryFrom<String> for ObjectTarget {
    type Error = ParseWordError;

    fn try_from(text: String) -> Result<Self, ParseWordError> {
        text.parse()
    }
}

impl From<ObjectTarget> for String {
    fn from(target: ObjectTarget) -> Self {
        target.to_string()
    }
}

impl fmt::Display for ObjectTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)?;
        self.subresource
            .as_ref()
            .map_or(Ok(()), |sub| write!(f, "/{sub}"))
    }
}
