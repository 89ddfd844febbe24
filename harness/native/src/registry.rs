//! The boxes of a cache: which are up, taking one down, and taking away what dead ones left.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use wait::Look;

use crate::cgroup::{Group, Host};
use crate::protocol::Ready;
use crate::{Error, names};
use components::Cache;
use components::Lock;
use components::cache;

/// The launcher's process id, in a box's folder.
pub(crate) const PID: &str = "launcher.pid";
/// What there is to know about a box that is up.
pub(crate) const STATE: &str = "box.json";

const PATIENCE: Duration = Duration::from_secs(40);
const DYING: Duration = Duration::from_secs(5);

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
pub fn list(cache: &Cache) -> Vec<BoxInfo> {
    box_names(cache)
        .into_iter()
        .filter_map(|name| info(cache, name))
        .collect()
}

fn info(cache: &Cache, name: String) -> Option<BoxInfo> {
    let lock_path = cache.box_lock(&name);
    if !lock_path.exists() || !matches!(Lock::try_take(&lock_path), Ok(None)) {
        return None;
    }
    let text = fs::read(cache.box_dir(&name).join(STATE)).ok()?;
    let Ready {
        kubeconfig,
        server,
        logs,
        kubernetes,
        ..
    } = serde_json::from_slice(&text).ok()?;
    Some(BoxInfo {
        name,
        kubernetes,
        server,
        kubeconfig,
        logs,
    })
}

/// The names of the folders and locks, sorted, whether anybody lives there or not.
fn box_names(cache: &Cache) -> Vec<String> {
    let Ok(entries) = fs::read_dir(cache.boxes()) else {
        return Vec::new();
    };
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let names = names.map(|name| {
        name.strip_suffix(".lock")
            .map_or(name.clone(), ToOwned::to_owned)
    });
    let mut names: Vec<String> = names.filter(|name| names::check(name).is_ok()).collect();
    names.sort();
    names.dedup();
    names
}

/// Takes a box down, whoever started it, and waits until nothing of it is left.
///
/// # Errors
/// [`Error::NoSuchBox`] when none of that name is up, [`Error::Down`] when something is left.
pub fn down(cache: &Cache, name: &str) -> Result<(), Error> {
    names::check(name)?;
    let lock_path = cache.box_lock(name);
    if !lock_path.exists() || Lock::try_take(&lock_path)?.is_some() {
        sweep(cache);
        return Err(Error::NoSuchBox(name.to_owned()));
    }
    signal_launcher(cache, name, Signal::SIGTERM);
    if wait_until_gone(cache, name, PATIENCE).is_err() {
        signal_launcher(cache, name, Signal::SIGKILL);
        let left = |late: wait::TimedOut| Error::Down {
            name: name.to_owned(),
            why: late.to_string(),
        };
        wait_until_free(cache, name).map_err(left)?;
        sweep(cache);
    }
    expect_gone(cache, name)
}

/// Waits until nothing is left of a box whose launcher has ended. Another program may be taking away what it left, and
/// holds its lock meanwhile.
pub(crate) fn expect_gone(cache: &Cache, name: &str) -> Result<(), Error> {
    if wait_until_gone(cache, name, DYING).is_ok() {
        return Ok(());
    }
    sweep(cache);
    wait_until_gone(cache, name, PATIENCE).map_err(|late| Error::Down {
        name: name.to_owned(),
        why: late.to_string(),
    })
}

fn signal_launcher(cache: &Cache, name: &str, signal: Signal) {
    let text = fs::read_to_string(cache.box_dir(name).join(PID)).unwrap_or_default();
    if let Ok(pid @ 1..) = text.trim().parse() {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

fn wait_until_gone(cache: &Cache, name: &str, within: Duration) -> Result<(), wait::TimedOut> {
    wait::until(
        &format!("the box `{name}` to go"),
        within,
        Duration::from_millis(10),
        || {
            let left = what_is_left(cache, name);
            if left.is_empty() {
                Look::Ready(())
            } else {
                Look::NotYet(format!("{} still there", left.join(", ")))
            }
        },
    )
}

fn wait_until_free(cache: &Cache, name: &str) -> Result<(), wait::TimedOut> {
    wait::until(
        "the launcher to end",
        DYING,
        Duration::from_millis(10),
        || match Lock::try_take(&cache.box_lock(name)) {
            Ok(Some(_)) => Look::Ready(()),
            _ => Look::NotYet("it holds its lock".into()),
        },
    )
}

/// What is left of a box on the host.
fn what_is_left(cache: &Cache, name: &str) -> Vec<&'static str> {
    let group = Host::detect().is_ok_and(|host| host.group(name).exists());
    let parts = [
        (group, "its control groups"),
        (cache.box_dir(name).exists(), "its folder"),
        (cache.box_lock(name).exists(), "its lock"),
    ];
    let left = parts.into_iter().filter(|(is_there, _)| *is_there);
    left.map(|(_, part)| part).collect()
}

/// Takes away what boxes left whose launcher was killed: the kernel ended their processes, their control groups and
/// folders remain.
pub fn sweep(cache: &Cache) {
    let Ok(host) = Host::detect() else { return };
    let ours = box_names(cache);
    for name in &ours {
        if let Ok(Some(lock)) = Lock::try_take(&cache.box_lock(name)) {
            let _ = clear(cache, name, &host.group(name));
            let _ = cache::remove_dir(&cache.box_dir(name));
            lock.remove();
        }
    }
    for name in host.boxes().into_iter().filter(|name| !ours.contains(name)) {
        let group = host.group(&name);
        if group.processes().is_empty() && group.is_old() {
            let _ = group.remove(Duration::ZERO, false);
        }
    }
}

/// Takes away the control groups of a dead box; the caller holds its lock. `false` means that they belong to a living
/// box, of another cache.
pub(crate) fn clear(cache: &Cache, name: &str, group: &Group) -> Result<bool, Error> {
    let ours = cache.box_dir(name).exists();
    Ok(group.remove(DYING, ours).is_ok())
}
