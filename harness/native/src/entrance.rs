//! A person's command in a box that is up, whichever program started it: on one of its nodes, with
//! the box's programs and what they need to know of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use components::BoxCache;

use crate::config::{ETCD_URL, IMAGE_NAMESPACE, containerd_socket, node_apiserver};
use crate::node::{BoxNode, NETWORK_FOLDER};
use crate::on_node::ON_NODE;
use crate::places::{BOX_HOME, OWN_PROGRAM, WORK_INSIDE};
use crate::protocol::ReadyBox;
use crate::{Error, cgroup, enter, names, running_boxes, self_exe};

/// The administrator's kubeconfig, in the folder that the box shares with the host.
const ADMIN_FILE: &str = "admin.kubeconfig";

/// Runs a command in a box that is up, on the node of this number, and waits until it has ended.
/// The command has this program's standard streams. The first node's place is there in a box
/// without nodes as well: etcd and the API server are in it.
///
/// `PATH` holds every program that the box shows. `kubectl`, `ctr` and `etcdctl` find the API
/// server, the node's containerd and etcd by what is in their environment. What is returned is the
/// command's exit code, or 128 and the number of the signal that ended it.
///
/// # Errors
/// [`Error::NoSuchBox`], [`Error::NoNodeNumbered`], missing rights, and a command that cannot be
/// begun.
pub fn run_in_box(
    cache: &BoxCache,
    name: &str,
    number: u8,
    words: &[OsString],
) -> Result<u8, Error> {
    names::check_name(name)?;
    let no_box = || Error::NoSuchBox(name.to_owned());
    let ready = running_boxes::read_ready(cache, name).ok_or_else(no_box)?;
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    let node = find_node(&ready, name, number)?;
    write_kubeconfig(&ready)?;
    let launcher = Path::new(self_exe::SELF_EXE);
    let mut command = enter::enter_command(launcher, name, ready.init, &ready.path);
    join_node(&mut command, name, node)?;
    let status = command
        .args(words)
        .env("KUBECONFIG", format!("{WORK_INSIDE}/{ADMIN_FILE}"))
        .env("CONTAINERD_ADDRESS", containerd_socket(node))
        .env("CONTAINERD_NAMESPACE", IMAGE_NAMESPACE)
        .env("ETCDCTL_ENDPOINTS", ETCD_URL)
        .envs(std::env::var_os("TERM").map(|term| ("TERM", term)))
        .status()
        .map_err(Error::system("run a command in the box"))?;
    Ok(enter::exit_code(status))
}

fn find_node(ready: &ReadyBox, name: &str, number: u8) -> Result<BoxNode, Error> {
    let networks = PathBuf::from(format!("/proc/{}/root{NETWORK_FOLDER}", ready.init));
    let is_there = |node: &BoxNode| node.is_first() || networks.join(node.name()).exists();
    BoxNode::all_nodes(number)
        .nth(usize::from(number).saturating_sub(1))
        .filter(is_there)
        .ok_or_else(|| Error::NoNodeNumbered {
            name: name.to_owned(),
            number,
        })
}

/// What leads there from the first node, where commands begin.
fn join_node(command: &mut Command, name: &str, node: BoxNode) -> Result<(), Error> {
    if node.is_first() {
        return Ok(());
    }
    let group = cgroup::HostCgroups::detect()?.box_group(name);
    command.arg(format!("{BOX_HOME}/{OWN_PROGRAM}")).args([
        ON_NODE,
        &node.name(),
        &group.kubelet_root,
    ]);
    Ok(())
}

/// Commands ask the API server as the programs of their node do.
fn write_kubeconfig(ready: &ReadyBox) -> Result<(), Error> {
    let path = &ready.kubeconfig;
    let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
    let inside = text.replace(&ready.server, &node_apiserver());
    let place = ready.work.join(ADMIN_FILE);
    Ok(components::cache::write_atomically(
        &place,
        inside.as_bytes(),
    )?)
}
