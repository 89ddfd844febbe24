//! Users and groups that Kubernetes itself names (kubernetes 1.36
//! `apiserver/pkg/authentication/user/user.go`, `apiserver/pkg/authentication/serviceaccount/util.go`).

/// What the names of such users begin with.
pub(crate) const SYSTEM_PREFIX: &str = "system:";
/// A kubelet's: its node follows.
pub(crate) const NODE_PREFIX: &str = "system:node:";
/// A ServiceAccount's: its namespace and its name follow.
pub(crate) const ACCOUNT_PREFIX: &str = "system:serviceaccount:";
/// Who shows no credentials.
pub(crate) const ANONYMOUS_USER: &str = "system:anonymous";
/// Everybody whose credentials were accepted.
pub(crate) const AUTHENTICATED_GROUP: &str = "system:authenticated";
/// The kubelets.
pub(crate) const NODES_GROUP: &str = "system:nodes";

/// The groups of a ServiceAccount of this namespace, beside that of everybody.
pub(crate) fn account_groups(namespace: &str) -> [String; 2] {
    let all = "system:serviceaccounts";
    [all.into(), format!("{all}:{namespace}")]
}
