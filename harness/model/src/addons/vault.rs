//! Vault.

use crate::{AddonVersion, PureAddon};

/// Vault, unsealed.
pub static ADDON: PureAddon = PureAddon {
    name: "vault",
    about: "Vault, at `http://10.96.0.200:8200` (and `http://vault.box:8200` for External Secrets Operator), unsealed: its \
            root token is `gauntlet-root`, it keeps key-value pairs under `secret`, and ServiceAccounts of the cluster log in \
            under `auth/kubernetes`. It is the StatefulSet `vault` of the namespace `vault`.",
    versions: &[AddonVersion {
        version: "1.13.2",
        components: &["vault-1.13.2"],
    }],
    part_of: None,
    needs_node: true,
    namespace: Some("vault"),
    asks_registries: false,
    one_by_one: false,
    second_try: None,
    milestones: &["vault"],
    kinds: &[],
    without_barrier: &[],
    denials: &[],
    settle_message: None,
    unserved: None,
};
