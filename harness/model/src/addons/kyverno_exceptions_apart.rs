//! Exceptions from Kyverno's policies, in one namespace.

use super::{kyverno, kyverno_exceptions};
use crate::{AddonContradiction, PureAddon};

/// They are off, as released.
pub static ADDON: PureAddon = PureAddon {
    name: "kyverno-exceptions-apart",
    about: "The same in the namespace `kyverno` alone (`--exceptionNamespace=kyverno`).",
    contradicts: Some(AddonContradiction {
        other: &kyverno_exceptions::ADDON,
        about: "lets exceptions count everywhere and in one namespace alone",
    }),
    ..kyverno::KYVERNO_PART
};
