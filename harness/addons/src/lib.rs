//! The live half of each addon, a folder each: what goes into the cluster, the trial that shows it
//! at work, what shows that its objects are in force, and how to reach it. The pure half is in
//! `model::addons`; both come from the same lines.
//!
//! An addon that runs in pods has the test image and its own program from the box; what it wants to
//! find in the cluster is partly ours and partly its own, read from its component's data. It is
//! ready when it has been seen at work: when the API server, on its word, has refused an object
//! that is known to be bad, when a secret has come in, when a ServiceAccount has been let in, or
//! when a name has an address.

mod admin;
mod barrier;
mod certificates;
mod definitions;
mod endpoints;
mod error;
mod first_state;
mod install;
mod places;
mod released;
mod start;
mod tuf;

use std::fmt;

use cluster::HostAccess;
use futures::future::LocalBoxFuture;
use model::PureAddon;

pub use barrier::{
    BarrierSite, IN_FORCE_WITHIN, SENTINEL_LABEL, SiteLook, WrittenObject, addon_waits, label_waits,
};
pub use endpoints::{AddonEndpoint, EndpointPlace, addon_endpoints};
pub use error::Error;
use first_state::AddonWorkload;
use install::InstallSite;
pub use places::{PodPlace, pod_places};
pub use released::{PatchedRelease, ReleasePatch, patched_release};
pub use start::start_box;

/// What is done with an addon in a cluster.
pub struct LiveAddon {
    /// What is known of it without a cluster.
    pub addon: &'static PureAddon,
    /// What it puts into the cluster, and what it does there before it counts as ready; nothing for
    /// a process of the box.
    pods: Option<PodAddon>,
    /// The waits until what was written of its kinds is in force.
    barrier: BarrierWaits,
    /// The wait until it knows the labels of namespaces, where something of its kinds goes by them.
    labels: LabelWait,
    /// How to reach it.
    endpoints: EndpointLines,
}

/// An addon that runs in pods.
struct PodAddon {
    /// What it consists of.
    workload: AddonWorkload,
    /// Installs it, and waits until it was seen at work.
    install: for<'a> fn(&'a InstallSite<'a>) -> AddonFuture<'a>,
}

/// Something that is done, or fails.
pub type AddonFuture<'a> = LocalBoxFuture<'a, Result<(), Error>>;

type BarrierWaits = for<'a> fn(
    &'a dyn BarrierSite,
    &'a [WrittenObject<'a>],
    &'a [WrittenObject<'a>],
) -> Vec<AddonFuture<'a>>;
type LabelWait =
    for<'a> fn(&'a dyn BarrierSite, &'a [WrittenObject<'a>]) -> Option<AddonFuture<'a>>;
type EndpointLines =
    for<'a> fn(HostAccess<'a>) -> LocalBoxFuture<'a, Result<Vec<AddonEndpoint>, Error>>;

impl fmt::Debug for LiveAddon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveAddon({})", self.addon)
    }
}

macro_rules! table {
    ($($addon:ident),* $(,)?) => {
        $(mod $addon;)*

        /// The live half of every addon.
        pub static LIVE_ADDONS: &[&LiveAddon] = &[$(&$addon::LIVE),*];
    };
}

model::each_addon!(table);
