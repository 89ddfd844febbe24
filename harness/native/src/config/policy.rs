//! The enforcers of NetworkPolicy: one for each node, what they may read, and the network plugin that tells them of pods.

use serde_json::{Value, json};

use super::{Blueprint, HOME, OURSELVES, Process, node, process};
use crate::node::Node;
use crate::pki::NETWORK_POLICY_USER;
use crate::places::WORK;
use enforcer::{FOLDER, plugin};

/// The hidden word; see [`crate::hidden_main`].
pub(crate) const NETWORK_POLICY: &str = "__network-policy";

const API: &str = "/apis/rbac.authorization.k8s.io/v1";
const VERSION: &str = "rbac.authorization.k8s.io/v1";

/// What starts when there is a role for it.
pub(super) fn processes(blueprint: &Blueprint) -> Vec<Process> {
    let enforcer = |node: Node| {
        let folder = format!("{HOME}/{WORK}/{FOLDER}");
        let args = vec![
            NETWORK_POLICY.to_owned(),
            node.name(),
            node::server(node),
            socket(node),
            folder,
            format!("{HOME}/pki"),
        ];
        node::placed(
            blueprint,
            node,
            process("network-policy", &format!("{HOME}/{OURSELVES}"), args),
        )
    };
    blueprint.enforcing().map(enforcer).collect()
}

/// The last of a node's network plugins.
pub(super) fn plugin(blueprint: &Blueprint, node: Node) -> Option<Value> {
    blueprint
        .cluster
        .enforce_network_policy
        .then(|| json!({ "type": plugin::NAME, "socket": socket(node) }))
}

fn socket(node: Node) -> String {
    format!("{HOME}/{FOLDER}/{}.sock", node.name())
}

/// What an enforcer may do: where to send it, and what.
pub(crate) fn reader() -> [(String, Value); 2] {
    let role = json!({
        "apiVersion": VERSION, "kind": "ClusterRole", "metadata": { "name": NETWORK_POLICY_USER },
        "rules": [
            { "apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["list", "watch"] },
            { "apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["list", "watch"] },
        ],
    });
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "apiVersion": VERSION, "kind": "ClusterRoleBinding", "metadata": { "name": NETWORK_POLICY_USER },
        "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": NETWORK_POLICY_USER },
        "subjects": [{ "apiGroup": group, "kind": "User", "name": NETWORK_POLICY_USER }],
    });
    [
        (format!("{API}/clusterroles"), role),
        (format!("{API}/clusterrolebindings"), binding),
    ]
}
