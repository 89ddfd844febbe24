//! What there is to know of an action before it is taken. One exhaustive match: a new action does
//! not compile until its match arm says what it reads, needs and writes.

use std::collections::BTreeSet;

use crate::nodeless::{BEHIND_THE_API, is_api_alone};
use crate::scope::NAMESPACE_MARK;
use crate::{
    Action, AttachSbom, AttestImage, CanaryMatch, Capability, CopyImage, EncryptStorage, ImageName,
    IndexImages, LeakPlace, ObjectTarget, ObservedRecord, RewriteSecrets, RotateSecret, SignImage,
    SpoilAttached, StatementPredicate, TamperImage, TrustedRoot, VerifyImage, WatchedValue,
    WriteSbom,
};

/// What is known of an action.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionFacts<'a> {
    /// The manifests among the scenario's files that it reads.
    pub reads: Vec<&'a str>,
    /// The files that it takes as they are, whatever they hold.
    pub texts: Vec<&'a str>,
    /// What it changes.
    pub writes: ActionWrites<'a>,
    /// What it needs of the cluster beyond an API server.
    pub needs: BTreeSet<Capability>,
    /// The image that it is about.
    pub image: Option<&'a ImageName>,
    /// The bill of materials that it uses.
    pub document: Option<&'a str>,
    /// The target of the connection that it opens.
    pub connects_to: Option<&'a str>,
    /// What its answer may change to by itself.
    pub settles: AnswerSettling,
    /// Whether it starts an API server again.
    pub starts_api_server: bool,
    /// Whether it is answered with objects of every namespace.
    pub tells_of_everybody: bool,
}

/// How an action's answer may still change, so that it has to last before it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerSettling {
    /// The first answer is the answer, or the action itself waits for the last one.
    AtOnce,
    /// A Service becomes known to every node, a policy to every enforcer; with the seconds that the
    /// action names itself.
    OnTheWire(Option<u8>),
    /// Pods start.
    AsPodsStart,
    /// An object or a field comes, or goes; a component gets to something.
    AsObjectsChange,
}

/// The process of the API server, in a box.
pub const API_SERVER: &str = "kube-apiserver";

