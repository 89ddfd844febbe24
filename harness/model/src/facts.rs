//! What there is to know of an action before it is taken. One exhaustive match: a new action does not compile until
//! somebody has said what it reads, needs and writes.

use crate::{Action, Attest, CanaryMatch, Encrypt, Leak, Predicate, Record, Rewrite, Target, TrustedRoot, Verify};

/// What is known of an action.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionFacts<'a> {
    /// The manifests among the scenario's files that it reads.
    pub reads: Vec<&'a str>,
    /// The files that it takes as they are, whatever they hold.
    pub texts: Vec<&'a str>,
    /// What it changes.
    pub writes: Writes<'a>,
    /// Whether it reaches past the API server, which only a box lets it do.
    pub needs_box: bool,
}

/// What an action changes, as far as other worlds could notice it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Writes<'a> {
    /// Nothing in the cluster.
    Nothing,
    /// Objects of this manifest.
    Manifest(&'a str),
    /// This object.
    Object(&'a Target),
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
        let mut facts = ActionFacts { reads: Vec::new(), texts: Vec::new(), writes: Writes::Nothing, needs_box: false };
        match self {
            Self::Create(file) | Self::Apply(file) | Self::Update(file) => {
                facts.reads = vec![file];
                facts.writes = Writes::Manifest(file);
            }
            Self::Patch { target, with, .. } => {
                facts.reads = vec![with];
                facts.writes = Writes::Object(target);
            }
            Self::Delete(target) | Self::Label { target, .. } | Self::Scale { target, .. } => {
                facts.writes = Writes::Object(target);
            }
            Self::EphemeralContainer { with, .. } => {
                facts.reads = vec![with];
                facts.writes = Writes::Namespace;
            }
            Self::Evict(_) | Self::Exec { .. } | Self::Bind { .. } | Self::Token { .. } => {
                facts.writes = Writes::Namespace;
            }
            Self::Fill(_) | Self::Rotate(_) | Self::Rewrite(Rewrite { killed_after: None }) => {
                facts.writes = Writes::Namespace;
            }
            Self::Transplant(_) => {
                facts.writes = Writes::Namespace;
                facts.needs_box = true;
            }
            Self::Store(_) | Self::Snapshot(_) => facts.needs_box = true,
            Self::Encrypt(Encrypt { with, .. }) => {
                facts.texts = vec![with];
                (facts.writes, facts.needs_box) = (Writes::Cluster, true);
            }
            Self::Rewrite(Rewrite { killed_after: Some(_) })
            | Self::Process(_)
            | Self::Node(_)
            | Self::Kms(_)
            | Self::Restore(_) => (facts.writes, facts.needs_box) = (Writes::Cluster, true),
            Self::Seen(record) => (facts.writes, facts.needs_box) = of_record(record),
            Self::Build(build) => {
                facts.texts = build.files.values().map(String::as_str).collect();
                facts.writes = Writes::Images;
            }
            Self::Attest(Attest { predicate, .. }) => {
                facts.texts = predicate_file(predicate).into_iter().collect();
                facts.writes = Writes::Images;
            }
            Self::Verify(Verify { root, .. }) => facts.texts = root_file(root).into_iter().collect(),
            Self::Push(_)
            | Self::Copy(_)
            | Self::Tamper(_)
            | Self::Spoil(_)
            | Self::Sbom(_)
            | Self::Attach(_)
            | Self::Sign(_) => facts.writes = Writes::Images,
            Self::Get(_)
            | Self::List { .. }
            | Self::Path(_)
            | Self::Started(_)
            | Self::Reach(_)
            | Self::Hold(_)
            | Self::Held(_)
            | Self::Scan(_)
            | Self::Survey
            | Self::Followed(_)
            | Self::Agent(_)
            | Self::Delivered(_) => {}
        }
        facts
    }
}

fn of_record(record: &Record) -> (Writes<'_>, bool) {
    match record {
        Record::Metric(_) => (Writes::SharedFigures, false),
        Record::Canary(CanaryMatch { place, .. }) => (Writes::Nothing, lies_in_box(place)),
        Record::Audit(_)
        | Record::Event(_)
        | Record::Warning(_)
        | Record::Field(_)
        | Record::Node(_)
        | Record::Output(_) => (Writes::Nothing, false),
    }
}

/// Whether this place is only seen from within a box.
fn lies_in_box(place: &Leak) -> bool {
    match place {
        Leak::Store(_) | Leak::StoreFiles | Leak::Snapshot(_) | Leak::ComponentLog(_) => true,
        Leak::Audit | Leak::Events | Leak::Field { .. } | Leak::Reply(_) | Leak::PodLog(_) | Leak::Image(_) => false,
    }
}

fn predicate_file(predicate: &Predicate) -> Option<&str> {
    match predicate {
        Predicate::File(file) => Some(file),
        Predicate::Sbom(_) => None,
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
