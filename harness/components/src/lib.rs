//! The programs that clusters are made of. Each is pinned by name and version, fetched and built once into a cache, and
//! can be taken to another machine as an archive.
//!
//! A build runs as a child of this program, run again: the caller's program hands [`CONTAIN`] and [`ARMED`] on to
//! [`contain`] and [`armed`].

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

pub use cache::Cache;
pub use component::{
    BIN, Component, DATA, ETCD_TOOLS, NODE, PROBE, find, kubernetes, kubernetes_node, only, pinned,
    probe, runtime, titled,
};
pub use contain::{ARMED, CONTAIN, armed, contain};
pub use error::Error;
pub use lock::Lock;
pub use path::find_program;
pub use progress::BuildProgress;
