//! Enforcement of NetworkPolicy (`networking.k8s.io/v1`, IPv4 and IPv6) with nftables: this program, run again, one process for
//! each node, in the node's network namespace. It watches pods, namespaces and policies, makes one table of them, and
//! puts that in the place of the last: see [`tables`].
//!
//! What is not allowed is dropped, and so shows as a time-out. Each node judges what its own pods send and receive:
//! * A packet of a connection that was let through once, either way, and what belongs to it (ICMP errors) passes: a
//!   policy that is tightened does not cut what is established.
//! * Traffic to Services is judged after kube-proxy has chosen a pod, and before it changes the sender's address: by
//!   the pod's own port. What kube-proxy refuses itself (a Service without endpoints) never comes here.
//! * What a node sends to its own pods passes, and what a pod sends to itself, through a Service as well. What another
//!   node sends does not, unless an `ipBlock` has its address.
//! * A pod's egress is judged on its way to its node too (the API server, the kubelet, node ports).
//! * Pods in the host's network are not subject to policies, and no selector finds them: their address is the node's.
//! * A rule without ports lets every protocol through, ICMP included; any other rule only what it names. Nothing but
//!   such a rule lets an isolated pod's ICMP through.
//! * A port's name is looked up in the pod that is the server.
//! * A pod is isolated at each of its addresses, and a rule lets pods through from each of theirs; an `ipBlock` is of one
//!   family. While any pod of a node is isolated for egress, none of its pods reaches the node over the IPv6 addresses
//!   of their link, of which nobody can tell whose they are.
//! * While there is any policy in the cluster, no pod gets anywhere with an address that is not its own.
//!
//! A pod is known by its address before its first packet: see [`plugin`]. The policies that it meets are those that the
//! node has heard of by then: one that was written at the same moment may come later, as there is no order between
//! kinds. Other nodes hear of the pod's address from its status; until then their rules that would let it in do not.

mod compile;
mod enforcer;
mod in_force;
mod objects;
pub(crate) mod plugin;
mod ranges;
mod render;
mod state;
mod tables;
mod watch;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::channel;

use nix::sys::signal::SigSet;

use crate::Error;
use crate::api::Api;
use crate::error::chain;
use crate::pki::{self, Identity};
use crate::places::HOME;
use enforcer::Enforcer;
pub(crate) use in_force::{FOLDER, in_force};
pub use in_force::{InForce, Seen};
use objects::{Namespace, NetworkPolicy, Pod};
use state::Change;

/// The hidden word; see [`crate::hidden_main`].
pub(crate) const POLICY: &str = "__network-policy";

/// What an enforcer is told.
enum WatchEvent {
    Pods(Change<Pod>, u64),
    Namespaces(Change<Namespace>, u64),
    Policies(Change<NetworkPolicy>, u64),
    /// The network plugins have given a pod these addresses, and wait.
    Announced {
        uid: String,
        addresses: Vec<IpAddr>,
        asker: UnixStream,
    },
}

/// `__network-policy NODE SERVER SOCKET FOLDER`: the node's name, the API server, where the network plugin tells of pods,
/// and where to tell what is in force.
pub(crate) fn run(words: &[OsString]) -> io::Result<ExitCode> {
    let [node, server, socket, folder] = words else {
        return Err(io::Error::other(
            "a node, a server, a socket and a folder are wanted",
        ));
    };
    SigSet::empty().thread_set_mask()?; // the mask comes down from a launcher that waits for signals itself
    let (node, server) = (node.to_string_lossy(), server.to_string_lossy());
    let outcome = enforce(&node, &server, Path::new(socket), Path::new(folder));
    outcome
        .map(|()| ExitCode::SUCCESS)
        .map_err(|error| io::Error::other(chain(&error)))
}

fn enforce(node: &str, server: &str, socket: &Path, folder: &Path) -> Result<(), Error> {
    let read = |name: &str| {
        let path = Path::new(HOME).join("pki").join(name);
        fs::read_to_string(&path).map_err(Error::file("read", path))
    };
    let own = |end: &str| read(&format!("{}.{end}", pki::NETWORK_POLICY));
    let identity = Identity {
        certificate: own("crt")?,
        key: own("key")?,
    };
    let api = Api::new(server, &read("ca.crt")?, Some(&identity))?;
    let (tell, news) = channel();
    plugin::listen(socket, tell.clone())?;
    watch::follow(api.clone(), tell.clone(), WatchEvent::Pods);
    watch::follow(api.clone(), tell.clone(), WatchEvent::Namespaces);
    watch::follow(api, tell, WatchEvent::Policies);
    Enforcer::new(node, folder.to_owned())?.run(&news)
}

/// Writes a line into the process's log.
fn log(line: &str) {
    use io::Write;
    let now = time::OffsetDateTime::now_utc();
    let _ = writeln!(
        io::stderr(),
        "{:02}:{:02}:{:02}.{:03} {line}",
        now.hour(),
        now.minute(),
        now.second(),
        now.millisecond()
    );
}
