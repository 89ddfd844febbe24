//! Enforcement of NetworkPolicy (`networking.k8s.io/v1`, IPv4 and IPv6) with nftables: one process
//! for each node, in the node's network namespace. It watches pods, namespaces and policies, makes
//! one table of them, and puts that in the place of the last: see [`tables`].
//!
//! What is not allowed is dropped, and so shows as a time-out. Each node judges what its own pods
//! send and receive:
//! * A packet of a connection that was let through once, either way, and what belongs to it (ICMP
//!   errors) passes: a policy that is tightened does not cut what is established.
//! * Traffic to Services is judged after kube-proxy has chosen a pod, and before it changes the
//!   sender's address: by the pod's own port. What kube-proxy refuses itself (a Service without
//!   endpoints) never comes here.
//! * What a node sends to its own pods passes, and what a pod sends to itself, through a Service as
//!   well. What another node sends does not, unless an `ipBlock` has its address.
//! * A pod's egress is judged on its way to its node too (the API server, the kubelet, node ports).
//! * Pods in the host's network are not subject to policies, and no selector finds them: their
//!   address is the node's.
//! * A rule without ports lets every protocol through, ICMP included; any other rule only what it
//!   names. Nothing but such a rule lets an isolated pod's ICMP through.
//! * A port's name is looked up in the pod that is the server.
//! * A pod is isolated at each of its addresses, and a rule lets pods through from each of theirs;
//!   an `ipBlock` is of one family. While any pod of a node is isolated for egress, none of its
//!   pods reaches the node over the IPv6 addresses of their link, whose sender cannot be told.
//! * While there is any policy in the cluster, no pod gets anywhere with an address that is not its
//!   own.
//!
//! A pod is known by its address before its first packet: see [`plugin`]. The policies that it
//! meets are those that the node has heard of by then: one that was written at the same moment may
//! come later, as there is no order between kinds. Other nodes hear of the pod's address from its
//! status; until then their rules that would let it in do not.

mod api;
mod compile;
mod enforcer;
mod error;
mod objects;
pub mod plugin;
mod ranges;
mod render;
mod report;
mod state;
mod tables;
mod watch;

use std::ffi::OsString;
use std::fs;
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::channel;

use nix::sys::signal::SigSet;

pub use api::{BoxApi, PkiIdentity, first_line};
use enforcer::NodeEnforcer;
pub use error::Error;
use objects::{NamespaceObject, NetworkPolicy, PodObject};
pub use report::{EnforcerReport, REPORT_FOLDER, SeenVersions, read_report};
use state::ObjectChange;

/// The name of the files with the enforcers' certificate and key, without their ends.
pub const KEYS_NAME: &str = "network-policy";

/// What an enforcer is told.
enum WatchEvent {
    Pods(ObjectChange<PodObject>, u64),
    Namespaces(ObjectChange<NamespaceObject>, u64),
    Policies(ObjectChange<NetworkPolicy>, u64),
    /// The network plugins have given a pod these addresses, and wait.
    Announced {
        uid: String,
        addresses: Vec<IpAddr>,
        asker: UnixStream,
    },
}

/// Enforces until it is killed. The words are the node's name, the API server, the socket where the
/// network plugin tells of pods, the folder in which to tell what is in force, and the one with the
/// box's authority and the enforcers' own keys.
///
/// # Errors
/// Other words, keys that cannot be read, and a kernel that does not take a table.
pub fn run_enforcer(words: &[OsString]) -> Result<ExitCode, Error> {
    let [node, server, socket, folder, keys] = words else {
        return Err(Error::Words);
    };
    SigSet::empty().thread_set_mask()?; // the mask comes down from a launcher that waits for signals itself
    let (node, server) = (node.to_string_lossy(), server.to_string_lossy());
    let api = api_of(&server, Path::new(keys))?;
    enforce_policies(api, &node, Path::new(socket), Path::new(folder)).map(|()| ExitCode::SUCCESS)
}

/// The API server, asked with the enforcers' keys.
fn api_of(server: &str, keys: &Path) -> Result<BoxApi, Error> {
    let read = |name: &str| {
        let path = keys.join(name);
        fs::read_to_string(&path).map_err(Error::file("read", path))
    };
    let own = |end: &str| read(&format!("{KEYS_NAME}.{end}"));
    let identity = PkiIdentity {
        certificate: own("crt")?,
        key: own("key")?,
    };
    BoxApi::new(server, &read("ca.crt")?, Some(&identity))
}

fn enforce_policies(api: BoxApi, node: &str, socket: &Path, folder: &Path) -> Result<(), Error> {
    let (tell, news) = channel();
    plugin::listen_announcements(socket, tell.clone())?;
    watch::follow_kind(api.clone(), tell.clone(), WatchEvent::Pods);
    watch::follow_kind(api.clone(), tell.clone(), WatchEvent::Namespaces);
    watch::follow_kind(api, tell, WatchEvent::Policies);
    NodeEnforcer::new(node, folder.to_owned())?.run_enforcer(&news)
}

/// Writes a line into the process's log.
fn log_line(line: &str) {
    use std::io::Write;
    let now = time::OffsetDateTime::now_utc();
    let _ = writeln!(
        std::io::stderr(),
        "{:02}:{:02}:{:02}.{:03} {line}",
        now.hour(),
        now.minute(),
        now.second(),
        now.millisecond()
    );
}
