//! Where the pods of addons are.

use std::collections::BTreeSet;
use std::path::PathBuf;

use model::AddonInstall;

use crate::LIVE_ADDONS;
use crate::first_state::{ObjectInputs, addons_beside};

/// Where the pods of an addon are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodPlace {
    /// Their namespace.
    pub namespace: &'static str,
    /// The label that they have, as `LABEL=VALUE`.
    pub selector: &'static str,
}

/// Where the pods of these addons are.
#[must_use]
pub fn pod_places(install: &BTreeSet<AddonInstall>) -> Vec<PodPlace> {
    let material = ObjectInputs {
        data: PathBuf::new(),
        beside: addons_beside(install.iter().map(|one| one.addon())),
    };
    let installed = LIVE_ADDONS
        .iter()
        .filter(|live| model::includes_addon(install, live.addon));
    let pods = installed.filter_map(|live| live.pods.as_ref());
    pods.flat_map(|pods| (pods.workload.pods)(&material))
        .filter_map(|place| place.split_once('/'))
        .map(|(namespace, selector)| PodPlace {
            namespace,
            selector,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_controller_is_found_where_it_is_installed() {
        let count = |names: &[&str]| {
            let install = names.iter().map(|name| name.parse().unwrap()).collect();
            pod_places(&install).len()
        };
        assert_eq!(count(&["registry", "sigstore"]), 0);
        assert_eq!(count(&["kyverno"]), 1);
        assert_eq!(count(&["kyverno", "kyverno-controllers"]), 4);
        assert_eq!(count(&["gatekeeper", "dns"]), 3);
    }

    #[test]
    fn a_place_is_a_namespace_and_a_label() {
        let install = BTreeSet::from(["dns".parse().unwrap()]);
        let place = PodPlace {
            namespace: "kube-system",
            selector: "k8s-app=kube-dns",
        };
        assert_eq!(pod_places(&install), [place]);
    }
}
