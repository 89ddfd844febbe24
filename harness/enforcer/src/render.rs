//! What is in a table, in the words of nftables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;

use super::compile::{PolicyTable, PortSet};
use super::objects::PortProtocol;
use super::ranges::{NumberRanges, number_address};

/// A family of addresses, in nftables' words.
struct AddressFamily {
    /// What a rule's test of an address begins with.
    word: &'static str,
    kind: &'static str,
    name: &'static str,
    /// What is behind the names of its sets and maps.
    mark: &'static str,
    is_own: fn(&IpAddr) -> bool,
}

const BOTH_FAMILIES: [AddressFamily; 2] = [
    AddressFamily {
        word: "ip",
        kind: "ipv4_addr",
        name: "ipv4",
        mark: "",
        is_own: IpAddr::is_ipv4,
    },
    AddressFamily {
        word: "ip6",
        kind: "ipv6_addr",
        name: "ipv6",
        mark: "6",
        is_own: IpAddr::is_ipv6,
    },
];

/// Sets of addresses that rules share, by what is in them. None has addresses of two families.
#[derive(Default)]
struct AddressSets(BTreeMap<NumberRanges, usize>);

/// What comes after the table's name. Without any policy in the cluster, it is a table that looks
/// at no packet.
pub(crate) fn render_table(table: &PolicyTable) -> String {
    let mut sets = AddressSets::default();
    let mut chains = String::new();
    for (name, side, isolation) in [
        ("ingress", "saddr", &table.ingress),
        ("egress", "daddr", &table.egress),
    ] {
        for (number, allowed) in isolation.lists.iter().enumerate() {
            let _ = writeln!(chains, "  chain {name}-{number} {{");
            for (peers, ports) in allowed {
                for from in sets.matching(side, peers) {
                    protocol_tests(ports)
                        .iter()
                        .for_each(|ports| chains += &format!("    {from}{ports}return\n"));
                }
            }
            let _ = writeln!(chains, "    drop\n  }}");
        }
    }
    let mut text = "{\n".to_owned();
    text += &sets.set_text();
    text += &chains;
    text += &verdict_maps(table);
    text += &packet_hooks(table);
    text + "}\n"
}

impl AddressSets {
    /// A test of an address for each family, or one that everything passes.
    fn matching(&mut self, side: &str, peers: &NumberRanges) -> Vec<String> {
        if *peers == NumberRanges::all() {
            return vec![String::new()];
        }
        let parts = [
            (peers.of_ipv4(), NumberRanges::ipv4()),
            (peers.without(&NumberRanges::ipv4()), NumberRanges::ipv6()),
        ];
        let some = BOTH_FAMILIES
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
    fn among(&mut self, addresses: NumberRanges) -> String {
        if let (1, Some(ends)) = (addresses.iter().len(), addresses.iter().next()) {
            return render_range(ends, number_address);
        }
        let next = self.0.len();
        format!("@peers-{}", self.0.entry(addresses).or_insert(next))
    }

    fn set_text(&self) -> String {
        let set = |(peers, number): (&NumberRanges, &usize)| {
            let kind = if peers.of_ipv4().is_empty() {
                "ipv6_addr"
            } else {
                "ipv4_addr"
            };
            let elements = render_list(peers.iter().map(|ends| render_range(ends, number_address)));
            format!(
                "  set peers-{number} {{ type {kind}; flags interval; elements = {{ {elements} }}; }}\n"
            )
        };
        self.0.iter().map(set).collect()
    }
}

/// A test for each protocol; one that lets everything through where all is meant.
fn protocol_tests(ports: &PortSet) -> Vec<String> {
    let PortSet::Some(ports) = ports else {
        return vec![String::new()];
    };
    let one = |(protocol, ranges): (&PortProtocol, &NumberRanges)| {
        let name = match protocol {
            PortProtocol::Tcp => "tcp",
            PortProtocol::Udp => "udp",
            PortProtocol::Sctp => "sctp",
        };
        if *ranges == PortSet::every_port() {
            return format!("meta l4proto {name} ");
        }
        format!(
            "{name} dport {{ {} }} ",
            render_list(ranges.iter().map(|ends| render_range(ends, |end| end)))
        )
    };
    ports.iter().map(one).collect()
}

fn verdict_maps(table: &PolicyTable) -> String {
    let mut text = String::new();
    for AddressFamily {
        kind, mark, is_own, ..
    } in &BOTH_FAMILIES
    {
        let own: Vec<String> = isolated_addresses(table)
            .into_iter()
            .filter(is_own)
            .map(|pod| format!("{pod} . {pod}"))
            .collect();
        if !own.is_empty() {
            let own = render_list(own.into_iter());
            let _ = writeln!(
                text,
                "  set itself{mark} {{ type {kind} . {kind}; elements = {{ {own} }}; }}"
            );
        }
        for (name, isolation) in [("ingress", &table.ingress), ("egress", &table.egress)] {
            let pods = isolation.pods.iter().filter(|(pod, _)| is_own(pod));
            let jumps =
                render_list(pods.map(|(pod, number)| format!("{pod} : jump {name}-{number}")));
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

/// Where packets are looked at: after the addresses of Services have become those of pods, and
/// before the sender's address changes. What a node sends to its own pods passes neither.
///
/// What a pod sends under an address that is not its own is dropped: there is no way back to it.
fn packet_hooks(table: &PolicyTable) -> String {
    let known = "    ct state established,related accept\n";
    let forged = "    iifname \"veth*\" fib saddr . iif oif missing drop\n";
    let mut text = String::new();
    if table.is_guarded {
        text += "  chain forward {\n    type filter hook forward priority filter; policy accept;\n";
        text += &format!("{known}{forged}");
        text += &looked_up(isolated_addresses(table), |word, mark| {
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
    let there = BOTH_FAMILIES
        .iter()
        .filter(|family| pods.iter().any(family.is_own));
    there
        .map(|family| format!("    {}\n", rule(family.word, family.mark)))
        .collect()
}

/// The addresses of pods that are isolated.
fn isolated_addresses(table: &PolicyTable) -> BTreeSet<IpAddr> {
    table
        .ingress
        .pods
        .keys()
        .chain(table.egress.pods.keys())
        .copied()
        .collect()
}

fn render_list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn render_range<T: ToString>((first, last): (u128, u128), show: impl Fn(u128) -> T) -> String {
    let (from, to) = (show(first).to_string(), show(last).to_string());
    if first == last {
        from
    } else {
        format!("{from}-{to}")
    }
}
