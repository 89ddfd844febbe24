//! The programs that clusters are made of. Each is pinned by name and version, fetched and built
//! once into a cache, and can be taken to another machine as an archive.
//!
//! A build runs as a child of this program, run again: the caller's program hands
//! [`CONTAIN_ARGUMENT`] and [`ARMED_ARGUMENT`] on to [`contain`] and [`run_armed`].

mod build;
pub mod cache;
mod cargo;
mod charts;
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
    BIN_FOLDER, DATA_FOLDER, ETCD_TOOLS, KUBERNETES_NODE, PROBE_NAME, PinnedComponent,
    find_component, find_titled, kubernetes_component, kubernetes_node, only_version,
    pinned_components, probe_component, runtime_component,
};
pub use contain::{ARMED_ARGUMENT, CONTAIN_ARGUMENT, run_armed, run_contain};
pub use error::Error;
pub use lock::FileLock;
pub use path::find_program;
pub use progress::BuildProgress;