/// What an action changes, as far as other worlds could notice it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ActionWrites<'a> {
    /// Nothing in the cluster.
    Nothing,
    /// Objects of this manifest.
    Manifest(&'a str),
    /// This object.
    Object(&'a ObjectTarget),
    /// Something in the namespace of the step.
    Namespace,
    /// Images and signatures in the world's own repositories.
    Images,
    /// What the whole cluster stands on: no other world can be tried on it, before or after.
    Cluster,
    /// Nothing, but it looks at figures of the whole API server, which other worlds change.
    SharedFigures,
}

impl Action {
    /// What is known of it before it is taken.
    #[must_use]
    pub fn facts(&self) -> ActionFacts<'_> {
        let (mut reads, mut texts, mut needs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut image, mut settles) = (None, AnswerSettling::AtOnce);
        let (mut document, mut connects_to) = (None, None);
        let mut starts_api_server = false;
        let mut tells_of_everybody = false;
        let writes = match self {
            Self::Create(file) | Self::Apply(file) | Self::Update(file) => {
                reads = vec![file.as_str()];
                ActionWrites::Manifest(file)
            }
            Self::Patch { target, with, .. } | Self::UpdateSubresource { target, with, .. } => {
                reads = vec![with.as_str()];
                ActionWrites::Object(target)
            }
            Self::Delete(target)
            | Self::DeleteCollection(target)
            | Self::Label { target, .. }
            | Self::Scale { target, .. } => ActionWrites::Object(target),
            Self::DeleteLabelled { .. } => ActionWrites::Namespace,
            Self::EphemeralContainer { with, .. } => {
                reads = vec![with.as_str()];
                ActionWrites::Namespace
            }
            Self::Exec { .. } | Self::AttachPod(_) | Self::PortForward(_) => {
                needs = vec![A_NODE];
                ActionWrites::Namespace
            }
            // Whether an eviction or an ephemeral container is allowed is decided before anything
            // has to run.
            Self::Evict(_)
            | Self::Bind { .. }
            | Self::Token { .. }
            | Self::CreateSecrets(_)
            | Self::RewriteSecrets(RewriteSecrets { killed_after: None }) => {
                ActionWrites::Namespace
            }
            Self::Rotate(RotateSecret { watch, .. }) => {
                needs = watch.values().filter_map(of_watched).collect();
                ActionWrites::Namespace
            }
            Self::CopyEtcdValue(_) => {
                needs = vec![Capability::Etcd];
                ActionWrites::Namespace
            }
            Self::ReadEtcdValue(_) | Self::Snapshot(_) => {
                needs = vec![Capability::Etcd];
                ActionWrites::Nothing
            }
            Self::SetEncryption(EncryptStorage { with, .. }) => {
                texts = vec![with.as_str()];
                needs = vec![Capability::ApiServerFlags, Capability::Processes];
                starts_api_server = true;
                ActionWrites::Cluster
            }
            Self::RewriteSecrets(RewriteSecrets {
                killed_after: Some(_),
            }) => {
                needs = vec![Capability::Processes];
                ActionWrites::Cluster
            }
            Self::Process(process) => {
                needs = vec![Capability::Processes];
                starts_api_server = process.name() == API_SERVER;
                ActionWrites::Cluster
            }
            Self::Node(_) => {
                needs = vec![Capability::NodeFaults];
                ActionWrites::Cluster
            }
            Self::Kms(_) => {
                needs = vec![Capability::KmsPlugin];
                ActionWrites::Cluster
            }
            Self::Restore(_) => {
                needs = vec![Capability::Etcd, Capability::Processes];
                starts_api_server = true;
                ActionWrites::Cluster
            }
            Self::LookFor(record) => {
                let (writes, need) = of_record(record);
                needs = need.into_iter().collect();
                settles = settling_of(record);
                writes
            }
            Self::Build(build) => {
                let all = build.files.values().chain(build.base64_files.values());
                texts = all.map(String::as_str).collect();
                image = Some(&build.image);
                ActionWrites::Images
            }
            Self::Attest(AttestImage {
                predicate,
                image: about,
                ..
            }) => {
                match predicate {
                    StatementPredicate::File(file) => texts = vec![file.as_str()],
                    StatementPredicate::Sbom(name) => document = Some(name.as_str()),
                }
                image = Some(about);
                ActionWrites::Images
            }
            Self::Verify(VerifyImage {
                root,
                policy,
                image: about,
                ..
            }) => {
                texts = root_file(root)
                    .into_iter()
                    .chain(policy.as_deref())
                    .collect();
                image = Some(about);
                ActionWrites::Nothing
            }
            Self::Push(about)
            | Self::Copy(CopyImage { from: about, .. })
            | Self::Index(IndexImages { image: about, .. })
            | Self::Tamper(TamperImage { image: about, .. })
            | Self::Corrupt(SpoilAttached { image: about, .. })
            | Self::Sbom(WriteSbom { image: about, .. })
            | Self::Sign(SignImage { image: about, .. }) => {
                image = Some(about);
                ActionWrites::Images
            }
            Self::Attach(AttachSbom { image: about, sbom }) => {
                image = Some(about);
                document = Some(sbom.as_str());
                ActionWrites::Images
            }
            Self::Scan(scan) => {
                document = Some(scan.sbom.as_str());
                needs = vec![Capability::HostTools];
                ActionWrites::Nothing
            }
            Self::Get(target) => {
                needs = of_subresource(target).into_iter().collect();
                ActionWrites::Nothing
            }
            Self::Path(path) => {
                needs = of_path(path).into_iter().collect();
                // `/version` and `/livez` tell of nobody's objects.
                tells_of_everybody =
                    !path.contains(NAMESPACE_MARK) && path.trim_start_matches('/').contains('/');
                ActionWrites::Nothing
            }
            Self::WaitRunning(_) => {
                needs = vec![A_NODE];
                settles = AnswerSettling::AsPodsStart;
                ActionWrites::Nothing
            }
            Self::Reach(reach) => {
                needs = vec![A_NODE];
                settles = AnswerSettling::OnTheWire(reach.within);
                connects_to = Some(reach.to.as_str());
                ActionWrites::Nothing
            }
            Self::OpenConnection(hold) => {
                needs = vec![A_NODE];
                connects_to = Some(hold.to.as_str());
                ActionWrites::Nothing
            }
            Self::CheckConnection(_) | Self::CheckAgent(_) | Self::CheckDelivery(_) => {
                needs = vec![A_NODE];
                ActionWrites::Nothing
            }
            Self::CheckSecrets => {
                needs = vec![Capability::Etcd];
                ActionWrites::Nothing
            }
            Self::List {
                all_namespaces,
                fields,
                labels,
                ..
            } => {
                let is_narrow = [fields, labels]
                    .into_iter()
                    .flatten()
                    .any(|selector| selector.contains(NAMESPACE_MARK));
                tells_of_everybody = *all_namespaces && !is_narrow;
                ActionWrites::Nothing
            }
            Self::CheckPropagation(_) => ActionWrites::Nothing,
        };
        // Images are made, signed and looked at by programs beside the cluster.
        needs.extend(image.map(|_| Capability::HostTools));
        ActionFacts {
            reads,
            texts,
            writes,
            needs: needs.into_iter().collect(),
            image,
            document,
            connects_to,
            settles,
            starts_api_server,
            tells_of_everybody,
        }
    }
}

