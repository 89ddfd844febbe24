//! The box: a real Kubernetes cluster as plain processes in one set of namespaces, so that the
//! kernel takes everything away when the program that started it dies. Components are built from
//! pinned Go modules into a cache.
//!
//! ```text
//! the caller ── start() ──▶ launcher   host's namespaces; drives the start, and cleans up after it
//!                            └ holder   makes the namespaces; dies with the launcher
//!                              └ init   process 1 of the box; dies with the holder, and all with it
//! ```
//! The caller's program must call [`hidden_main`] first thing: the launcher is that same program,
//! run again.

mod cgroup;
mod config;
mod container;
mod control;
mod conversation;
pub mod doctor;
mod enter;
mod entrance;
mod entrypoints;
mod error;
mod fault_injection;
mod image;
mod image_import;
mod init;
pub mod inotify;
mod kms_process;
mod kubeconfig;
mod launcher;
mod names;
mod namespace_holder;
mod needed;
mod net;
mod node;
mod on_node;
mod pki;
pub mod places;
mod process;
mod progress;
mod protocol;
mod proxy_table;
mod rootfs;
mod runc;
mod running;
mod running_boxes;
mod self_exe;
mod spec;
mod start;
mod template;

pub use components::BoxCache;
pub use config::SIGSTORE_COUNTER;
pub use enforcer::{EnforcerReport, SeenVersions};
pub use entrance::run_in_box;
pub use entrypoints::hidden_main;
pub use error::Error;
pub use image::probe_program;
pub use needed::{needed_components, needs_nothing_built};
pub use node::MOST_NODES;
pub use places::{API_ADDRESS, DNS_ADDRESS, NODE_ADDRESS};
pub use probe_image::PROBE_IMAGE;
pub use progress::BoxProgress;
pub use proxy_table::ProxyReport;
pub use running::{ProcessDeath, RunningBox};
pub use running_boxes::{BoxInfo, list_boxes, sweep_dead, take_down};
pub use spec::BoxSpec;
pub use start::{is_prepared, prepare_template, start_box};
