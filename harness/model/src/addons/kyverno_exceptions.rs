//! Exceptions from Kyverno's policies, in every namespace.

use super::kyverno;
use crate::PureAddon;

/// They are off, as released.
pub static ADDON: PureAddon = PureAddon {
    name: "kyverno-exceptions",
    about: "Exceptions from Kyverno's policies, which are off as released, in every namespace (`--exceptionNamespace=*`).",
    ..kyverno::KYVERNO_PART
};
