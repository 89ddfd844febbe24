//! The programs that clusters are made of. Each is pinned by name and version, fetched and built
//! once into a cache, and can be taken to another machine as an archive.
//!
//! A build runs as a child of this program, run again: the caller's program hands [`CONTAIN`] and
//! [`ARMED`] on to [`contain`] and [`run_armed`].

mod build;
pub mod cache;
mod cargo;
mod component;
mod contain;
pub mod digest;
mod error;
mod feed;
mod go;
pub mod lifeline;
mod lock;
mod path;
mod probe_source;
mod progress;
mod recipes;
mod stamp;
mod transfer;

pub use cache::BoxCache;
pub use component::{
    BIN, DATA, ETCD_TOOLS, NODE, PROBE, PinnedComponent, find, find_titled, kubernetes_component,
    kubernetes_node, only, pinned_components, probe_component, runtime_component,
};
pub use contain::{ARMED, CONTAIN, run_armed, run_contain};
pub use error::Error;
pub use lock::FileLock;
pub use path::find_program;
pub use progress::BuildProgress;
