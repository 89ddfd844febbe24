//! Kyverno's controllers beside the one that is asked at admission.

use super::kyverno;
use crate::PureAddon;

/// They generate, change what exists, delete by a schedule and gather reports.
pub static ADDON: PureAddon = PureAddon {
    name: "kyverno-controllers",
    about: "Kyverno's background, cleanup and reports controllers, as released: policies that generate, change what exists or delete need them.",
    ..kyverno::KYVERNO_PART
};
