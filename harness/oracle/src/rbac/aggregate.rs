//! Cluster roles that gather the rules of others.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};

use super::RbacWorld;
use crate::Error;
use crate::selector::ParsedSelector;

/// The rules of a cluster role: its own, or those that it gathers, through others that gather as
/// well.
///
/// One that finds nothing to gather keeps its own: the controller that gathers applies its list
/// from the server's side, and an empty list counts as a missing field, so that what another client
/// wrote there stays.
///
/// # Errors
/// When one of its selectors is not valid.
pub fn aggregated_rules(world: &RbacWorld, role: &ClusterRole) -> Result<Vec<PolicyRule>, Error> {
    gather_rules(world, role, &mut BTreeSet::new())
}

fn gather_rules<'a>(
    world: &'a RbacWorld,
    role: &'a ClusterRole,
    seen: &mut BTreeSet<&'a str>,
) -> Result<Vec<PolicyRule>, Error> {
    let mut gathered = Vec::new();
    seen.insert(role_name(role));
    for selector in role
        .aggregation_rule
        .iter()
        .flat_map(|rule| rule.cluster_role_selectors.iter().flatten())
    {
        let selector = ParsedSelector::read(selector)?;
        let selected = |other: &&ClusterRole| {
            selector.selects(&other.metadata.labels.clone().unwrap_or_default())
        };
        for other in world.cluster_roles.iter().filter(selected) {
            if !seen.contains(role_name(other)) {
                gathered.extend(gather_rules(world, other, seen)?);
            }
        }
    }
    Ok(if gathered.is_empty() {
        role.rules.clone().unwrap_or_default()
    } else {
        gathered
    })
}

fn role_name(role: &ClusterRole) -> &str {
    role.metadata.name.as_deref().unwrap_or_default()
}
