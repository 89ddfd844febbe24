//! What a box occupies on the host: its name, its folder, its control groups, its interface.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::geteuid;

use crate::cgroup::{Group, Host};
use crate::error::chain;
use crate::net::Addresses;
use crate::protocol::{Failure, Request};
use crate::{Error, registry};
use components::Cache;
use components::Lock;
use components::cache;

const PATIENCE: Duration = Duration::from_secs(20);

/// Held while the box lives.
pub(super) struct Claim {
    pub(super) cache: Cache,
    pub(super) name: String,
    pub(super) dir: PathBuf,
    pub(super) group: Group,
    pub(super) addresses: Option<Addresses>,
    lock: Lock,
}

impl Claim {
    pub(super) fn take(request: &Request) -> Result<Self, Failure> {
        if !geteuid().is_root() {
            return Err(Failure::NotRoot);
        }
        let cache = Cache {
            root: request.cache.clone(),
        };
        match Self::try_take(cache, &request.name, request.cluster.nodes) {
            Ok(Some(claim)) => Ok(claim),
            Ok(None) => Err(Failure::NameTaken),
            Err(error) => Err(Failure::Other(chain(&error))),
        }
    }

    fn try_take(cache: Cache, name: &str, nodes: u8) -> Result<Option<Self>, Error> {
        let boxes = cache.boxes();
        cache::private_dir(&boxes)?;
        let Some(lock) = Lock::try_take(&cache.box_lock(name))? else {
            return Ok(None);
        };
        let host = Host::detect()?;
        let group = host.group(name);
        if group.exists() && !registry::clear(&cache, name, &group)? {
            return Ok(None);
        }
        let dir = cache.box_dir(name);
        cache::remove_dir(&dir)?;
        cache::private_dir(&dir.join("root"))?;
        cache::private_dir(&dir.join("logs"))?;
        let pid = dir.join(registry::PID);
        fs::write(&pid, std::process::id().to_string()).map_err(Error::file("write", &pid))?;
        let claim = Self {
            cache,
            name: name.to_owned(),
            dir,
            group,
            addresses: None,
            lock,
        };
        match host.create(name, nodes) {
            Ok(()) => Ok(Some(claim)),
            Err(error) => {
                claim.release()?;
                Err(error)
            }
        }
    }

    /// Gives everything back. The box's processes have ended.
    pub(super) fn release(self) -> Result<(), Error> {
        if let Some(addresses) = &self.addresses {
            addresses.part();
        }
        let left = |why: String| Error::Down {
            name: self.name.clone(),
            why,
        };
        self.group
            .remove(PATIENCE, true)
            .map_err(|late| left(late.to_string()))?;
        cache::remove_dir(&self.dir)?;
        self.lock.remove();
        Ok(())
    }
}
