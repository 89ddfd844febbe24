//! Whether RBAC allows a request: roles, bindings and a request in; allowed or not out, and by
//! what.
//!
//! Only RBAC is in here: neither the Node authorizer nor the group `system:masters`, which is let
//! through before it.

mod aggregate;
mod rule;

use std::fmt;

use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, Role, RoleBinding, RoleRef, Subject,
};

pub use aggregate::aggregated_rules;

use crate::Error;

/// Roles and bindings of a cluster.
#[derive(Clone, Debug, Default)]
pub struct RbacWorld {
    /// Roles.
    pub roles: Vec<Role>,
    /// Cluster roles. One that aggregates has the rules of those that it selects, and its own where
    /// it finds none.
    pub cluster_roles: Vec<ClusterRole>,
    /// Bindings in a namespace.
    pub role_bindings: Vec<RoleBinding>,
    /// Bindings for the whole cluster.
    pub cluster_role_bindings: Vec<ClusterRoleBinding>,
}

/// The requester.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestUser {
    /// The name, `system:serviceaccount:NAMESPACE:NAME` for a ServiceAccount.
    pub name: String,
    /// The groups; none is added.
    pub groups: Vec<String>,
}

/// What is asked. An empty text means that there is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessRequest {
    /// A request for an object or a collection.
    Resource {
        /// The verb.
        verb: String,
        /// The API group.
        group: String,
        /// The resource, in the plural.
        resource: String,
        /// The subresource.
        subresource: String,
        /// The object's name; none for a collection.
        name: String,
        /// The namespace; none for what has none, and for all namespaces.
        namespace: String,
    },
    /// A request for a path that is not an object's.
    Path {
        /// The verb.
        verb: String,
        /// The path.
        path: String,
    },
}

/// What allows a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RbacGrant {
    /// The binding, as `clusterrolebinding NAME` or `rolebinding NAMESPACE/NAME`.
    pub binding: String,
    /// The role that it binds to, as `clusterrole NAME` or `role NAME`.
    pub role: String,
    /// Which of the role's rules, from 0; of one that aggregates, of all that it gathers.
    pub rule: usize,
}

/// The first grant that allows a request, or nothing.
///
/// # Errors
/// When a selector of an aggregating cluster role is not valid.
pub fn find_grant(
    world: &RbacWorld,
    user: &RequestUser,
    request: &AccessRequest,
) -> Result<Option<RbacGrant>, Error> {
    let namespace = match request {
        AccessRequest::Resource { namespace, .. } => namespace.as_str(),
        AccessRequest::Path { .. } => "",
    };
    for binding in &world.cluster_role_bindings {
        let applies = binding
            .subjects
            .iter()
            .flatten()
            .any(|subject| is_subject(subject, user));
        if applies && let Some((role, rule)) = granted_role(world, &binding.role_ref, "", request)?
        {
            let name = binding.metadata.name.as_deref().unwrap_or_default();
            return Ok(Some(RbacGrant {
                binding: format!("clusterrolebinding {name}"),
                role,
                rule,
            }));
        }
    }
    let here = |binding: &&RoleBinding| binding.metadata.namespace.as_deref() == Some(namespace);
    for binding in world.role_bindings.iter().filter(here) {
        let applies = binding
            .subjects
            .iter()
            .flatten()
            .any(|subject| is_subject(subject, user));
        if applies
            && let Some((role, rule)) = granted_role(world, &binding.role_ref, namespace, request)?
        {
            let name = binding.metadata.name.as_deref().unwrap_or_default();
            return Ok(Some(RbacGrant {
                binding: format!("rolebinding {namespace}/{name}"),
                role,
                rule,
            }));
        }
    }
    Ok(None)
}

fn is_subject(subject: &Subject, user: &RequestUser) -> bool {
    match subject.kind.as_str() {
        "User" => subject.name == user.name,
        "Group" => user.groups.contains(&subject.name),
        "ServiceAccount" => subject.namespace.as_ref().is_some_and(|namespace| {
            !namespace.is_empty()
                && user.name == format!("system:serviceaccount:{namespace}:{}", subject.name)
        }),
        _ => false,
    }
}

/// The role that a reference names, and which of its rules matches the request. A role that is not
/// there grants nothing.
fn granted_role(
    world: &RbacWorld,
    reference: &RoleRef,
    namespace: &str,
    request: &AccessRequest,
) -> Result<Option<(String, usize)>, Error> {
    let name = Some(reference.name.as_str());
    let rules = match reference.kind.as_str() {
        "ClusterRole" => {
            let role = world
                .cluster_roles
                .iter()
                .find(|role| role.metadata.name.as_deref() == name);
            role.map(|role| aggregated_rules(world, role))
                .transpose()?
                .unwrap_or_default()
        }
        "Role" => {
            let here = |role: &&Role| role.metadata.namespace.as_deref() == Some(namespace);
            let role = world
                .roles
                .iter()
                .filter(here)
                .find(|role| role.metadata.name.as_deref() == name);
            role.and_then(|role| role.rules.clone()).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    let found = rules
        .iter()
        .position(|rule| rule::rule_matches(rule, request));
    Ok(found.map(|rule| {
        (
            format!("{} {}", reference.kind.to_lowercase(), reference.name),
            rule,
        )
    }))
}

impl fmt::Display for RbacGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "rule {} of {}, bound by {}",
            self.rule, self.role, self.binding
        )
    }
}

impl fmt::Display for RequestUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if self.groups.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.groups.join(", "))
        }
    }
}

impl fmt::Display for AccessRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { verb, path } => write!(f, "{verb} {path}"),
            Self::Resource {
                verb,
                group,
                resource,
                subresource,
                name,
                namespace,
            } => {
                write!(f, "{verb} {resource}")?;
                let parts = [
                    (".", group),
                    ("/", subresource),
                    (" ", name),
                    (" in ", namespace),
                ];
                parts
                    .into_iter()
                    .filter(|(_, text)| !text.is_empty())
                    .try_for_each(|(sign, text)| write!(f, "{sign}{text}"))
            }
        }
    }
}
