//! Tests that need no cluster, in one program: each more has all of the crates linked into it.

mod laws;
mod network;
mod pod_security;
mod rbac;
