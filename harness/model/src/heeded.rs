//! Which keys of a step an action heeds. One exhaustive match: a new action does not compile until
//! its match arm says so. The lint refuses a key that would do nothing.

use crate::{Action, LeakPlace, ObservedRecord};

/// What of a step beside `do` an action looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeededKeys {
    /// `as`: a request is sent, in the name of the step's identity.
    pub identity: bool,
    /// `dry-run`: the request changes something, or would.
    pub dry_run: bool,
    /// `drop-unknown-fields`: an object is sent that can have fields of any name.
    pub drop_unknown: bool,
    /// `namespace`: something in a namespace is named.
    pub namespace: bool,
}

/// An object is sent.
const SENT_OBJECT: HeededKeys = HeededKeys {
    identity: true,
    dry_run: true,
    drop_unknown: true,
    namespace: true,
};

/// Something is changed, by a request that Gauntlet writes.
const CHANGE_REQUEST: HeededKeys = HeededKeys {
    drop_unknown: false,
    ..SENT_OBJECT
};

/// Something is asked for, or a value written, for good.
const PLAIN_REQUEST: HeededKeys = HeededKeys {
    dry_run: false,
    ..CHANGE_REQUEST
};

/// Gauntlet asks for itself, about something in a namespace.
const OWN_LOOK: HeededKeys = HeededKeys {
    identity: false,
    ..PLAIN_REQUEST
};

/// Gauntlet does something by itself, in the world or beside the cluster.
const OWN_DEED: HeededKeys = HeededKeys {
    namespace: false,
    ..OWN_LOOK
};

impl Action {
    /// What of its step it looks at.
    #[must_use]
    pub fn heeded_keys(&self) -> HeededKeys {
        match self {
            Self::Create(_)
            | Self::Apply(_)
            | Self::Update(_)
            | Self::Patch { .. }
            | Self::UpdateSubresource { .. }
            | Self::EphemeralContainer { .. } => SENT_OBJECT,
            Self::Delete(_)
            | Self::DeleteCollection(_)
            | Self::DeleteLabelled { .. }
            | Self::Label { .. }
            | Self::Scale { .. }
            | Self::Evict(_)
            | Self::Bind { .. }
            | Self::Token { .. } => CHANGE_REQUEST,
            Self::List {
                all_namespaces: true,
                ..
            }
            | Self::Path(_) => HeededKeys {
                namespace: false,
                ..PLAIN_REQUEST
            },
            Self::Get(_)
            | Self::List { .. }
            | Self::Exec { .. }
            | Self::AttachPod(_)
            | Self::PortForward(_)
            | Self::Rotate(_) => PLAIN_REQUEST,
            Self::LookFor(record) => keys_of_record(record),
            Self::WaitRunning(_)
            | Self::Reach(_)
            | Self::OpenConnection(_)
            | Self::CheckConnection(_)
            | Self::CheckAgent(_)
            | Self::CheckDelivery(_)
            | Self::ReadEtcdValue(_)
            | Self::CopyEtcdValue(_)
            | Self::CreateSecrets(_)
            | Self::CheckSecrets => OWN_LOOK,
            Self::Build(_)
            | Self::Push(_)
            | Self::Copy(_)
            | Self::Index(_)
            | Self::Tamper(_)
            | Self::Corrupt(_)
            | Self::Sbom(_)
            | Self::Attach(_)
            | Self::Sign(_)
            | Self::Attest(_)
            | Self::Verify(_)
            | Self::Scan(_)
            | Self::SetEncryption(_)
            | Self::RewriteSecrets(_)
            | Self::Process(_)
            | Self::Node(_)
            | Self::Kms(_)
            | Self::Snapshot(_)
            | Self::Restore(_)
            | Self::CheckPropagation(_) => OWN_DEED,
        }
    }
}

/// A record is Gauntlet's to read; some are of an object in a namespace, the others of the whole
/// world.
fn keys_of_record(record: &ObservedRecord) -> HeededKeys {
    match record {
        ObservedRecord::Field(_) | ObservedRecord::Object(_) | ObservedRecord::Pods(_) => OWN_LOOK,
        ObservedRecord::Canary(wanted) => match wanted.place {
            LeakPlace::EtcdValue(_) | LeakPlace::Field { .. } | LeakPlace::PodLog(_) => OWN_LOOK,
            LeakPlace::EtcdFiles
            | LeakPlace::Snapshot(_)
            | LeakPlace::Audit
            | LeakPlace::Events
            | LeakPlace::Reply(_)
            | LeakPlace::ComponentLog(_)
            | LeakPlace::Image(_) => OWN_DEED,
        },
        ObservedRecord::Audit(_)
        | ObservedRecord::Event(_)
        | ObservedRecord::Metric(_)
        | ObservedRecord::Warning(_)
        | ObservedRecord::Node(_)
        | ObservedRecord::Output(_) => OWN_DEED,
    }
}
