//! The nodes of a box. The first is the box's own network; each further one has a network, a
//! control group, a runtime and a kubelet.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::places::NODE_INTERFACE;

/// The most nodes that a box has.
pub const MOST_NODES: u8 = 3;

/// Where networks have names.
pub(crate) const NETWORK_FOLDER: &str = "/run/netns";

/// A node, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoxNode(u8);

impl BoxNode {
    /// The one beside the API server.
    pub(crate) const FIRST: Self = Self(1);

    /// The nodes of a box with `count` nodes.
    pub(crate) fn all_nodes(count: u8) -> impl Iterator<Item = Self> + Clone {
        (1..=count.min(MOST_NODES)).map(Self)
    }

    /// Those of them that have their own network.
    pub(crate) fn further_nodes(count: u8) -> impl Iterator<Item = Self> + Clone {
        Self::all_nodes(count).skip(1)
    }

    pub(crate) fn is_first(self) -> bool {
        self == Self::FIRST
    }

    /// Its name in the cluster, and its network's.
    pub(crate) fn name(self) -> String {
        format!("node-{}", self.0)
    }

    pub(crate) fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 88, 0, self.0)
    }

    /// Where its pods get their addresses from: the next /20 of 10.244.0.0/16.
    pub(crate) fn pod_range(self) -> String {
        format!("10.244.{}.0/20", 16 * (self.0 - 1))
    }

    /// Its address of IPv6, in a box that has both families.
    pub(crate) fn address_6(self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd00, 0x10, 0x88, 0, 0, 0, 0, self.0.into())
    }

    /// Where its pods get those of IPv6 from: the next /64 of fd00:10:244::/48.
    pub(crate) fn pods_6(self) -> String {
        format!("fd00:10:244:{:x}::/64", self.0 - 1)
    }

    /// What this node has under a name that is the first node's.
    pub(crate) fn own_name(self, name: &str) -> String {
        if self.is_first() {
            name.to_owned()
        } else {
            format!("{name}-{}", self.0)
        }
    }

    /// Its network, inside the box.
    pub(crate) fn network_path(self) -> PathBuf {
        Path::new(NETWORK_FOLDER).join(self.name())
    }

    /// What joins it to the others: commands in the first node's network.
    pub(crate) fn join_commands(self) -> [String; 3] {
        let name = self.name();
        [
            format!("netns add {name}"),
            format!("link add {name} type veth peer name {NODE_INTERFACE} netns {name}"),
            format!("link set {name} master {NODE_INTERFACE} up"),
        ]
    }

    /// Commands in its own network, in a box of `count` nodes.
    pub(crate) fn inside_commands(self, count: u8, dual_stack: bool) -> Vec<String> {
        let mut commands = vec!["link set lo up".to_owned()];
        commands.extend(self.address_commands(count, dual_stack));
        commands
    }

    /// Commands that give its interface its addresses, and it the way to the others' pods.
    pub(crate) fn address_commands(self, count: u8, dual_stack: bool) -> Vec<String> {
        let mut commands = vec![format!(
            "addr add {}/24 dev {NODE_INTERFACE}",
            self.address()
        )];
        commands.extend(
            dual_stack.then(|| format!("addr add {}/64 dev {NODE_INTERFACE}", self.address_6())),
        );
        commands.push(format!("link set {NODE_INTERFACE} up"));
        commands.push(format!("route add default dev {NODE_INTERFACE}"));
        commands.extend(dual_stack.then(|| format!("route add ::/0 dev {NODE_INTERFACE}")));
        for other in Self::all_nodes(count).filter(|other| *other != self) {
            commands.push(format!(
                "route add {} via {}",
                other.pod_range(),
                other.address()
            ));
            commands.extend(
                dual_stack
                    .then(|| format!("route add {} via {}", other.pods_6(), other.address_6())),
            );
        }
        commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_node_keeps_its_names_and_the_others_have_their_number() {
        let names: Vec<String> = BoxNode::all_nodes(3)
            .map(|node| node.own_name("kubelet"))
            .collect();
        assert_eq!(names, ["kubelet", "kubelet-2", "kubelet-3"]);
        assert_eq!(BoxNode::all_nodes(9).count(), usize::from(MOST_NODES));
        assert_eq!(BoxNode::further_nodes(1).count(), 0);
    }

    #[test]
    fn every_nodes_pods_are_reached_by_its_address() {
        let [_, second, third] = [0, 1, 2].map(|at| BoxNode::all_nodes(3).nth(at).unwrap());
        assert!(
            BoxNode::FIRST
                .address_commands(3, false)
                .contains(&"route add 10.244.16.0/20 via 10.88.0.2".to_owned())
        );
        let inside = second.inside_commands(3, false);
        assert!(inside.contains(&"addr add 10.88.0.2/24 dev node".to_owned()));
        assert!(inside.contains(&"route add 10.244.0.0/20 via 10.88.0.1".to_owned()));
        assert!(inside.contains(&"route add 10.244.32.0/20 via 10.88.0.3".to_owned()));
        assert!(!inside.iter().any(|line| line.contains(&second.pod_range())));
        let both = second.inside_commands(3, true);
        assert!(
            inside.iter().all(|line| both.contains(line))
                && !inside.iter().any(|line| line.contains("fd00"))
        );
        assert!(both.contains(&"addr add fd00:10:88::2/64 dev node".to_owned()));
        assert!(both.contains(&"route add fd00:10:244:2::/64 via fd00:10:88::3".to_owned()));
        assert_eq!(third.network_path(), Path::new("/run/netns/node-3"));
    }
}
