//! Running a program on a node of the box: in its network, under its name, in its control group.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use error_chain::error_chain;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::sethostname;

use crate::cgroup::HostCgroups;
use crate::node::NETWORK_FOLDER;

/// The hidden word; see [`crate::hidden_main`].
pub(crate) const ON_NODE: &str = "__on-node";

/// `__on-node NODE GROUP PROGRAM ARG…`: becomes the program, in the node's network, under the
/// node's host name, and in its control group, which is below the box's own, `GROUP`. Pods in the
/// host's network inherit the name from their runtime.
pub(crate) fn run_on_node(words: &[OsString]) -> io::Result<ExitCode> {
    let [node, root, program, args @ ..] = words else {
        return Err(io::Error::other("too few arguments"));
    };
    let said = |error: crate::Error| io::Error::other(error_chain(&error));
    let node = node.to_string_lossy();
    HostCgroups::detect()
        .map_err(said)?
        .rooted_group(&root.to_string_lossy())
        .of_node(&node)
        .join_leaf()
        .map_err(said)?;
    setns(
        std::fs::File::open(Path::new(NETWORK_FOLDER).join(&*node))?,
        CloneFlags::CLONE_NEWNET,
    )?;
    unshare(CloneFlags::CLONE_NEWUTS)?;
    sethostname(&*node)?;
    let why = Command::new(program).args(args).exec();
    Err(io::Error::other(format!(
        "failed to run `{}`: {why}",
        program.display()
    )))
}
