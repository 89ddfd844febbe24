//! Cluster roles that gather the rules of others.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};

use super::World;
use crate::Error;
use crate::selector::Selector;

/// The rules of a cluster role: its own, or those that it gathers, through others that gather as well.
///
/// # Errors
/// When one of its selectors is none.
pub fn rules(world: &World, role: &ClusterRole) -> Result<Vec<PolicyRule>, Error> {
    let mut gathered = Vec::new();
    gather(world, role, &mut BTreeSet::new(), &mut gathered)?;
    Ok(gathered)
}

fn gather<'a>(
    world: &'a World,
    role: &'a ClusterRole,
    seen: &mut BTreeSet<&'a str>,
    gathered: &mut Vec<PolicyRule>,
) -> Result<(), Error> {
    if !seen.insert(role.metadata.name.as_deref().unwrap_or_default()) {
        return Ok(());
    }
    let Some(aggregation) = &role.aggregation_rule else {
        gathered.extend(role.rules.iter().flatten().cloned());
        return Ok(());
    };
    for selector in aggregation.cluster_role_selectors.iter().flatten() {
        let selector = Selector::read(selector)?;
        let selected = |other: &&ClusterRole| selector.selects(&other.metadata.labels.clone().unwrap_or_default());
        for other in world.cluster_roles.iter().filter(selected) {
            gather(world, other, seen, gathered)?;
        }
    }
    Ok(())
}
