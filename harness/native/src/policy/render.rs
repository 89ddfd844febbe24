//! A table in the words of nftables: one text, which takes the place of the whole table before it in one transaction.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv4Addr;

use super::compile::{Isolation, Ports, Table};
use super::objects::Protocol;
use super::ranges::Ranges;

/// The table's name.
pub(super) const TABLE: &str = "inet gauntlet-network-policy";

/// Sets of addresses that rules share, by what is in them.
#[derive(Default)]
struct Sets(BTreeMap<Ranges, usize>);

/// The whole text. A node without isolated pods has a table that looks at no packet.
pub(super) fn render(table: &Table) -> String {
    let mut sets = Sets::default();
    let mut chains = String::new();
    for (name, side, isolation) in [("ingress", "saddr", &table.ingress), ("egress", "daddr", &table.egress)] {
        for (number, allowed) in isolation.lists.iter().enumerate() {
            let _ = writeln!(chains, "  chain {name}-{number} {{");
            for (peers, ports) in allowed {
                let from = sets.matching(side, peers);
                protocols(ports).iter().for_each(|ports| chains += &format!("    {from}{ports}return\n"));
            }
            let _ = writeln!(chains, "    drop\n  }}");
        }
    }
    let mut text = format!("table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n");
    text += &sets.text();
    text += &chains;
    text += &maps(table);
    text += &hooks(table);
    text + "}\n"
}

impl Sets {
    /// A test of an address, or nothing where every address is meant.
    fn matching(&mut self, side: &str, peers: &Ranges) -> String {
        if *peers == Ranges::all() {
            return String::new();
        }
        if let (1, Some(ends)) = (peers.iter().len(), peers.iter().next()) {
            return format!("ip {side} {} ", range(ends, Ipv4Addr::from_bits));
        }
        let next = self.0.len();
        let number = self.0.entry(peers.clone()).or_insert(next);
        format!("ip {side} @peers-{number} ")
    }

    fn text(&self) -> String {
        let set = |(peers, number): (&Ranges, &usize)| {
            let elements = list(peers.iter().map(|ends| range(ends, Ipv4Addr::from_bits)));
            format!("  set peers-{number} {{ type ipv4_addr; flags interval; elements = {{ {elements} }}; }}\n")
        };
        self.0.iter().map(set).collect()
    }
}

/// A test for each protocol; one that lets everything through where all is meant.
fn protocols(ports: &Ports) -> Vec<String> {
    let Ports::Some(ports) = ports else { return vec![String::new()] };
    let one = |(protocol, ranges): (&Protocol, &Ranges)| {
        let name = match protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        };
        if *ranges == Ports::every() {
            return format!("meta l4proto {name} ");
        }
        format!("{name} dport {{ {} }} ", list(ranges.iter().map(|ends| range(ends, |end| end))))
    };
    ports.iter().map(one).collect()
}

fn maps(table: &Table) -> String {
    let mut text = String::new();
    let own: Vec<String> = isolated(table).map(|pod| format!("{pod} . {pod}")).collect();
    if !own.is_empty() {
        let own = list(own.into_iter());
        let _ = writeln!(text, "  set itself {{ type ipv4_addr . ipv4_addr; elements = {{ {own} }}; }}");
    }
    for (name, isolation) in [("ingress", &table.ingress), ("egress", &table.egress)] {
        if !isolation.pods.is_empty() {
            let jumps = list(isolation.pods.iter().map(|(pod, number)| format!("{pod} : jump {name}-{number}")));
            let _ = writeln!(text, "  map {name} {{ type ipv4_addr : verdict; elements = {{ {jumps} }}; }}");
        }
    }
    text
}

/// Where packets are looked at: after the addresses of Services have become those of pods, and before the sender's
/// address changes. What a node sends to its own pods passes neither.
fn hooks(table: &Table) -> String {
    let is_there = |isolation: &Isolation| !isolation.pods.is_empty();
    let (ingress, egress) = (is_there(&table.ingress), is_there(&table.egress));
    let mut text = String::new();
    if ingress || egress {
        text += "  chain forward {\n    type filter hook forward priority filter; policy accept;\n";
        text += "    ct state established,related accept\n    ip saddr . ip daddr @itself accept\n";
        text += if egress { "    ip saddr vmap @egress\n" } else { "" };
        text += if ingress { "    ip daddr vmap @ingress\n" } else { "" };
        text += "  }\n";
    }
    if egress {
        text += "  chain input {\n    type filter hook input priority filter; policy accept;\n";
        text += "    ct state established,related accept\n    ip saddr vmap @egress\n";
        // Which pod it is cannot be told: its address is its own choice.
        text += "    iifname \"veth*\" meta nfproto ipv6 drop\n  }\n";
    }
    text
}

/// The pods that are isolated, in order.
pub(super) fn isolated(table: &Table) -> impl Iterator<Item = Ipv4Addr> {
    let mut pods: Vec<Ipv4Addr> = table.ingress.pods.keys().chain(table.egress.pods.keys()).copied().collect();
    pods.sort_unstable();
    pods.dedup();
    pods.into_iter()
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn range<T: ToString>((first, last): (u32, u32), show: impl Fn(u32) -> T) -> String {
    let (from, to) = (show(first).to_string(), show(last).to_string());
    if first == last { from } else { format!("{from}-{to}") }
}
