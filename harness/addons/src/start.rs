//! Starts a box with addons in it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use cluster::{Cluster, ClusterProgress};
use components::{BoxCache, PinnedComponent};
use model::{AddonInstall, AddonVersion, ClusterSpec, PureAddon, includes_addon};

use crate::first_state::{addons_beside, first_state};
use crate::install::install_all;
use crate::{Error, LIVE_ADDONS, LiveAddon};

/// An addon as it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct ChosenAddon {
    pub(crate) live: &'static LiveAddon,
    /// Its own component.
    pub(crate) component: &'static PinnedComponent,
}

/// Starts a box with what its specification installs, each addon seen at work. The box dies with
/// this program. `progress` is called on another thread.
///
/// # Errors
/// When the box does not start, its API server does not answer, or an addon is not seen at work.
pub async fn start_box(
    cache: &BoxCache,
    name: &str,
    launcher: &Path,
    spec: &ClusterSpec,
    progress: impl FnMut(ClusterProgress) + Send + 'static,
) -> Result<Cluster, Error> {
    let start = Instant::now();
    let chosen = choose_addons(&spec.install)?;
    let beside = addons_beside(chosen.iter().map(|chosen| chosen.live.addon));
    let first_state = first_state(cache, &chosen, &beside);
    let mut cluster =
        Cluster::start_box(cache, name, launcher, spec, first_state, progress).await?;
    let ready = install_all(&cluster, cache, &chosen, &beside, start).await?;
    cluster.add_milestones(ready);
    Ok(cluster)
}

/// The addons that are asked for, in the table's order.
fn choose_addons(install: &BTreeSet<AddonInstall>) -> Result<Vec<ChosenAddon>, Error> {
    let mut chosen = Vec::new();
    for addon in install.iter().map(|one| one.addon()) {
        if let Some(whole) = addon
            .part_of
            .filter(|whole| !includes_addon(install, whole))
        {
            return Err(Error::PartAlone {
                part: addon.name,
                whole: whole.name,
            });
        }
    }
    for live in LIVE_ADDONS {
        for version in install
            .iter()
            .filter(|one| one.addon() == live.addon)
            .map(|one| one.version())
        {
            chosen.push(ChosenAddon {
                live,
                component: own_component(live.addon, version)?,
            });
        }
    }
    Ok(chosen)
}

/// The component of a version that is the addon's own.
pub(crate) fn own_component(
    addon: &PureAddon,
    version: &AddonVersion,
) -> Result<&'static PinnedComponent, Error> {
    let title = version.components.first().copied().unwrap_or_default();
    components::find_titled(title).map_err(|source| Error::Component {
        addon: addon.name,
        source,
    })
}
