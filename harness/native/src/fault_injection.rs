//! What can happen to a node of a box that is up. The first one is left alone: the API server is
//! beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::{NodeChange, ProcessChange, ProcessState};
use wait::WaitLook;

use crate::node::BoxNode;
use crate::{Error, RunningBox, net};

const NODE_STOPS_WITHIN: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// What a node consists of, but for its pods.
const NODE_PROCESSES: [&str; 4] = ["containerd", "kubelet", "kube-proxy", "network-policy"];

impl RunningBox {
    /// Does something to a node, and returns when it is done. What the API
    /// server says about the node follows in its own time.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`] for the first node and for one that the box does not have; a kernel
    /// that cannot freeze a control group of version 2; a box that has ended.
    pub fn command_node(&self, change: &NodeChange) -> Result<(), Error> {
        let name = change.name();
        let is_it = |node: &BoxNode| {
            node.name() == name && self.process_status(&node.own_name("kubelet")).is_some()
        };
        let node = BoxNode::further_nodes(crate::MOST_NODES).find(is_it);
        let node = node.ok_or_else(|| Error::NoSuchNode {
            name: self.name.clone(),
            node: name.to_owned(),
        })?;
        let is_apart = match change {
            NodeChange::CutOff(_) => self.set_link(node, "down").map(|()| true),
            NodeChange::Rejoin(_) => self.set_link(node, "up").map(|()| false),
            NodeChange::Freeze(_) => self.freeze_node(node, true).map(|()| true),
            NodeChange::Thaw(_) => self.freeze_node(node, false).map(|()| false),
            NodeChange::Kill(_) => self.kill_node(node).map(|()| true),
            NodeChange::Start(_) => self
                .each_process(node, ProcessChange::Start)
                .map(|()| false),
        }?;
        self.later.note_enforced(node.name(), is_apart);
        Ok(())
    }

    fn set_link(&self, node: BoxNode, state: &str) -> Result<(), Error> {
        net::run_within(&self.network_path(), || {
            net::run_ip(&[format!("link set {} {state}", node.name())])
        })
    }

    fn freeze_node(&self, node: BoxNode, frozen: bool) -> Result<(), Error> {
        let group = self.node_group(node)?;
        write_file(&group.join("cgroup.freeze"), if frozen { "1" } else { "0" })?;
        let (events, wanted) = (
            group.join("cgroup.events"),
            format!("frozen {}", u8::from(frozen)),
        );
        let waited = wait::wait_until(
            &format!("`{}` to halt or go on", node.name()),
            NODE_STOPS_WITHIN,
            POLL_INTERVAL,
            || {
                let said = fs::read_to_string(&events).unwrap_or_default();
                if said.lines().any(|line| line == wanted) {
                    WaitLook::Ready(())
                } else {
                    WaitLook::NotYet(said)
                }
            },
        );
        Ok(waited?)
    }

    /// The processes that the box minds are told first, so that it expects their ends.
    fn kill_node(&self, node: BoxNode) -> Result<(), Error> {
        self.each_process(node, ProcessChange::Kill)?;
        for process in self.node_processes(node) {
            wait::wait_until(
                &format!("`{process}` to end"),
                NODE_STOPS_WITHIN,
                POLL_INTERVAL,
                || match self.process_status(&process) {
                    Some(life) if !matches!(life.state, ProcessState::Ended { .. }) => {
                        WaitLook::NotYet(format!("{:?}", life.state))
                    }
                    _ => WaitLook::Ready(()),
                },
            )?;
        }
        let group = self.node_group(node)?;
        write_file(&group.join("cgroup.kill"), "1")?;
        self.freeze_node(node, false)?;
        let waited = wait::wait_until(
            &format!("the processes of `{}` to end", node.name()),
            NODE_STOPS_WITHIN,
            POLL_INTERVAL,
            || {
                let said = fs::read_to_string(group.join("cgroup.events")).unwrap_or_default();
                if said.lines().any(|line| line == "populated 0") {
                    WaitLook::Ready(())
                } else {
                    WaitLook::NotYet(said)
                }
            },
        );
        Ok(waited?)
    }

    fn each_process(
        &self,
        node: BoxNode,
        change: fn(String) -> ProcessChange,
    ) -> Result<(), Error> {
        self.node_processes(node)
            .try_for_each(|process| self.control_process(&change(process)))
    }

    fn node_processes(&self, node: BoxNode) -> impl Iterator<Item = String> {
        NODE_PROCESSES
            .into_iter()
            .map(move |process| node.own_name(process))
            .filter(|process| self.process_status(process).is_some())
    }

    /// The node's control group in the tree of version 2, which every host has whose kernel can
    /// freeze what it can still kill.
    fn node_group(&self, node: BoxNode) -> Result<PathBuf, Error> {
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

fn write_file(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::file("write", path))
}
