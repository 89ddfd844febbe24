//! CoreDNS.

use crate::{AddonVersion, PureAddon};

/// CoreDNS, for the cluster's names.
pub static ADDON: PureAddon = PureAddon {
    name: "dns",
    about: "CoreDNS, for the cluster's names: the Service `kube-dns` at 10.96.0.10.",
    versions: &[AddonVersion {
        version: "1.14.7",
        components: &["coredns-1.14.7"],
    }],
    part_of: None,
    needs_node: true,
    namespace: None,
    asks_registries: false,
    one_by_one: false,
    second_try: None,
    milestones: &["dns"],
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
