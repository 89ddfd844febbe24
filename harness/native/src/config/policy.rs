//! The enforcers of NetworkPolicy: one for each node, what they may read, and the network plugin that tells them of pods.

use serde_json::{Value, json};

use super::{Blueprint, DOOR_PORT, HOME, NODE, OURSELVES, Process, process};
use crate::enter::WORK;
use crate::pki::NETWORK_POLICY_USER;
use crate::policy::{FOLDER, POLICY, plugin};

const API: &str = "/apis/rbac.authorization.k8s.io/v1";
const VERSION: &str = "rbac.authorization.k8s.io/v1";

/// What starts when there is a role for it.
pub(super) fn processes(blueprint: &Blueprint) -> Vec<Process> {
    if !enforces(blueprint) {
        return Vec::new();
    }
    let args =
        [POLICY, NODE, &format!("https://127.0.0.1:{DOOR_PORT}"), &socket(NODE), &format!("{HOME}/{WORK}/{FOLDER}")];
    let args = args.map(ToOwned::to_owned).to_vec();
    vec![process("network-policy", &format!("{HOME}/{OURSELVES}"), args)]
}

/// The last of the network plugins.
pub(super) fn plugin(blueprint: &Blueprint) -> Option<Value> {
    enforces(blueprint).then(|| json!({ "type": plugin::NAME, "socket": socket(NODE) }))
}

fn enforces(blueprint: &Blueprint) -> bool {
    blueprint.shape.enforce_network_policy && blueprint.shape.nodes > 0
}

fn socket(node: &str) -> String {
    format!("{HOME}/{FOLDER}/{node}.sock")
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
    [(format!("{API}/clusterroles"), role), (format!("{API}/clusterrolebindings"), binding)]
}
