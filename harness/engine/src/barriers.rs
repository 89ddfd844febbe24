//! Knowing that a control is in force, without waiting for a time.
//!
//! An API server learns of a control through a watch, and a watch delivers in order. So an object
//! of the same kind that is made *after* the control, a sentinel, shows by its effect that the
//! control has been learned of too. Sentinels live in a separate namespace, so that no control of a
//! world meets them and no step meets one. On a cluster with several API servers this speaks for
//! the one that answered.
//!
//! | written | sentinel | its effect |
//! |---|---|---|
//! | Role, RoleBinding | one of each | a review allows what it grants |
//! | ClusterRole, ClusterRoleBinding | one of each, after every aggregated role has the rules of its parts | the same |
//! | ValidatingAdmissionPolicy, its binding, its parameters | one of each | a dry run is denied by it |
//! | MutatingAdmissionPolicy, its binding, its parameters | one of each | a dry run comes back with its label |
//! | ValidatingWebhookConfiguration, MutatingWebhookConfiguration | one that cannot be reached | a dry run fails on it |
//! | a Namespace's labels | a label on the sentinels' namespace, and a webhook that selects it | the same |
//! | the same, after a policy of an addon that goes by labels | what the addon says | the same |
//! | what an addon serves | what the addon says: `addons::waits` | the same |
//! | NetworkPolicy, a Namespace's labels, a Pod's labels, in a box that enforces | for a deletion a policy that selects nothing | every node's table was made with it |
//! | a Namespace that is deleted | none: it is gone, and then what ended with it is waited for as if deleted by itself | |
//! | a Pod or ServiceAccount that is deleted while the world has a token of it | one of each, deleted as well | its token is worth nothing, and then the world's |
//! | LimitRange | one whose default is changed | a dry run comes back with the new default |
//! | PriorityClass | one more | a dry run may name it |
//! | ResourceQuota, after its own status says so, and again where something is freed, by a deletion or by itself | one that allows nothing of a resource of its own | a dry run is refused by it |
//! | a ServiceAccount that is changed or deleted | none: a dry run of a pod that names it | what the account says of tokens and pull secrets; or a refusal |
//! | a RuntimeClass | none: a dry run of a pod that names it | what the class says that a pod costs and where it goes; or a refusal |
//! | a CustomResourceDefinition that is changed | one whose default is changed | a dry run comes back with the new default |
//! | PodDisruptionBudget, CustomResourceDefinition | none: their own status says so; a definition that is deleted is gone | |

mod account;
mod aggregation;
mod definition;
mod dry_pod;
mod limits;
mod namespace;
mod network;
mod plan;
mod policy;
mod priority;
mod quota;
mod rbac;
mod runtime_class;
mod sentinels;
mod service;
mod site;
mod status;
mod token;
mod webhook;

pub(crate) use namespace::{ended_with_namespaces, wait_for_namespace_ends};
pub(crate) use network::are_enforced;
pub(crate) use plan::{WriteRecord, acts_at_once, wait_in_force};
pub(crate) use policy::make_keepalive;
pub(crate) use sentinels::{NAMESPACE_GOES_WITHIN, SentinelObjects};
pub(crate) use token::wait_for_token_end;