/// A pod has to run.
const A_NODE: Capability = Capability::Nodes(1);

fn of_watched(watched: &WatchedValue) -> Option<Capability> {
    match watched {
        WatchedValue::File { .. } | WatchedValue::Environment { .. } => Some(A_NODE),
        WatchedValue::Object(_) => None,
    }
}

/// The API server asks a kubelet, but for these two.
fn of_subresource(target: &ObjectTarget) -> Option<Capability> {
    match target.subresource.as_deref() {
        None | Some("status" | "scale") => None,
        Some(_) => Some(A_NODE),
    }
}

/// A path that leads through the API server to something else.
fn of_path(path: &str) -> Option<Capability> {
    BEHIND_THE_API
        .iter()
        .any(|part| path.contains(part))
        .then_some(A_NODE)
}

fn of_record(record: &ObservedRecord) -> (ActionWrites<'_>, Option<Capability>) {
    match record {
        ObservedRecord::Metric(_) => (ActionWrites::SharedFigures, None),
        ObservedRecord::Canary(CanaryMatch { place, .. }) => {
            (ActionWrites::Nothing, of_place(place))
        }
        ObservedRecord::Audit(_) => (ActionWrites::Nothing, Some(Capability::AuditLog)),
        // Kubelets tell most events, and only they say how a node is.
        ObservedRecord::Event(_) | ObservedRecord::Node(_) => (ActionWrites::Nothing, Some(A_NODE)),
        ObservedRecord::Field(field) => (ActionWrites::Nothing, of_field(&field.of)),
        ObservedRecord::Object(target) => (ActionWrites::Nothing, of_field(target)),
        ObservedRecord::Pods(_) => (ActionWrites::Nothing, Some(A_NODE)),
        ObservedRecord::Warning(_) | ObservedRecord::Output(_) => (ActionWrites::Nothing, None),
    }
}

fn settling_of(record: &ObservedRecord) -> AnswerSettling {
    match record {
        ObservedRecord::Field(_) | ObservedRecord::Object(_) | ObservedRecord::Pods(_) => {
            AnswerSettling::AsObjectsChange
        }
        ObservedRecord::Audit(wanted) if wanted.is_of_component() => {
            AnswerSettling::AsObjectsChange
        }
        ObservedRecord::Audit(_)
        | ObservedRecord::Event(_)
        | ObservedRecord::Metric(_)
        | ObservedRecord::Warning(_)
        | ObservedRecord::Node(_)
        | ObservedRecord::Canary(_)
        | ObservedRecord::Output(_) => AnswerSettling::AtOnce,
    }
}

/// A kind with a status waits for pods that run.
fn of_field(target: &ObjectTarget) -> Option<Capability> {
    (!is_api_alone(target)).then_some(A_NODE)
}

/// What it takes to look at this place.
fn of_place(place: &LeakPlace) -> Option<Capability> {
    match place {
        LeakPlace::EtcdValue(_) | LeakPlace::EtcdFiles | LeakPlace::Snapshot(_) => {
            Some(Capability::Etcd)
        }
        LeakPlace::ComponentLog(_) => Some(Capability::ComponentLogs),
        LeakPlace::Audit => Some(Capability::AuditLog),
        LeakPlace::PodLog(_) => Some(A_NODE),
        LeakPlace::Image(_) => Some(Capability::HostTools),
        LeakPlace::Events | LeakPlace::Field { .. } | LeakPlace::Reply(_) => None,
    }
}

fn root_file(root: &TrustedRoot) -> Option<&str> {
    match root {
        TrustedRoot::File(file) => Some(file),
        TrustedRoot::Box
        | TrustedRoot::OtherLog
        | TrustedRoot::OtherAuthority
        | TrustedRoot::OtherTimestamps
        | TrustedRoot::Absent => None,
    }
}
