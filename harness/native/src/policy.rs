//! Enforcement of NetworkPolicy (`networking.k8s.io/v1`, IPv4) with nftables: this program, run again, one process for
//! each node, in the node's network namespace.

mod in_force;

pub(crate) use in_force::in_force;
pub use in_force::{InForce, Seen};
