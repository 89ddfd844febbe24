//! What the API server of a box serves, against the table by which the lint knows its resources and
//! the engine finds their objects in etcd.

use std::collections::BTreeSet;
use std::path::Path;

use api::{ApiCall, ApiCaller, reply_body, was_taken};
use cluster::Cluster;
use serde_json::Value;

use crate::support::Scratch;

const DISCOVERY_TYPES: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Group, plural and kind, and whether its objects can be read again.
type ServedResource = (String, String, String, bool);

/// Every resource that the API server serves is in the table, and is kept there if it can be read.
pub(crate) fn serves_what_is_listed(kubeconfig: &Path, _: &Scratch) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let served = runtime.block_on(served_resources(kubeconfig));
    assert!(served.len() > 50, "{served:#?}");
    let listed: BTreeSet<ServedResource> = model::own_resources()
        .map(|one| {
            let names = (one.group.to_owned(), one.plural.to_owned());
            (names.0, names.1, one.kind.to_owned(), one.folder.is_some())
        })
        .collect();
    let unlisted: Vec<_> = served.difference(&listed).collect();
    assert!(unlisted.is_empty(), "{unlisted:#?}");
}

async fn served_resources(kubeconfig: &Path) -> BTreeSet<ServedResource> {
    let cluster = Cluster::attach_existing(Some(kubeconfig), None, true);
    let cluster = cluster.await.unwrap();
    let caller = ApiCaller::new(cluster.admin_client().clone(), "gauntlet-test");
    let mut served = BTreeSet::new();
    for path in ["/api", "/apis"] {
        let call = ApiCall {
            accept: DISCOVERY_TYPES,
            ..ApiCall::get(path)
        };
        let reply = caller.ask_once(&call).await.unwrap();
        assert!(was_taken(&reply), "{reply:?}");
        for group in list_of(&reply_body(&reply)["items"]) {
            for version in list_of(&group["versions"]) {
                let resources = list_of(&version["resources"]).iter();
                served.extend(resources.map(|one| served_resource(group, one)));
            }
        }
    }
    served
}

fn served_resource(group: &Value, resource: &Value) -> ServedResource {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let plural = text(&resource["resource"]);
    let verbs = list_of(&resource["verbs"]);
    // The API server makes the states of components up when it is asked.
    let is_kept = verbs.iter().any(|verb| verb == "get") && plural != "componentstatuses";
    (
        text(&group["metadata"]["name"]),
        plural,
        text(&resource["responseKind"]["kind"]),
        is_kept,
    )
}

fn list_of(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
