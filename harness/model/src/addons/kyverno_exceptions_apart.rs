//! Exceptions from Kyverno's policies, in one namespace.

use super::kyverno;
use crate::PureAddon;

/// They are off, as released.
pub static ADDON: PureAddon = PureAddon {
    name: "kyverno-exceptions-apart",
    about: "The same in the namespace `kyverno` alone (`--exceptionNamespace=kyverno`).",
    ..kyverno::KYVERNO_PART
};
