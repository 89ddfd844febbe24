//! The text of a table.

use super::*;

#[test]
fn the_text_of_one_policy() {
    let spec = json!({
        "podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress", "Egress"],
        "ingress": [{
            "from": [{"podSelector": {}}, {"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.128/25"]}}],
            "ports": [{"port": 5432}, {"port": 6000, "endPort": 6010}, {"protocol": "UDP", "port": 53}, {"protocol": "SCTP"}],
        }],
        "egress": [{"to": [{"namespaceSelector": {"matchLabels": {"team": "b"}}}]}],
    });
    let text = render_table(&compile_node(
        &state(&three(), &[policy("a", &spec)]),
        "node-1",
    ));
    assert_eq!(
        text,
        "{
  set peers-0 { type ipv4_addr; flags interval; elements = { 10.0.0.1-10.0.0.2, 192.0.2.0-192.0.2.127 }; }
  chain ingress-0 {
    ip saddr @peers-0 tcp dport { 5432, 6000-6010 } return
    ip saddr @peers-0 udp dport { 53 } return
    ip saddr @peers-0 meta l4proto sctp return
    drop
  }
  chain egress-0 {
    ip daddr 10.0.0.3 return
    drop
  }
  set itself { type ipv4_addr . ipv4_addr; elements = { 10.0.0.2 . 10.0.0.2 }; }
  map ingress { type ipv4_addr : verdict; elements = { 10.0.0.2 : jump ingress-0 }; }
  map egress { type ipv4_addr : verdict; elements = { 10.0.0.2 : jump egress-0 }; }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    iifname \"veth*\" fib saddr . iif oif missing drop
    ip saddr . ip daddr @itself accept
    ip saddr vmap @egress
    ip daddr vmap @ingress
  }
  chain input {
    type filter hook input priority filter; policy accept;
    ct state established,related accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    iifname \"veth*\" fib saddr . iif oif missing drop
    ip saddr vmap @egress
    iifname \"veth*\" ip6 saddr fe80::/10 drop
  }
}
"
    );
    nft_takes(&text);
}

#[test]
fn the_text_of_one_policy_where_pods_have_addresses_of_both_families() {
    let spec = json!({
        "podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress", "Egress"],
        "ingress": [{
            "from": [{"podSelector": {}}, {"ipBlock": {"cidr": "fd00:9::/64", "except": ["fd00:9::/65"]}}],
            "ports": [{"port": 5432}],
        }],
        "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}],
    });
    let table = compile_node(&state(&six(), &[policy("a", &spec)]), "node-1");
    assert_eq!(table.isolated, 1);
    let text = render_table(&table);
    assert_eq!(
        text,
        "{
  set peers-0 { type ipv6_addr; flags interval; elements = { fd00::1-fd00::2, fd00:9:0:0:8000::-fd00:9::ffff:ffff:ffff:ffff }; }
  chain ingress-0 {
    ip saddr 10.0.0.1-10.0.0.2 tcp dport { 5432 } return
    ip6 saddr @peers-0 tcp dport { 5432 } return
    drop
  }
  chain egress-0 {
    meta nfproto ipv4 return
    drop
  }
  set itself { type ipv4_addr . ipv4_addr; elements = { 10.0.0.2 . 10.0.0.2 }; }
  map ingress { type ipv4_addr : verdict; elements = { 10.0.0.2 : jump ingress-0 }; }
  map egress { type ipv4_addr : verdict; elements = { 10.0.0.2 : jump egress-0 }; }
  set itself6 { type ipv6_addr . ipv6_addr; elements = { fd00::2 . fd00::2 }; }
  map ingress6 { type ipv6_addr : verdict; elements = { fd00::2 : jump ingress-0 }; }
  map egress6 { type ipv6_addr : verdict; elements = { fd00::2 : jump egress-0 }; }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    iifname \"veth*\" fib saddr . iif oif missing drop
    ip saddr . ip daddr @itself accept
    ip6 saddr . ip6 daddr @itself6 accept
    ip saddr vmap @egress
    ip6 saddr vmap @egress6
    ip daddr vmap @ingress
    ip6 daddr vmap @ingress6
  }
  chain input {
    type filter hook input priority filter; policy accept;
    ct state established,related accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    iifname \"veth*\" fib saddr . iif oif missing drop
    ip saddr vmap @egress
    ip6 saddr vmap @egress6
    iifname \"veth*\" ip6 saddr fe80::/10 drop
  }
}
"
    );
    nft_takes(&text);
}
