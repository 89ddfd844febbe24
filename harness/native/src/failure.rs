//! What can happen to a node of a box that is up. The first one is left alone: the API server is beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wait::Look;

use crate::node::Node;
use crate::{Error, ProcessCommand, Running, State, net};

const PATIENCE: Duration = Duration::from_secs(20);
const EVERY: Duration = Duration::from_millis(5);

/// What a node consists of, but for its pods.
const PROCESSES: [&str; 4] = ["containerd", "kubelet", "kube-proxy", "network-policy"];

/// What happens to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeCommand {
    /// Its link to the other nodes goes down. Its pods run on, and reach each other.
    CutOff,
    /// The link is up again.
    Rejoin,
    /// All of its processes halt, its pods' included.
    Freeze,
    /// They go on.
    Thaw,
    /// All of its processes end at once (SIGKILL), its pods' included.
    Kill,
    /// After that, it starts again; its kubelet starts the pods that are still meant to run there.
    Start,
}

impl Running {
    /// Does something to a node, given by its name, and returns when it is done. What the API server says about the node
    /// follows in its own time.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`] for the first node and for one that the box does not have; a kernel that cannot freeze a
    /// control group of version 2; a box that has ended.
    pub fn node(&self, name: &str, what: NodeCommand) -> Result<(), Error> {
        let is_it = |node: &Node| node.name() == name && self.life(&node.own("kubelet")).is_some();
        let node = Node::further(crate::MOST_NODES).find(is_it);
        let node = node.ok_or_else(|| Error::NoSuchNode {
            name: self.name.clone(),
            node: name.to_owned(),
        })?;
        match what {
            NodeCommand::CutOff => self.link(node, "down"),
            NodeCommand::Rejoin => self.link(node, "up"),
            NodeCommand::Freeze => self.freeze(node, true),
            NodeCommand::Thaw => self.freeze(node, false),
            NodeCommand::Kill => self.kill_node(node),
            NodeCommand::Start => self.each(node, ProcessCommand::Start),
        }?;
        self.later.apart(
            node.name(),
            matches!(
                what,
                NodeCommand::CutOff | NodeCommand::Freeze | NodeCommand::Kill
            ),
        );
        Ok(())
    }

    fn link(&self, node: Node, state: &str) -> Result<(), Error> {
        net::within(&self.network(), || {
            net::ip(&[format!("link set {} {state}", node.name())])
        })
    }

    fn freeze(&self, node: Node, frozen: bool) -> Result<(), Error> {
        let group = self.group(node)?;
        write(&group.join("cgroup.freeze"), if frozen { "1" } else { "0" })?;
        let (events, wanted) = (
            group.join("cgroup.events"),
            format!("frozen {}", u8::from(frozen)),
        );
        let waited = wait::until(
            &format!("`{}` to halt or go on", node.name()),
            PATIENCE,
            EVERY,
            || {
                let said = fs::read_to_string(&events).unwrap_or_default();
                if said.lines().any(|line| line == wanted) {
                    Look::Ready(())
                } else {
                    Look::NotYet(said)
                }
            },
        );
        Ok(waited?)
    }

    /// The processes that the box minds are told first, so that their ends surprise nobody.
    fn kill_node(&self, node: Node) -> Result<(), Error> {
        self.each(node, ProcessCommand::Kill)?;
        for process in self.processes(node) {
            wait::until(
                &format!("`{process}` to end"),
                PATIENCE,
                EVERY,
                || match self.life(&process) {
                    Some(life) if !matches!(life.state, State::Ended { .. }) => {
                        Look::NotYet(format!("{:?}", life.state))
                    }
                    _ => Look::Ready(()),
                },
            )?;
        }
        let group = self.group(node)?;
        write(&group.join("cgroup.kill"), "1")?;
        self.freeze(node, false)?;
        let waited = wait::until(
            &format!("the processes of `{}` to end", node.name()),
            PATIENCE,
            EVERY,
            || {
                let said = fs::read_to_string(group.join("cgroup.events")).unwrap_or_default();
                if said.lines().any(|line| line == "populated 0") {
                    Look::Ready(())
                } else {
                    Look::NotYet(said)
                }
            },
        );
        Ok(waited?)
    }

    fn each(&self, node: Node, what: ProcessCommand) -> Result<(), Error> {
        self.processes(node)
            .try_for_each(|process| self.control(&process, what))
    }

    fn processes(&self, node: Node) -> impl Iterator<Item = String> {
        PROCESSES
            .into_iter()
            .map(move |process| node.own(process))
            .filter(|process| self.life(process).is_some())
    }

    /// The node's control group in the tree of version 2, which every host has whose kernel can freeze what it can still
    /// kill.
    fn group(&self, node: Node) -> Result<PathBuf, Error> {
        let groups = self.cgroups.iter().map(|dir| dir.join(node.name()));
        let found = groups
            .into_iter()
            .find(|dir| dir.join("cgroup.freeze").exists());
        found.ok_or_else(|| Error::System {
            doing: format!("find the control group of `{}`", node.name()),
            source: std::io::Error::other("no tree of version 2 is mounted"),
        })
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::file("write", path))
}
