//! What is in a table, in the words of nftables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;

use super::compile::{Ports, Table};
use super::objects::Protocol;
use super::ranges::{Ranges, address};

/// A family of addresses, in nftables' words.
struct Family {
    /// What a rule's test of an address begins with.
    word: &'static str,
    kind: &'static str,
    name: &'static str,
    /// What is behind the names of its sets and maps.
    mark: &'static str,
    is_own: fn(&IpAddr) -> bool,
}

const FAMILIES: [Family; 2] = [
    Family {
        word: "ip",
        kind: "ipv4_addr",
        name: "ipv4",
        mark: "",
        is_own: IpAddr::is_ipv4,
    },
    Family {
        word: "ip6",
        kind: "ipv6_addr",
        name: "ipv6",
        mark: "6",
        is_own: IpAddr::is_ipv6,
    },
];

/// Sets of addresses that rules share, by what is in them. None has addresses of two families.
#[derive(Default)]
struct Sets(BTreeMap<Ranges, usize>);

/// What comes after the table's name. Without any policy in the cluster, it is a table that looks at no packet.
pub(crate) fn render(table: &Table) -> String {
    let mut sets = Sets::default();
    let mut chains = String::new();
    for (name, side, isolation) in [
        ("ingress", "saddr", &table.ingress),
        ("egress", "daddr", &table.egress),
    ] {
        for (number, allowed) in isolation.lists.iter().enumerate() {
            let _ = writeln!(chains, "  chain {name}-{number} {{");
            for (peers, ports) in allowed {
                for from in sets.matching(side, peers) {
                    protocols(ports)
                        .iter()
                        .for_each(|ports| chains += &format!("    {from}{ports}return\n"));
                }
            }
            let _ = writeln!(chains, "    drop\n  }}");
        }
    }
    let mut text = "{\n".to_owned();
    text += &sets.text();
    text += &chains;
    text += &maps(table);
    text += &hooks(table);
    text + "}\n"
}

impl Sets {
    /// A test of an address for each family, or one that everything passes.
    fn matching(&mut self, side: &str, peers: &Ranges) -> Vec<String> {
        if *peers == Ranges::all() {
            return vec![String::new()];
        }
        let parts = [
            (peers.of_ipv4(), Ranges::ipv4()),
            (peers.without(&Ranges::ipv4()), Ranges::ipv6()),
        ];
        let some = FAMILIES
            .iter()
            .zip(parts)
            .filter(|(_, (part, _))| !part.is_empty());
        some.map(|(family, (part, whole))| match part == whole {
            true => format!("meta nfproto {} ", family.name),
            false => format!("{} {side} {} ", family.word, self.among(part)),
        })
        .collect()
    }

    /// What stands for these addresses, all of one family.
    fn among(&mut self, addresses: Ranges) -> String {
        if let (1, Some(ends)) = (addresses.iter().len(), addresses.iter().next()) {
            return range(ends, address);
        }
        let next = self.0.len();
        format!("@peers-{}", self.0.entry(addresses).or_insert(next))
    }

    fn text(&self) -> String {
        let set = |(peers, number): (&Ranges, &usize)| {
            let kind = if peers.of_ipv4().is_empty() {
                "ipv6_addr"
            } else {
                "ipv4_addr"
            };
            let elements = list(peers.iter().map(|ends| range(ends, address)));
            format!(
                "  set peers-{number} {{ type {kind}; flags interval; elements = {{ {elements} }}; }}\n"
            )
        };
        self.0.iter().map(set).collect()
    }
}

/// A test for each protocol; one that lets everything through where all is meant.
fn protocols(ports: &Ports) -> Vec<String> {
    let Ports::Some(ports) = ports else {
        return vec![String::new()];
    };
    let one = |(protocol, ranges): (&Protocol, &Ranges)| {
        let name = match protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        };
        if *ranges == Ports::every() {
            return format!("meta l4proto {name} ");
        }
        format!(
            "{name} dport {{ {} }} ",
            list(ranges.iter().map(|ends| range(ends, |end| end)))
        )
    };
    ports.iter().map(one).collect()
}

fn maps(table: &Table) -> String {
    let mut text = String::new();
    for Family {
        kind, mark, is_own, ..
    } in &FAMILIES
    {
        let own: Vec<String> = isolated(table)
            .into_iter()
            .filter(is_own)
            .map(|pod| format!("{pod} . {pod}"))
            .collect();
        if !own.is_empty() {
            let own = list(own.into_iter());
            let _ = writeln!(
                text,
                "  set itself{mark} {{ type {kind} . {kind}; elements = {{ {own} }}; }}"
            );
        }
        for (name, isolation) in [("ingress", &table.ingress), ("egress", &table.egress)] {
            let pods = isolation.pods.iter().filter(|(pod, _)| is_own(pod));
            let jumps = list(pods.map(|(pod, number)| format!("{pod} : jump {name}-{number}")));
            if !jumps.is_empty() {
                let _ = writeln!(
                    text,
                    "  map {name}{mark} {{ type {kind} : verdict; elements = {{ {jumps} }}; }}"
                );
            }
        }
    }
    text
}

/// Where packets are looked at: after the addresses of Services have become those of pods, and before the sender's
/// address changes. What a node sends to its own pods passes neither.
///
/// What a pod sends under an address that is not its own is dropped: there is no way back to it.
fn hooks(table: &Table) -> String {
    let known = "    ct state established,related accept\n";
    let forged = "    iifname \"veth*\" fib saddr . iif oif missing drop\n";
    let mut text = String::new();
    if table.is_guarded {
        text += "  chain forward {\n    type filter hook forward priority filter; policy accept;\n";
        text += &format!("{known}{forged}");
        text += &looked_up(isolated(table), |word, mark| {
            format!("{word} saddr . {word} daddr @itself{mark} accept")
        });
        text += &looked_up(table.egress.pods.keys().copied(), |word, mark| {
            format!("{word} saddr vmap @egress{mark}")
        });
        text += &looked_up(table.ingress.pods.keys().copied(), |word, mark| {
            format!("{word} daddr vmap @ingress{mark}")
        });
        text += "  }\n";
    }
    if !table.egress.pods.is_empty() {
        text += "  chain input {\n    type filter hook input priority filter; policy accept;\n";
        // Without these a pod does not find its node, as without ARP.
        text += &format!(
            "{known}    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept\n{forged}"
        );
        text += &looked_up(table.egress.pods.keys().copied(), |word, mark| {
            format!("{word} saddr vmap @egress{mark}")
        });
        // Which pod it is cannot be told: an address of a link is its own choice.
        text += "    iifname \"veth*\" ip6 saddr fe80::/10 drop\n  }\n";
    }
    text
}

/// A rule for each family that these addresses are of.
fn looked_up(
    pods: impl IntoIterator<Item = IpAddr>,
    rule: impl Fn(&str, &str) -> String,
) -> String {
    let pods: Vec<IpAddr> = pods.into_iter().collect();
    let there = FAMILIES
        .iter()
        .filter(|family| pods.iter().any(family.is_own));
    there
        .map(|family| format!("    {}\n", rule(family.word, family.mark)))
        .collect()
}

/// The addresses of pods that are isolated.
fn isolated(table: &Table) -> BTreeSet<IpAddr> {
    table
        .ingress
        .pods
        .keys()
        .chain(table.egress.pods.keys())
        .copied()
        .collect()
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn range<T: ToString>((first, last): (u128, u128), show: impl Fn(u128) -> T) -> String {
    let (from, to) = (show(first).to_string(), show(last).to_string());
    if first == last {
        from
    } else {
        format!("{from}-{to}")
    }
}
