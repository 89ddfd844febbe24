//! The box's network: a bridge that is the first node's interface and joins the others to it, and a
//! veth pair over which the host reaches the API server. Nothing listens on the host. The pair's
//! host end is made together with the end inside, so the kernel takes it away with the box.

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, setns};

use crate::node::BoxNode;
use crate::places::{API_ADDRESS, NODE_INTERFACE};
use crate::{Error, names};

/// 198.18.0.0/15 is set aside for tests of network devices; a box takes two addresses of it.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
const MOST_ATTEMPTS: u16 = 64;

/// The veth pair of one box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BoxAddresses {
    /// The host's interface; its name holds the pair's number, so that no two boxes have the same.
    pub(crate) interface: String,
    pub(crate) host: Ipv4Addr,
    /// Where the host reaches the API server.
    pub(crate) inside: Ipv4Addr,
}

impl BoxAddresses {
    fn numbered(number: u16) -> Self {
        let base = FIRST_ADDRESS.to_bits() + 2 * u32::from(number);
        Self {
            interface: format!("gl{number:04x}"),
            host: Ipv4Addr::from_bits(base),
            inside: Ipv4Addr::from_bits(base + 1),
        }
    }

    /// Joins the host to the namespaces of the process `pid`: the first free pair from the name's
    /// own onwards.
    pub(crate) fn join_network(name: &str, pid: u32) -> Result<Self, Error> {
        let own = u16::from_str_radix(&names::sha256_hex(name.as_bytes())[..4], 16).unwrap_or(0);
        let mut last = None;
        for offset in 0..MOST_ATTEMPTS {
            let addresses = Self::numbered(own.wrapping_add(offset));
            let Self {
                interface, host, ..
            } = &addresses;
            match run_ip(&[format!(
                "link add {interface} type veth peer name up0 netns {pid}"
            )]) {
                Ok(()) => {
                    run_ip(&[
                        format!("addr add {host}/31 dev {interface}"),
                        format!("link set {interface} alias gauntlet-{name} up"),
                    ])?;
                    return Ok(addresses);
                }
                Err(Error::Command { why, .. }) if why.contains("File exists") => last = Some(why),
                Err(error) => return Err(error),
            }
        }
        let why = last.unwrap_or_default();
        Err(Error::Command {
            command: "ip link add".into(),
            why: format!("{MOST_ATTEMPTS} interfaces are taken: {why}"),
        })
    }

    /// What has to be done inside. With `first_service` the API server's own Service is there
    /// before kube-proxy is, and without any.
    pub(crate) fn inside_commands(
        &self,
        first_service: bool,
        nodes: u8,
        dual_stack: bool,
    ) -> Vec<String> {
        let mut commands = vec![
            "link set lo up".into(),
            format!("addr add {}/31 dev up0", self.inside),
            "link set up0 up".into(),
            format!("link add {NODE_INTERFACE} type bridge"),
        ];
        commands.extend(BoxNode::FIRST.address_commands(nodes, dual_stack));
        commands.extend(BoxNode::further_nodes(nodes).flat_map(BoxNode::join_commands));
        if first_service {
            commands.push(format!("addr add {API_ADDRESS}/32 dev lo"));
        }
        commands
    }

    /// Takes the pair away now, rather than when the kernel comes to it.
    pub(crate) fn part_network(&self) {
        let _ = run_ip(&[format!("link del {}", self.interface)]);
    }
}

/// Does something in another network, given as its file. What is opened in it stays there; the
/// thread that does it ends.
pub(crate) fn run_within<T: Send>(
    network: &Path,
    work: impl FnOnce() -> Result<T, Error> + Send,
) -> Result<T, Error> {
    let doing = || format!("enter the network `{}`", network.display());
    let entered = || {
        let file = File::open(network).map_err(Error::file("open", network))?;
        setns(file, CloneFlags::CLONE_NEWNET).map_err(Error::system(doing()))?;
        work()
    };
    let ended = || Error::system(doing())(std::io::Error::other("the thread ended"));
    thread::scope(|scope| scope.spawn(entered).join()).unwrap_or_else(|_| Err(ended()))
}

/// Runs commands of `ip`, all of which must succeed.
pub(crate) fn run_ip(lines: &[String]) -> Result<(), Error> {
    let fault = |why: String| Error::Command {
        command: format!("ip {}", lines.join("; ")),
        why,
    };
    let spawned = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(components::Error::MissingTool {
                tool: "ip",
                purpose: "join the box to the host".into(),
            }
            .into());
        }
        Err(source) => return Err(fault(source.to_string())),
    };
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all((lines.join("\n") + "\n").as_bytes())
            .map_err(|why| fault(why.to_string()))?;
    }
    let output = child
        .wait_with_output()
        .map_err(|why| fault(why.to_string()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(fault(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_do_not_overlap_and_stay_in_their_range() {
        let first = BoxAddresses::numbered(0);
        let second = BoxAddresses::numbered(1);
        let last = BoxAddresses::numbered(u16::MAX);
        assert_eq!(
            (first.host, first.inside),
            (Ipv4Addr::new(198, 18, 0, 0), Ipv4Addr::new(198, 18, 0, 1))
        );
        assert_eq!(second.host, Ipv4Addr::new(198, 18, 0, 2));
        assert_eq!(last.inside, Ipv4Addr::new(198, 19, 255, 255));
        assert_eq!(last.interface, "glffff");
    }
}
