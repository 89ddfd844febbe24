//! The boxes of a cache: which are up, taking one down, and taking away what dead ones left.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use wait::WaitLook;

use crate::cgroup::{BoxCgroup, HostCgroups};
use crate::protocol::ReadyBox;
use crate::{Error, names};
use components::BoxCache;
use components::FileLock;
use components::cache;

/// The launcher's process id, in a box's folder.
pub(crate) const PID_FILE: &str = "launcher.pid";
/// What there is to know about a box that is up.
pub(crate) const STATE_FILE: &str = "box.json";

const TAKEN_DOWN_WITHIN: Duration = Duration::from_secs(40);
const DIES_WITHIN: Duration = Duration::from_secs(5);

/// A box that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoxInfo {
    /// Its name.
    pub name: String,
    /// The Kubernetes release, as `1.36.3`.
    pub kubernetes: String,
    /// The API server, as `https://ADDRESS:6443`.
    pub server: String,
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The processes' logs.
    pub logs: PathBuf,
}

/// The boxes that are up, by name. Those that are being started or taken down are not among them.
#[must_use]
pub fn list_boxes(cache: &BoxCache) -> Vec<BoxInfo> {
    box_names(cache)
        .into_iter()
        .filter_map(|name| read_info(cache, name))
        .collect()
}

fn read_info(cache: &BoxCache, name: String) -> Option<BoxInfo> {
    let ReadyBox {
        kubeconfig,
        server,
        logs,
        kubernetes,
        ..
    } = read_ready(cache, &name)?;
    Some(BoxInfo {
        name,
        kubernetes,
        server,
        kubeconfig,
        logs,
    })
}

/// What its launcher wrote of a box that is up.
pub(crate) fn read_ready(cache: &BoxCache, name: &str) -> Option<ReadyBox> {
    let lock_path = cache.box_lock(name);
    if !lock_path.exists() || !matches!(FileLock::try_take(&lock_path), Ok(None)) {
        return None;
    }
    let text = fs::read(cache.box_dir(name).join(STATE_FILE)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The names of the folders and locks, sorted, whether a box is up there or not.
fn box_names(cache: &BoxCache) -> Vec<String> {
    let Ok(entries) = fs::read_dir(cache.boxes_folder()) else {
        return Vec::new();
    };
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let names = names.map(|name| {
        name.strip_suffix(".lock")
            .map_or(name.clone(), ToOwned::to_owned)
    });
    let mut names: Vec<String> = names
        .filter(|name| names::check_name(name).is_ok())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Takes a box down, whichever program started it, and waits until nothing of it is left.
///
/// # Errors
/// [`Error::NoSuchBox`] when none of that name is up, [`Error::Down`] when something is left.
pub fn take_down(cache: &BoxCache, name: &str) -> Result<(), Error> {
    names::check_name(name)?;
    let lock_path = cache.box_lock(name);
    if !lock_path.exists() || FileLock::try_take(&lock_path)?.is_some() {
        sweep_dead(cache);
        return Err(Error::NoSuchBox(name.to_owned()));
    }
    signal_launcher(cache, name, Signal::SIGTERM);
    if wait_until_gone(cache, name, TAKEN_DOWN_WITHIN).is_err() {
        signal_launcher(cache, name, Signal::SIGKILL);
        let left = |late: wait::TimedOut| Error::Down {
            name: name.to_owned(),
            why: late.to_string(),
        };
        wait_until_free(cache, name).map_err(left)?;
        sweep_dead(cache);
    }
    expect_gone(cache, name)
}

/// Waits until nothing is left of a box whose launcher has ended. Another program may be taking
/// away what it left, and holds its lock meanwhile.
pub(crate) fn expect_gone(cache: &BoxCache, name: &str) -> Result<(), Error> {
    if wait_until_gone(cache, name, DIES_WITHIN).is_ok() {
        return Ok(());
    }
    sweep_dead(cache);
    wait_until_gone(cache, name, TAKEN_DOWN_WITHIN).map_err(|late| Error::Down {
        name: name.to_owned(),
        why: late.to_string(),
    })
}

fn signal_launcher(cache: &BoxCache, name: &str, signal: Signal) {
    let text = fs::read_to_string(cache.box_dir(name).join(PID_FILE)).unwrap_or_default();
    if let Ok(pid @ 1..) = text.trim().parse() {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

fn wait_until_gone(cache: &BoxCache, name: &str, within: Duration) -> Result<(), wait::TimedOut> {
    wait::wait_until(
        &format!("the box `{name}` to go"),
        within,
        Duration::from_millis(10),
        || {
            let left = what_is_left(cache, name);
            if left.is_empty() {
                WaitLook::Ready(())
            } else {
                WaitLook::NotYet(format!("{} still there", left.join(", ")))
            }
        },
    )
}

fn wait_until_free(cache: &BoxCache, name: &str) -> Result<(), wait::TimedOut> {
    wait::wait_until(
        "the launcher to end",
        DIES_WITHIN,
        Duration::from_millis(10),
        || match FileLock::try_take(&cache.box_lock(name)) {
            Ok(Some(_)) => WaitLook::Ready(()),
            _ => WaitLook::NotYet("it holds its lock".into()),
        },
    )
}

/// What is left of a box on the host.
fn what_is_left(cache: &BoxCache, name: &str) -> Vec<&'static str> {
    let group = HostCgroups::detect().is_ok_and(|host| host.box_group(name).exists());
    let parts = [
        (group, "its control groups"),
        (cache.box_dir(name).exists(), "its folder"),
        (cache.box_lock(name).exists(), "its lock"),
    ];
    let left = parts.into_iter().filter(|(is_there, _)| *is_there);
    left.map(|(_, part)| part).collect()
}

/// Takes away what boxes left whose launcher was killed: the kernel ended their processes, their
/// control groups and folders remain.
pub fn sweep_dead(cache: &BoxCache) {
    let Ok(host) = HostCgroups::detect() else {
        return;
    };
    let ours = box_names(cache);
    for name in &ours {
        if let Ok(Some(lock)) = FileLock::try_take(&cache.box_lock(name)) {
            let _ = clear_cgroups(cache, name, &host.box_group(name));
            let _ = cache::remove_dir(&cache.box_dir(name));
            lock.remove_file();
        }
    }
    for name in host
        .box_names()
        .into_iter()
        .filter(|name| !ours.contains(name))
    {
        let group = host.box_group(&name);
        if group.is_empty() && group.is_old() {
            let _ = group.remove_group(Duration::ZERO, false);
        }
    }
}

/// Takes away the control groups of a dead box; the caller holds its lock. `false` means that they
/// belong to a living box, of another cache.
pub(crate) fn clear_cgroups(
    cache: &BoxCache,
    name: &str,
    group: &BoxCgroup,
) -> Result<bool, Error> {
    let ours = cache.box_dir(name).exists();
    Ok(group.remove_group(DIES_WITHIN, ours).is_ok())
}
