//! What a box occupies on the host: its name, its folder, its control groups, its interface.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use error_chain::error_chain;
use nix::unistd::geteuid;

use crate::cgroup::{BoxCgroup, HostCgroups};
use crate::net::BoxAddresses;
use crate::protocol::{LauncherRequest, StartFailure};
use crate::{Error, running_boxes};
use components::BoxCache;
use components::FileLock;
use components::cache;

const CLEANED_UP_WITHIN: Duration = Duration::from_secs(20);

/// Held while the box lives.
pub(super) struct BoxReservation {
    pub(super) cache: BoxCache,
    pub(super) name: String,
    pub(super) dir: PathBuf,
    pub(super) group: BoxCgroup,
    pub(super) addresses: Option<BoxAddresses>,
    lock: FileLock,
}

impl BoxReservation {
    pub(super) fn reserve_box(request: &LauncherRequest) -> Result<Self, StartFailure> {
        if !geteuid().is_root() {
            return Err(StartFailure::NotRoot);
        }
        let cache = BoxCache {
            root: request.cache.clone(),
        };
        match Self::try_take(cache, &request.name, request.cluster.nodes) {
            Ok(Some(claim)) => Ok(claim),
            Ok(None) => Err(StartFailure::NameTaken),
            Err(error) => Err(StartFailure::Other(error_chain(&error))),
        }
    }

    fn try_take(cache: BoxCache, name: &str, nodes: u8) -> Result<Option<Self>, Error> {
        let boxes = cache.boxes_folder();
        cache::private_dir(&boxes)?;
        let Some(lock) = FileLock::try_take(&cache.box_lock(name))? else {
            return Ok(None);
        };
        let host = HostCgroups::detect()?;
        let group = host.box_group(name);
        if group.exists() && !running_boxes::clear_cgroups(&cache, name, &group)? {
            return Ok(None);
        }
        let dir = cache.box_dir(name);
        cache::remove_dir(&dir)?;
        cache::private_dir(&dir.join("root"))?;
        cache::private_dir(&dir.join("logs"))?;
        let pid = dir.join(running_boxes::PID);
        fs::write(&pid, std::process::id().to_string()).map_err(Error::file("write", &pid))?;
        let claim = Self {
            cache,
            name: name.to_owned(),
            dir,
            group,
            addresses: None,
            lock,
        };
        match host.create_groups(name, nodes) {
            Ok(()) => Ok(Some(claim)),
            Err(error) => {
                claim.release_box()?;
                Err(error)
            }
        }
    }

    /// Gives everything back. The box's processes have ended.
    pub(super) fn release_box(self) -> Result<(), Error> {
        if let Some(addresses) = &self.addresses {
            addresses.part_network();
        }
        let left = |why: String| Error::Down {
            name: self.name.clone(),
            why,
        };
        self.group
            .remove_group(CLEANED_UP_WITHIN, true)
            .map_err(|late| left(late.to_string()))?;
        cache::remove_dir(&self.dir)?;
        self.lock.remove_file();
        Ok(())
    }
}
