//! The way to the probe that runs in a container: to the socket at which it answers conversations,
//! without the API server, a kubelet, or another process.

use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::{Error, RunningBox, net};

/// How deep the group of a pod may lie below that of its box: `node-2/kubepods/burstable/podUID`.
const DEPTH: u8 = 4;

/// As `probe` names its socket: this, and the container's mount namespace. No other container has
/// the same, not even one in the same network.
const PREFIX: &str = "gauntlet-probe-";

impl RunningBox {
    /// A connection to the probe that is the first process of this container, by its id and its
    /// pod's. Nothing, where none answers there: the container has ended, or its program is another
    /// one, or does not stay.
    ///
    /// That something listens at the right place is not believed: a node's own network has many
    /// that could. The process that does has to be in the container's control group, as the kernel
    /// has it.
    ///
    /// # Errors
    /// When the box has ended, or the kernel does not allow entering the container's network.
    pub fn connect_probe(&self, pod: &str, container: &str) -> Result<Option<UnixStream>, Error> {
        let Some(group) = self.container_group(pod, container) else {
            return Ok(None);
        };
        for process in list_processes(&group) {
            if let Some(stream) = connect_in_namespaces(process)?
                && getsockopt(&stream, PeerCredentials)
                    .is_ok_and(|peer| list_processes(&group).contains(&peer.pid()))
            {
                return Ok(Some(stream));
            }
        }
        Ok(None)
    }

    /// Whether a container has a process, as the kernel has it, by its id and its pod's; nothing
    /// where the pod has no control group.
    #[must_use]
    pub fn container_lives(&self, pod: &str, container: &str) -> Option<bool> {
        let group = self.container_group(pod, container)?;
        Some(!list_processes(&group).is_empty())
    }

    /// Where the control group of a container is, or was, in its pod's.
    fn container_group(&self, pod: &str, container: &str) -> Option<PathBuf> {
        let is_plain = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if !is_plain(pod) || !is_plain(container) {
            return None;
        }
        let folder = format!("pod{pod}");
        let mut roots = self.cgroups.iter();
        roots
            .find_map(|root| find_folder(root, &folder, DEPTH))
            .map(|group| group.join(container))
    }
}

/// The folder of this name below another.
fn find_folder(below: &Path, name: &str, depth: u8) -> Option<PathBuf> {
    let found = below.join(name);
    if found.is_dir() {
        return Some(found);
    }
    let folders = fs::read_dir(below).ok().filter(|_| depth > 1)?.flatten();
    let mut folders = folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.find_map(|entry| find_folder(&entry.path(), name, depth - 1))
}

fn list_processes(group: &Path) -> Vec<i32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// A connection to what listens in the namespaces of this process. One that has ended, or is not in
/// its container yet, has nothing there.
fn connect_in_namespaces(process: i32) -> Result<Option<UnixStream>, Error> {
    let spaces = PathBuf::from(format!("/proc/{process}/ns"));
    let Ok(space) = fs::read_link(spaces.join("mnt")) else {
        return Ok(None);
    };
    let name = format!("{PREFIX}{}", space.display());
    let connected = net::run_within(&spaces.join("net"), || {
        let address = SocketAddr::from_abstract_name(&name)
            .map_err(Error::system("name a probe's socket"))?;
        match UnixStream::connect_addr(&address) {
            Ok(stream) => Ok(Some(stream)),
            Err(why)
                if matches!(
                    why.kind(),
                    io::ErrorKind::ConnectionRefused | io::ErrorKind::WouldBlock
                ) =>
            {
                Ok(None)
            }
            Err(why) => Err(Error::system("connect to a probe")(why)),
        }
    });
    match connected {
        Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_group_is_found_on_every_node() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "kubepods/podone",
            "kubepods/besteffort/podtwo",
            "node-2/kubepods/burstable/podthree",
            "system",
        ] {
            fs::create_dir_all(root.path().join(path).join("c1")).unwrap();
        }
        for (pod, wanted) in [
            ("podone", Some("kubepods/podone")),
            ("podtwo", Some("kubepods/besteffort/podtwo")),
            ("podthree", Some("node-2/kubepods/burstable/podthree")),
            ("podfour", None),
        ] {
            assert_eq!(
                find_folder(root.path(), pod, DEPTH),
                wanted.map(|path| root.path().join(path)),
                "{pod}"
            );
        }
        fs::write(root.path().join("system/cgroup.procs"), "7\n12\n").unwrap();
        assert_eq!(list_processes(&root.path().join("system")), [7, 12]);
        assert!(list_processes(&root.path().join("gone")).is_empty());
    }

    #[test]
    fn a_process_that_has_ended_has_nothing() {
        assert!(connect_in_namespaces(i32::MAX).unwrap().is_none());
        // This process is there, and there is no listener in its name.
        assert!(
            connect_in_namespaces(std::process::id() as i32)
                .unwrap()
                .is_none()
        );
    }
}
