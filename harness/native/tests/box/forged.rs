//! Packets under an address that is another's. A container that has CAP_NET_RAW, as they do by
//! default, can send such.

use model::ClusterSpec;

use crate::host::expect_nothing;
use crate::lives::{cache, name};
use crate::network::{NO_REPLY, Site};

/// Lets clients in, and no other pods.
const CLIENTS: &str = r#"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: server, namespace: default}
spec:
  podSelector: {matchLabels: {app: server}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]
"#;

const STRANGER: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: stranger, namespace: default, labels: {app: stranger}}
spec: {nodeName: node-1, containers: [{name: c, image: "gauntlet.local/probe:1"}]}
"#;

/// Which network of the box is the pod's, found by its address: `network_of ADDRESS`.
const NETWORK_OF: &str = r#"
network_of() {
  for one in $(ip netns list | cut -d' ' -f1); do
    if ip -n "$one" addr show dev eth0 2>/dev/null | grep -qF " $1/"; then echo "$one"; return; fi
  done
  echo "nobody has $1" >&2; exit 1
}
set -e
"#;

/// Counts the datagrams that come in at a pod.
const COUNT: &str = r#"
ip netns exec $(network_of SERVER) nft -f - <<END
table inet count {
  chain input { type filter hook input priority 0; udp dport 8080 counter; }
}
END
"#;

const COUNTED: &str = r"
ip netns exec $(network_of SERVER) nft list table inet count | sed -n 's/.*counter packets \([0-9]*\).*/\1/p'
";

/// A datagram from the stranger's network, as if it came from another address; the answer is lost.
const FORGE: &str = r"
network=$(network_of STRANGER)
ip -n $network addr add OTHER/LENGTH dev eth0 NODAD
way=$(ip -n $network FAMILY route show default | head -n1)
ip -n $network FAMILY route replace $way src OTHER
ip netns exec $network /run/gauntlet/images/probe reach --timeout 300 udp://AT:8080 || true
ip -n $network FAMILY route replace $way
ip -n $network addr del OTHER/LENGTH dev eth0
";

impl Site {
    fn shell(&self, script: &str) -> String {
        let output = self
            .0
            .enter_command()
            .args(["sh", "-c", &format!("{NETWORK_OF}{script}")])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{script}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn counted(&self, server: &str) -> u32 {
        self.shell(&COUNTED.replace("SERVER", server))
            .trim()
            .parse()
            .unwrap()
    }

    /// An address of a pod, of one family.
    fn at(&self, pod: &str, is_six: bool) -> String {
        let all = self.on(&["get", "pod", pod, "-o", "jsonpath={.status.podIPs[*].ip}"]);
        all.split(' ')
            .find(|address| address.contains(':') == is_six)
            .unwrap()
            .to_owned()
    }
}

pub(crate) fn forged_packets_go_nowhere() {
    let name = name("forged");
    let site = Site::of(
        &name,
        ClusterSpec {
            enforce_network_policy: true,
            dual_stack: true,
            ..ClusterSpec::default()
        },
    );
    site.apply(STRANGER);
    site.on(&[
        "wait",
        "--for=condition=Ready",
        "pod/stranger",
        "--timeout=60s",
    ]);
    site.shell(&COUNT.replace("SERVER", &site.at("server", false)));
    for is_enforced in [false, true] {
        if is_enforced {
            site.enforce(CLIENTS, "server");
        }
        for (is_six, family, length, no_dad) in
            [(false, "-4", "32", ""), (true, "-6", "128", "nodad")]
        {
            let [server, client, stranger] =
                ["server", "client", "stranger"].map(|pod| site.at(pod, is_six));
            let at = if is_six {
                format!("[{server}]")
            } else {
                server
            };
            let own = site.at("server", false);
            let forge = FORGE
                .replace("STRANGER", &stranger)
                .replace("OTHER", &client)
                .replace("AT", &at);
            let forge = forge
                .replace("FAMILY", family)
                .replace("LENGTH", length)
                .replace("NODAD", no_dad);
            let before = site.counted(&own);
            site.shell(&forge);
            let forged = site.counted(&own) - before;
            assert_eq!(
                forged == 0,
                is_enforced,
                "{forged} datagrams came in under {client}"
            );
            let target = [format!("udp://{at}:8080")];
            let stranger_is = if is_enforced { NO_REPLY } else { "reached" };
            assert_eq!(
                (
                    site.reach("client", &target),
                    site.reach("stranger", &target)
                ),
                (vec!["reached".to_owned()], vec![stranger_is.to_owned()])
            );
        }
    }
    site.0.take_down().unwrap();
    expect_nothing(&cache(), &name);
}
