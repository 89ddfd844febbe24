//! What there is to know of an action before it is taken. One exhaustive match: a new action does
//! not compile until its match arm says what it writes, reads, needs, how its answer settles and
//! what it is about.

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
    Cluster {
        /// Whether an API server starts again.
        starts_api_server: bool,
    },
    /// Nothing, but it looks at figures of the whole API server, which other worlds change.
    SharedFigures,
}

/// What an action is about.
#[derive(Clone, Copy)]
enum ActionSubject<'a> {
    /// Objects, or what the cluster is made of.
    Cluster,
    /// An image.
    Image(&'a ImageName),
    /// An image, and a bill of materials that is written already.
    ImageWithSbom(&'a ImageName, &'a str),
    /// A bill of materials that is written already.
    Sbom(&'a str),
    /// The target of a connection.
    Connection(&'a str),
}

impl<'a> ActionFacts<'a> {
    /// With files that it takes as they are. A file that no step names is a finding of the lint.
    fn with_texts(mut self, texts: impl IntoIterator<Item = &'a str>) -> Self {
        self.texts = texts.into_iter().collect();
        self
    }

    fn telling_of_everybody(mut self, tells: bool) -> Self {
        self.tells_of_everybody = tells;
        self
    }

    /// Whether it starts an API server again.
    #[must_use]
    pub fn starts_api_server(&self) -> bool {
        matches!(
            self.writes,
            ActionWrites::Cluster {
                starts_api_server: true
            }
        )
    }
}

/// None of these has a usual value: each action decides all of them.
fn decide<'a>(
    writes: ActionWrites<'a>,
    reads: impl IntoIterator<Item = &'a str>,
    needs: impl IntoIterator<Item = Capability>,
    settles: AnswerSettling,
    subject: ActionSubject<'a>,
) -> ActionFacts<'a> {
    let (image, document, connects_to) = match subject {
        ActionSubject::Cluster => (None, None, None),
        ActionSubject::Image(image) => (Some(image), None, None),
        ActionSubject::ImageWithSbom(image, sbom) => (Some(image), Some(sbom), None),
        ActionSubject::Sbom(sbom) => (None, Some(sbom), None),
        ActionSubject::Connection(target) => (None, None, Some(target)),
    };
    // Images are made, signed and looked at by programs beside the cluster.
    let needs = needs
        .into_iter()
        .chain(image.map(|_| Capability::HostTools));
    ActionFacts {
        reads: reads.into_iter().collect(),
        texts: Vec::new(),
        writes,
        needs: needs.collect(),
        image,
        document,
        connects_to,
        settles,
        tells_of_everybody: false,
    }
}

