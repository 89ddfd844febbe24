//! The way to the probe that runs in a container: to the socket at which it answers conversations,
//! without the API server, a kubelet, or another process.

use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::PathBuf;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::container::list_processes;
use crate::{Error, RunningBox, net};

/// As `probe` names its socket: this, and the container's mount namespace. No other container has
/// the same, not even one in the same network.
const SOCKET_PREFIX: &str = "gauntlet-probe-";

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
}

/// A connection to what listens in the namespaces of this process. One that has ended, or is not in
/// its container yet, has nothing there.
fn connect_in_namespaces(process: i32) -> Result<Option<UnixStream>, Error> {
    let spaces = PathBuf::from(format!("/proc/{process}/ns"));
    let Ok(space) = fs::read_link(spaces.join("mnt")) else {
        return Ok(None);
    };
    let name = format!("{SOCKET_PREFIX}{}", space.display());
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
