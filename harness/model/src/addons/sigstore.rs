//! Sigstore's services, as processes of the box.

use crate::{AddonVersion, PureAddon};

/// Fulcio, Rekor and a timestamp authority; the version is Fulcio's.
pub static ADDON: PureAddon = PureAddon {
    name: "sigstore",
    about: "Fulcio, Rekor (tiles) and a timestamp authority.",
    versions: &[AddonVersion {
        version: "1.8.8",
        components: &[
            "fulcio-1.8.8",
            "rekor-tiles-2.3.0",
            "timestamp-authority-2.1.3",
            "cosign-3.1.3",
            "grype-0.109.0",
            "syft-1.42.1",
        ],
    }],
    part_of: None,
    needs_node: false,
    namespace: None,
    asks_registries: false,
    one_by_one: false,
    second_try: None,
    milestones: &["rekor", "timestamp-authority", "fulcio"],
    kinds: &[],
    without_barrier: &[],
    denials: &[],
    settle_message: None,
    unserved: None,
    varying_texts: &[],
    control: None,
    contradicts: None,
    made_policy_prefixes: &[],
};
