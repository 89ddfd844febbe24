//! The enforcers of NetworkPolicy: one for each node, what they may read, and the network plugin
//! that tells them of pods.

use serde_json::{Value, json};

use super::{BOX_HOME, BoxBlueprint, BoxProcess, OWN_PROGRAM, box_process, node};
use crate::node::BoxNode;
use crate::pki::NETWORK_POLICY_USER;
use crate::places::WORK_FOLDER;
use enforcer::{REPORT_FOLDER, plugin};

/// The hidden word; see [`crate::hidden_main`].
pub(crate) const NETWORK_POLICY: &str = "__network-policy";

const RBAC_PATH: &str = "/apis/rbac.authorization.k8s.io/v1";
const RBAC_VERSION: &str = "rbac.authorization.k8s.io/v1";

/// What starts when there is a role for it.
pub(super) fn enforcer_processes(blueprint: &BoxBlueprint) -> Vec<BoxProcess> {
    let enforcer = |node: BoxNode| {
        let folder = format!("{BOX_HOME}/{WORK_FOLDER}/{REPORT_FOLDER}");
        let args = vec![
            NETWORK_POLICY.to_owned(),
            node.name(),
            node::apiserver_url(),
            enforcer_socket(node),
            folder,
            format!("{BOX_HOME}/pki"),
        ];
        node::placed_process(
            blueprint,
            node,
            box_process("network-policy", &format!("{BOX_HOME}/{OWN_PROGRAM}"), args),
        )
    };
    blueprint.enforcing().map(enforcer).collect()
}

/// The last of a node's network plugins.
pub(super) fn cni_plugin(blueprint: &BoxBlueprint, node: BoxNode) -> Option<Value> {
    blueprint
        .cluster
        .enforce_network_policy
        .then(|| json!({ "type": plugin::PROGRAM_NAME, "socket": enforcer_socket(node) }))
}

fn enforcer_socket(node: BoxNode) -> String {
    format!("{BOX_HOME}/{REPORT_FOLDER}/{}.sock", node.name())
}

/// What an enforcer may do: where to send it, and what.
pub(crate) fn reader_role() -> [(String, Value); 2] {
    let role = json!({
        "apiVersion": RBAC_VERSION, "kind": "ClusterRole", "metadata": { "name": NETWORK_POLICY_USER },
        "rules": [
            { "apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["list", "watch"] },
            { "apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["list", "watch"] },
        ],
    });
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "apiVersion": RBAC_VERSION, "kind": "ClusterRoleBinding", "metadata": { "name": NETWORK_POLICY_USER },
        "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": NETWORK_POLICY_USER },
        "subjects": [{ "apiGroup": group, "kind": "User", "name": NETWORK_POLICY_USER }],
    });
    [
        (format!("{RBAC_PATH}/clusterroles"), role),
        (format!("{RBAC_PATH}/clusterrolebindings"), binding),
    ]
}
