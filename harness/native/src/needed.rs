//! Which components a box of a cluster consists of.

use components::{
    BoxCache, ETCD_TOOLS, PROBE_NAME, PinnedComponent, kubernetes_component, kubernetes_node,
    pinned_components,
};
use model::ClusterSpec;

use crate::Error;

/// Programs to look into etcd, sign, list and scan: they are in every box for which they are built.
const NODE_TOOLS: [&str; 4] = ["cosign", ETCD_TOOLS, "grype", "syft"];

/// What a box of this cluster is made of: Kubernetes first.
///
/// # Errors
/// [`components::Error::UnknownRelease`].
pub fn needed_components(
    cluster: &ClusterSpec,
) -> Result<Vec<&'static PinnedComponent>, components::Error> {
    let mut wanted = Vec::new();
    let mut all = vec![kubernetes_component(&cluster.kubernetes)?];
    if cluster.needs_probe() {
        wanted.push(PROBE_NAME);
    }
    if cluster.nodes > 0 {
        wanted.push("runtime");
        all.push(kubernetes_node(&cluster.kubernetes)?);
    }
    let titles: Vec<&str> = cluster
        .install
        .iter()
        .flat_map(|install| install.version().components)
        .copied()
        .collect();
    let is_wanted = |one: &&PinnedComponent| {
        wanted.contains(&one.name) || titles.contains(&one.title().as_str())
    };
    all.extend(pinned_components().iter().filter(is_wanted));
    Ok(all)
}

/// What is shown in a box of this cluster: what it is made of, and the tools that are built, with
/// `kubectl` where no node brings it.
pub(crate) fn shown_programs(
    cache: &BoxCache,
    cluster: &ClusterSpec,
) -> Result<Vec<&'static PinnedComponent>, components::Error> {
    let mut shown = needed_components(cluster)?;
    let is_tool = |component: &&PinnedComponent| {
        NODE_TOOLS.contains(&component.name) && cache.is_built(component)
    };
    let tools: Vec<_> = pinned_components()
        .iter()
        .filter(is_tool)
        .filter(|tool| !shown.iter().any(|it| it.name == tool.name))
        .collect();
    shown.extend(tools);
    let client = kubernetes_node(&cluster.kubernetes)?;
    if cluster.nodes == 0 && cache.is_built(client) {
        shown.push(client);
    }
    Ok(shown)
}

/// Fails where a box of this cluster would have to build components first: for tests, which are not
/// to build for half an hour without a word.
///
/// # Errors
/// [`Error::NotBuilt`].
pub fn needs_nothing_built(cache: &BoxCache, cluster: &ClusterSpec) -> Result<(), Error> {
    let missing = cache.unbuilt_components(&needed_components(cluster)?);
    let titles: Vec<String> = missing.iter().map(|component| component.title()).collect();
    match titles.is_empty() {
        true => Ok(()),
        false => Err(Error::NotBuilt(titles.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use components::find_titled;

    use super::*;

    #[test]
    fn what_is_installed_is_needed_and_nothing_else() {
        use model::addons::{dns, external_secrets, plain_registry, policy_controller, registry};
        let names = |addons: &[&'static model::PureAddon]| {
            let cluster = ClusterSpec {
                install: addons
                    .iter()
                    .map(|addon| model::AddonInstall::usual_version(addon))
                    .collect(),
                ..Default::default()
            };
            needed_components(&cluster)
                .unwrap()
                .iter()
                .map(|component| component.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(&[]),
            ["kubernetes", "kubernetes-node", "probe", "runtime"]
        );
        let plain = names(&[&plain_registry::ADDON]);
        assert_eq!(
            plain,
            [
                "kubernetes",
                "kubernetes-node",
                "probe",
                "runtime",
                "registry",
                "cosign",
                "syft",
                "grype"
            ]
        );
        assert_eq!(names(&[&registry::ADDON, &plain_registry::ADDON]), plain);
        assert_eq!(
            names(&[&policy_controller::ADDON]),
            [
                "kubernetes",
                "kubernetes-node",
                "probe",
                "runtime",
                "policy-controller"
            ]
        );
        assert_eq!(
            names(&[&external_secrets::ADDON]),
            [
                "kubernetes",
                "kubernetes-node",
                "probe",
                "runtime",
                "external-secrets"
            ]
        );
        assert_eq!(
            names(&[&dns::ADDON]),
            [
                "kubernetes",
                "kubernetes-node",
                "probe",
                "runtime",
                "coredns"
            ]
        );
        let alone = ClusterSpec {
            nodes: 0,
            ..Default::default()
        };
        let alone = needed_components(&alone)
            .unwrap()
            .iter()
            .map(|component| component.name)
            .collect::<Vec<_>>();
        assert_eq!(
            alone,
            ["kubernetes"],
            "an API server alone needs nothing that runs pods"
        );
    }

    #[test]
    fn every_version_of_an_addon_is_pinned_and_begins_with_its_own_component() {
        for addon in model::ADDONS {
            for version in addon.versions {
                assert!(
                    version
                        .components
                        .iter()
                        .all(|title| find_titled(title).is_ok()),
                    "{addon}"
                );
                assert_eq!(
                    find_titled(version.components[0]).unwrap().version,
                    version.version,
                    "{addon}"
                );
            }
        }
    }
}
