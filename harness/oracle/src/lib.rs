//! What Kubernetes' own rules say of a packet, of a pod and of a request, as pure functions: no
//! clock, no network, no cluster.
//!
//! Each is written from what the API promises, and shares no code with what it is compared with:
//! [`network`] with the box's enforcer, [`pod_security`] with the API server's admission, [`rbac`]
//! with its authorizer. [`generate`] makes the cases, small and odd ones; [`scenario`] writes a
//! disagreement down as a scenario.

mod error;
pub mod generate;
pub mod network;
pub mod pod_security;
pub mod rbac;

pub mod scenario;
mod selector;

pub use error::Error;