impl Action {
    /// What is known of it before it is taken.
    #[must_use]
    pub fn facts(&self) -> ActionFacts<'_> {
        use ActionSubject::{Cluster, Connection, Image, ImageWithSbom, Sbom};
        use ActionWrites::{Images, Manifest, Namespace, Nothing, Object, SharedFigures};
        use AnswerSettling::{AsPodsStart, AtOnce, OnTheWire};
        use Capability::{Etcd, HostTools, Processes};
        match self {
            Self::Create(file) | Self::Apply(file) | Self::Update(file) => {
                decide(Manifest(file), [file.as_str()], [], AtOnce, Cluster)
            }
            Self::Patch { target, with, .. } | Self::UpdateSubresource { target, with, .. } => {
                decide(Object(target), [with.as_str()], [], AtOnce, Cluster)
            }
            Self::Delete(target)
            | Self::DeleteCollection(target)
            | Self::Label { target, .. }
            | Self::Scale { target, .. } => decide(Object(target), [], [], AtOnce, Cluster),
            // Whether an eviction or an ephemeral container is allowed is decided before anything
            // has to run.
            Self::EphemeralContainer { with, .. } => {
                decide(Namespace, [with.as_str()], [], AtOnce, Cluster)
            }
            Self::DeleteLabelled { .. }
            | Self::Evict(_)
            | Self::Bind { .. }
            | Self::Token { .. }
            | Self::CreateSecrets(_)
            | Self::RewriteSecrets(RewriteSecrets { killed_after: None }) => {
                decide(Namespace, [], [], AtOnce, Cluster)
            }
            Self::Exec { .. } | Self::AttachPod(_) | Self::PortForward(_) => {
                decide(Namespace, [], [A_NODE], AtOnce, Cluster)
            }
            Self::Rotate(RotateSecret { watch, .. }) => {
                let needs = watch.values().filter_map(of_watched);
                decide(Namespace, [], needs, AtOnce, Cluster)
            }
            Self::CopyEtcdValue(_) => decide(Namespace, [], [Etcd], AtOnce, Cluster),
            Self::ReadEtcdValue(_) | Self::Snapshot(_) | Self::CheckSecrets => {
                decide(Nothing, [], [Etcd], AtOnce, Cluster)
            }
            Self::SetEncryption(EncryptStorage { with, .. }) => {
                let needs = [Capability::ApiServerFlags, Processes];
                decide(RESTARTED_CLUSTER, [], needs, AtOnce, Cluster).with_texts([with.as_str()])
            }
            Self::RewriteSecrets(RewriteSecrets {
                killed_after: Some(_),
            }) => decide(CHANGED_CLUSTER, [], [Processes], AtOnce, Cluster),
            Self::Process(process) => {
                let writes = ActionWrites::Cluster {
                    starts_api_server: process.name() == API_SERVER,
                };
                decide(writes, [], [Processes], AtOnce, Cluster)
            }
            Self::Node(_) => decide(
                CHANGED_CLUSTER,
                [],
                [Capability::NodeFaults],
                AtOnce,
                Cluster,
            ),
            Self::Kms(_) => decide(
                CHANGED_CLUSTER,
                [],
                [Capability::KmsPlugin],
                AtOnce,
                Cluster,
            ),
            Self::Restore(_) => decide(RESTARTED_CLUSTER, [], [Etcd, Processes], AtOnce, Cluster),
            Self::LookFor(record) => {
                let (writes, need) = of_record(record);
                decide(writes, [], need, settling_of(record), Cluster)
            }
            Self::Build(build) => decide(Images, [], [], AtOnce, Image(&build.image)).with_texts({
                let all = build.files.values().chain(build.base64_files.values());
                all.map(String::as_str)
            }),
            Self::Attest(AttestImage {
                predicate, image, ..
            }) => match predicate {
                StatementPredicate::File(file) => {
                    decide(Images, [], [], AtOnce, Image(image)).with_texts([file.as_str()])
                }
                StatementPredicate::Sbom(name) => {
                    decide(Images, [], [], AtOnce, ImageWithSbom(image, name))
                }
            },
            Self::Verify(VerifyImage {
                root,
                policy,
                image,
                ..
            }) => decide(Nothing, [], [], AtOnce, Image(image))
                .with_texts(root_file(root).into_iter().chain(policy.as_deref())),
            Self::Push(image)
            | Self::Copy(CopyImage { from: image, .. })
            | Self::Index(IndexImages { image, .. })
            | Self::Tamper(TamperImage { image, .. })
            | Self::Corrupt(SpoilAttached { image, .. })
            | Self::Sbom(WriteSbom { image, .. })
            | Self::Sign(SignImage { image, .. }) => decide(Images, [], [], AtOnce, Image(image)),
            Self::Attach(AttachSbom { image, sbom }) => {
                decide(Images, [], [], AtOnce, ImageWithSbom(image, sbom))
            }
            Self::Scan(scan) => decide(Nothing, [], [HostTools], AtOnce, Sbom(&scan.sbom)),
            Self::Get(target) => decide(Nothing, [], of_subresource(target), AtOnce, Cluster),
            Self::Path(path) => {
                // `/version` and `/livez` tell of nobody's objects.
                let tells =
                    !path.contains(NAMESPACE_MARK) && path.trim_start_matches('/').contains('/');
                let writes = if is_of_figures(path) {
                    SharedFigures
                } else {
                    Nothing
                };
                decide(writes, [], of_path(path), AtOnce, Cluster).telling_of_everybody(tells)
            }
            Self::WaitRunning(_) => decide(Nothing, [], [A_NODE], AsPodsStart, Cluster),
            Self::Reach(reach) => {
                let settles = OnTheWire(reach.within);
                decide(Nothing, [], [A_NODE], settles, Connection(&reach.to))
            }
            Self::OpenConnection(hold) => {
                decide(Nothing, [], [A_NODE], AtOnce, Connection(&hold.to))
            }
            Self::CheckConnection(_) | Self::CheckAgent(_) | Self::CheckDelivery(_) => {
                decide(Nothing, [], [A_NODE], AtOnce, Cluster)
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
                let tells = *all_namespaces && !is_narrow;
                decide(Nothing, [], [], AtOnce, Cluster).telling_of_everybody(tells)
            }
            Self::CheckPropagation(_) => decide(Nothing, [], [], AtOnce, Cluster),
        }
    }
}

/// The cluster is another one afterwards.
const CHANGED_CLUSTER: ActionWrites<'static> = ActionWrites::Cluster {
    starts_api_server: false,
};
const RESTARTED_CLUSTER: ActionWrites<'static> = ActionWrites::Cluster {
    starts_api_server: true,
};

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

/// The API server's figures: they are of all that any world has asked it.
fn is_of_figures(path: &str) -> bool {
    let path = path.trim_start_matches('/');
    path == "metrics" || path.starts_with("metrics/") || path.starts_with("metrics?")
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
