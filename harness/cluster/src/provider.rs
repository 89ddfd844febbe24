//! Where clusters come from, and what those can be asked for.

use std::collections::BTreeSet;

use model::Capability;

use crate::{AuditAccess, ClusterProfile};

/// Where a cluster comes from.
#[derive(Clone, Copy, Debug)]
pub enum ClusterProvider<'a> {
    /// Boxes, each started in the shape that its worlds ask for.
    Box,
    /// A cluster that was there before, of which this is known.
    Existing(&'a ClusterProfile),
}

impl ClusterProvider<'_> {
    /// Whether its clusters can be asked for this.
    #[must_use]
    pub fn offers(self, capability: &Capability) -> bool {
        match self {
            Self::Box => box_offers(capability),
            Self::Existing(facts) => facts.offer(capability),
        }
    }

    /// What of this its clusters cannot be asked for.
    #[must_use]
    pub fn missing(self, needs: &BTreeSet<Capability>) -> Vec<Capability> {
        needs
            .iter()
            .filter(|need| !self.offers(need))
            .cloned()
            .collect()
    }
}

fn box_offers(capability: &Capability) -> bool {
    match capability {
        Capability::Nodes(number) => *number <= native::MOST_NODES,
        Capability::Release(release) => components::kubernetes_component(release).is_ok(),
        Capability::ProbeImage
        | Capability::NetworkPolicy
        | Capability::UnenforcedNetworkPolicy
        | Capability::DualStack
        | Capability::AuditLog
        | Capability::ComponentLogs
        | Capability::Etcd
        | Capability::ApiServerFlags
        | Capability::ComponentFlags
        | Capability::Processes
        | Capability::NodeFaults
        | Capability::KmsPlugin
        | Capability::HostTools
        | Capability::UserCredentials
        | Capability::Addon(_) => true,
    }
}

impl ClusterProfile {
    /// Whether a cluster with these facts, which cannot be changed, has this capability.
    fn offer(&self, capability: &Capability) -> bool {
        match capability {
            Capability::Nodes(number) => self.nodes.len() >= usize::from(*number),
            Capability::ProbeImage => self.has_probe_image,
            Capability::AuditLog => matches!(self.audit, AuditAccess::File(_)),
            Capability::ComponentLogs => self.logs.is_some(),
            Capability::Release(release) => is_release(&self.version, release),
            Capability::NetworkPolicy
            | Capability::UnenforcedNetworkPolicy
            | Capability::DualStack
            | Capability::Etcd
            | Capability::ApiServerFlags
            | Capability::ComponentFlags
            | Capability::Processes
            | Capability::NodeFaults
            | Capability::KmsPlugin
            | Capability::HostTools
            | Capability::UserCredentials
            | Capability::Addon(_) => false,
        }
    }
}

/// Whether a server of this version, such as `v1.36.3+k3s1`, is of this release, `1.36` or
/// `1.36.3`.
fn is_release(version: &str, release: &str) -> bool {
    let rest = version
        .strip_prefix('v')
        .and_then(|version| version.strip_prefix(release));
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(nodes: &[&str], has_probe_image: bool) -> ClusterProfile {
        ClusterProfile {
            version: "v1.36.3".into(),
            nodes: nodes.iter().map(|name| (*name).to_owned()).collect(),
            audit: AuditAccess::Unavailable,
            logs: None,
            ephemeral: false,
            probe_image: native::PROBE_IMAGE.to_owned(),
            has_probe_image,
        }
    }

    #[test]
    fn a_cluster_that_exists_offers_what_is_known_of_it() {
        let facts = facts(&["one", "two"], true);
        let offers = |capability| ClusterProvider::Existing(&facts).offers(&capability);
        assert!(offers(Capability::Nodes(2)) && !offers(Capability::Nodes(3)));
        assert!(
            offers(Capability::Release("1.36".into()))
                && !offers(Capability::Release("1.3".into()))
        );
        assert!(is_release("v1.36.3", "1.36.3") && is_release("v1.36.3+k3s1", "1.36.3"));
        assert!(!is_release("v1.36.31", "1.36.3") && !is_release("v1.36.3", "1.35"));
        assert!(offers(Capability::ProbeImage) && !offers(Capability::AuditLog));
    }

    #[test]
    fn what_is_missing_is_named() {
        let facts = facts(&[], false);
        let needs = [
            Capability::Nodes(1),
            Capability::ProbeImage,
            Capability::Addon("registry".parse().unwrap()),
        ]
        .into();
        assert_eq!(
            ClusterProvider::Existing(&facts).missing(&needs),
            needs.iter().cloned().collect::<Vec<_>>()
        );
        assert!(ClusterProvider::Box.missing(&needs).is_empty());
        let most = Capability::Nodes(native::MOST_NODES + 1);
        assert_eq!(ClusterProvider::Box.missing(&[most.clone()].into()), [most]);
    }
}
