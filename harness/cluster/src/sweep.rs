//! What interrupted worlds left on a cluster that outlives us.

use api::{ApiCall, ApiCaller};

use crate::Cluster;

/// Where names may hold a world's namespace.
const SWEPT_COLLECTIONS: [&str; 15] = [
    "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings",
    "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies",
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/certificates.k8s.io/v1/certificatesigningrequests",
    "/apis/node.k8s.io/v1/runtimeclasses",
    "/apis/scheduling.k8s.io/v1/priorityclasses",
    "/apis/storage.k8s.io/v1/storageclasses",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/api/v1/persistentvolumes",
    "/api/v1/namespaces",
];

/// The beginning of every name that the engine gives to its own probes of whether a control is in
/// force.
const SENTINEL_PREFIX: &str = "gauntlet-sentinel-";

impl Cluster {
    /// Deletes every cluster-scoped object whose name holds one of `namespaces`, those namespaces,
    /// and the engine's own sentinels, those of another run on the same cluster included. Returns
    /// what is still there and not on its way out.
    pub async fn sweep_leftovers(&self, namespaces: &[String]) -> Vec<String> {
        let admin = ApiCaller::new(self.admin_client().clone(), crate::USER_AGENT);
        let mut left = Vec::new();
        for collection in SWEPT_COLLECTIONS {
            for name in our_names(&admin, collection, namespaces).await {
                admin
                    .send_call(ApiCall::delete(format!("{collection}/{name}")))
                    .await;
            }
            let still = our_names(&admin, collection, namespaces).await;
            left.extend(still.into_iter().map(|name| format!("{collection}/{name}")));
        }
        left
    }
}

/// The names in a collection that are ours and are not being deleted.
async fn our_names(admin: &ApiCaller, collection: &str, namespaces: &[String]) -> Vec<String> {
    let list = admin.send_call(ApiCall::get(collection)).await.reply;
    let items = api::reply_body(&list)["items"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let alive = items
        .iter()
        .filter(|item| item["metadata"]["deletionTimestamp"].is_null());
    let names = alive.filter_map(|item| item["metadata"]["name"].as_str());
    names
        .filter(|name| is_ours(name, namespaces))
        .map(str::to_owned)
        .collect()
}

fn is_ours(name: &str, namespaces: &[String]) -> bool {
    name.contains(SENTINEL_PREFIX)
        || namespaces
            .iter()
            .any(|namespace| name.contains(namespace.as_str()))
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn only_names_of_this_run_are_ours() {
        let mine = ["gauntlet-a1b2c3d4e5".to_owned()];
        for name in [
            "gauntlet-a1b2c3d4e5",
            "gauntlet-a1b2c3d4e5-other",
            "limit-gauntlet-a1b2c3d4e5",
            "gauntlet-sentinel-x1y2z3",
        ] {
            assert!(is_ours(name, &mine), "{name}");
        }
        for name in ["gauntlet-zzzzzzzzzz", "default", "view", "gauntlet"] {
            assert!(!is_ours(name, &mine), "{name}");
        }
    }
}
