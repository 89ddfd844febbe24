//! What a box occupies on the host: its name, its folder, its control groups, its interface.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use error_chain::error_chain;
use nix::unistd::geteuid;

use super::init_connection::LauncherEvent;
use super::inotify_wait::wait_for_instances;
use super::send_report;
use crate::cgroup::{BoxCgroup, HostCgroups};
use crate::inotify::InotifyReservation;
use crate::net::BoxAddresses;
use crate::protocol::{LauncherReport, LauncherRequest, StartFailure};
use crate::{BoxProgress, Error, running_boxes};
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
    /// Its inotify instances; nothing where the kernel does not say its limit.
    inotify: Option<InotifyReservation>,
}

impl BoxReservation {
    /// Waits for what other boxes hold of the machine, unless one of the `events` is to end.
    pub(super) fn reserve_box(
        request: &LauncherRequest,
        events: &Receiver<LauncherEvent>,
    ) -> Result<Self, StartFailure> {
        if !geteuid().is_root() {
            return Err(StartFailure::NotRoot);
        }
        let cache = BoxCache {
            root: request.cache.clone(),
        };
        match Self::try_take(cache, &request.name, request.cluster.nodes, events) {
            Ok(Some(reservation)) => Ok(reservation),
            Ok(None) => Err(StartFailure::NameTaken),
            Err(Error::NoInotify { why, .. }) => Err(StartFailure::NoInotify(why)),
            Err(error) => Err(StartFailure::Other(error_chain(&error))),
        }
    }

    fn try_take(
        cache: BoxCache,
        name: &str,
        nodes: u8,
        events: &Receiver<LauncherEvent>,
    ) -> Result<Option<Self>, Error> {
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
        let pid = dir.join(running_boxes::PID_FILE);
        fs::write(&pid, std::process::id().to_string()).map_err(Error::file("write", &pid))?;
        let mut reservation = Self {
            cache,
            name: name.to_owned(),
            dir,
            group,
            addresses: None,
            lock,
            inotify: None,
        };
        let occupied = reservation
            .await_instances(nodes, events)
            .and_then(|()| host.create_groups(name, nodes));
        match occupied {
            Ok(()) => Ok(Some(reservation)),
            Err(error) => {
                reservation.release_box()?;
                Err(error)
            }
        }
    }

    fn await_instances(
        &mut self,
        nodes: u8,
        events: &Receiver<LauncherEvent>,
    ) -> Result<(), Error> {
        let is_told_to_end = || {
            let event = events.try_recv();
            matches!(event, Ok(LauncherEvent::CallerGone | LauncherEvent::Signal))
        };
        let tell = |what| send_report(&LauncherReport::Progress(BoxProgress::Waiting { what }));
        self.inotify = wait_for_instances(&self.name, nodes, is_told_to_end, tell)?;
        Ok(())
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
