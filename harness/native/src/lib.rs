//! The box: a real Kubernetes cluster as plain processes in one set of namespaces, so that the kernel takes everything
//! away when the program that started it dies. Components are built from pinned Go modules into a cache.
//!
//! ```text
//! the caller  ── start() ──▶  launcher   host's namespaces; drives the start, and cleans up after it
//!                             └ middle   makes the namespaces; dies with the launcher
//!                               └ init   process 1 of the box; dies with the middle, and with it every process
//! ```
//! The caller's program must call [`hidden_main`] first thing: the launcher is that same program, run again.

mod cgroup;
mod config;
mod control;
mod conversation;
pub mod doctor;
mod enter;
mod error;
mod failure;
mod hidden;
mod image;
mod init;
mod kubeconfig;
mod launcher;
mod middle;
mod names;
mod needed;
mod net;
mod node;
mod on_node;
mod ourselves;
mod pki;
pub mod places;
mod plugin;
mod process;
mod progress;
mod protocol;
mod registry;
mod rootfs;
mod runc;
mod running;
mod seed;
mod spec;
mod start;

pub use components::{self, Cache};
pub use config::COUNTER;
pub use control::{ProcessCommand, ProcessStatus, State};
pub use enforcer::{InForce, Seen};
pub use error::Error;
pub use failure::NodeCommand;
pub use hidden::hidden_main;
pub use image::probe_program;
pub use needed::{needed, needs_nothing_built};
pub use node::MOST as MOST_NODES;
pub use places::{API_ADDRESS, DNS_ADDRESS, NODE_ADDRESS, VAULT_ADDRESS};
pub use probe_image::PROBE_IMAGE;
pub use progress::Progress;
pub use registry::{BoxInfo, down, list, sweep};
pub use running::{Death, Running};
pub use spec::{FirstObject, Spec};
pub use start::{is_prepared, prepare, start};
