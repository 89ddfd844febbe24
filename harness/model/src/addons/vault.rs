//! Vault, and the ways round its roles.

mod rules;
mod ways;

use crate::{AddonControl, AddonVersion, PureAddon};

/// The address of its Service: one of those that are not given out by chance.
pub const SERVICE_ADDRESS: &str = "10.96.0.200";

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
    varying_texts: &[],
    // Its roles are in commands, and its objects are stores that log in to it.
    control: Some(&AddonControl {
        title: "Vault",
        groups: &["external-secrets.io"],
        subjects: &[],
        ways: ways::WAYS,
        engine_ways: &[],
        webhook_labels: &[],
        needs_no_object: true,
        compared: &[],
        stops: Some(rules::keeps_out),
    }),
    contradicts: None,
    made_policy_prefixes: &[],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_names_the_address_of_its_service() {
        assert!(ADDON.about.contains(&format!("http://{SERVICE_ADDRESS}:")));
    }
}
