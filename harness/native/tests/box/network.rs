//! NetworkPolicies, enforced.

mod further_nodes;

pub(crate) use further_nodes::{an_enforcer_that_dies_is_reported, every_node_enforces};

use std::path::Path;
use std::time::Duration;

use model::{ClusterSpec, NodeChange, ProcessChange, ProcessState, ProcessStatus};
use native::RunningBox;
use probe_protocol::{ProbeReport, WatchLine};
use wait::WaitLook;

use crate::control::{expect_life, expect_ready, has_ended};
use crate::host::{expect_nothing, kill_process, kubectl, processes};
use crate::lives::{cache, name, start};

const PODS: &str = r#"
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: server, namespace: default, labels: {app: server}}
  spec:
    nodeName: LAST
    containers:
    - name: c
      image: "gauntlet.local/probe:1"
      args: [listen, "tcp:8080", "tcp:8081", "udp:8080"]
      ports: [{name: front, containerPort: 8080}]
- apiVersion: v1
  kind: Pod
  metadata: {name: client, namespace: default, labels: {app: client}}
  spec: {nodeName: node-1, containers: [{name: c, image: "gauntlet.local/probe:1"}]}
- apiVersion: v1
  kind: Service
  metadata: {name: server, namespace: default}
  spec: {selector: {app: server}, ports: [{port: 80, targetPort: 8080}]}
"#;

/// Lets clients in, by the port's name, over TCP.
const LET_IN: &str = r#"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: server, namespace: default}
spec:
  podSelector: {matchLabels: {app: server}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: front}]}]
"#;

/// A pod that tries to get out from its first moment on, and a policy that has been there before
/// it.
const LATE: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: late, namespace: default, labels: {app: late}}
spec:
  restartPolicy: Never
  containers:
  - {name: c, image: "gauntlet.local/probe:1", args: [watch, --every, "1", --timeout, "200", --for, "1500", TARGET]}
"#;

fn deny(app: &str, direction: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {app}, namespace: default}}\n\
         spec: {{podSelector: {{matchLabels: {{app: {app}}}}}, policyTypes: [{direction}]}}\n"
    )
}

pub(crate) struct Site(pub(crate) RunningBox);

impl Site {
    fn start(name: &str, nodes: u8) -> Self {
        Self::of(
            name,
            ClusterSpec {
                enforce_network_policy: true,
                nodes,
                ..ClusterSpec::default()
            },
        )
    }

    /// The client is on the first node, the server on the last.
    pub(crate) fn of(name: &str, cluster: ClusterSpec) -> Self {
        let nodes = cluster.nodes;
        let site = Self(start(name, cluster));
        site.apply(&PODS.replace("LAST", &format!("node-{nodes}")));
        site.on(&[
            "wait",
            "--for=condition=Ready",
            "pod/server",
            "pod/client",
            "--timeout=60s",
        ]);
        site
    }

    pub(crate) fn on(&self, args: &[&str]) -> String {
        kubectl(&cache(), &self.0, args).unwrap()
    }

    pub(crate) fn apply(&self, manifests: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), manifests).unwrap();
        self.on(&["apply", "-f", &file.path().display().to_string()]);
    }

    /// Applies a policy, and waits until every node says that it is in force.
    pub(crate) fn enforce(&self, manifest: &str, name: &str) {
        self.apply(manifest);
        let version = self.on(&[
            "get",
            "networkpolicy",
            name,
            "-o",
            "jsonpath={.metadata.resourceVersion}",
        ]);
        let version: u64 = version.parse().unwrap();
        self.expect("the policy to be in force", |seen| {
            seen.network_policies >= version
        });
    }

    fn expect(&self, what: &str, wanted: impl Fn(&native::SeenVersions) -> bool) {
        let waited = wait::wait_until(
            what,
            Duration::from_secs(30),
            Duration::from_millis(2),
            || {
                let told = self.0.network_policy().unwrap().unwrap();
                if told.iter().all(|node| wanted(&node.seen)) {
                    WaitLook::Ready(())
                } else {
                    WaitLook::NotYet(format!("{told:?}"))
                }
            },
        );
        waited.unwrap();
    }

    fn address(&self, pod: &str) -> String {
        self.on(&["get", "pod", pod, "-o", "jsonpath={.status.podIP}"])
    }

    /// For each target whether it is reached, and where it ends if not.
    pub(crate) fn reach(&self, pod: &str, targets: &[String]) -> Vec<String> {
        let words = ["exec", pod, "--", "/probe", "reach", "--timeout", "400"];
        let words: Vec<&str> = words
            .into_iter()
            .chain(targets.iter().map(String::as_str))
            .collect();
        outcomes(&self.on(&words))
    }
}

fn outcomes(lines: &str) -> Vec<String> {
    let one = |line: &str| match ProbeReport::read(line.as_bytes()).unwrap().end {
        Ok(()) => "reached".to_owned(),
        Err(blocked) => format!("{:?}: {}", blocked.at, blocked.reason),
    };
    lines.lines().map(one).collect()
}

const SILENT: &str = "Connect: timed-out";
pub(crate) const NO_REPLY: &str = "Reply: timed-out";

pub(crate) fn policies_are_enforced() {
    let name = name("policy");
    let site = Site::start(&name, 1);
    let (server, client) = (site.address("server"), site.address("client"));
    let service = site.on(&[
        "get",
        "service",
        "server",
        "-o",
        "jsonpath={.spec.clusterIP}",
    ]);
    let targets = [
        format!("tcp://{server}:8080"),
        format!("tcp://{server}:8081"),
        format!("udp://{server}:8080"),
        format!("tcp://{service}:80"),
    ];
    assert_eq!(site.reach("client", &targets), ["reached"; 4]);
    assert_eq!(site.0.network_policy().unwrap().unwrap()[0].isolated, 0);

    site.enforce(&deny("server", "Ingress"), "server");
    assert_eq!(
        site.reach("client", &targets),
        [SILENT, SILENT, NO_REPLY, SILENT]
    );
    assert_eq!(
        site.reach("server", &targets),
        ["reached"; 4],
        "a pod reaches itself, through its Service as well"
    );
    let inside = site
        .0
        .enter_command()
        .args([
            "/run/gauntlet/images/probe",
            "reach",
            &targets[0],
            &targets[3],
        ])
        .output()
        .unwrap();
    assert_eq!(
        outcomes(&String::from_utf8(inside.stdout).unwrap()),
        ["reached"; 2],
        "a node reaches its pods"
    );
    assert_eq!(site.0.network_policy().unwrap().unwrap()[0].isolated, 1);

    // What the API server says after it was away counts.
    let api = "kube-apiserver";
    site.0
        .control_process(&ProcessChange::Kill(api.into()))
        .unwrap();
    expect_life(&site.0, api, has_ended);
    site.0
        .control_process(&ProcessChange::Start(api.into()))
        .unwrap();
    expect_life(&site.0, api, |life| {
        *life
            == ProcessStatus {
                starts: 2,
                state: ProcessState::Alive,
            }
    });
    expect_ready(&site.0);
    site.enforce(LET_IN, "server");
    assert_eq!(
        site.reach("client", &targets),
        ["reached", SILENT, NO_REPLY, "reached"]
    );
    site.on(&["label", "pod", "client", "--overwrite", "app=stranger"]);
    let version = site
        .on(&[
            "get",
            "pod",
            "client",
            "-o",
            "jsonpath={.metadata.resourceVersion}",
        ])
        .parse()
        .unwrap();
    site.expect("the label to be seen", |seen| seen.pods >= version);
    assert_eq!(site.reach("client", &targets[..1]), [SILENT]);

    // Egress, to other pods and to the node.
    site.on(&["delete", "networkpolicy", "server"]);
    site.enforce(&deny("stranger", "Egress"), "stranger");
    let kubelet = "tcp://10.88.0.1:10250?open".to_owned();
    assert_eq!(
        site.reach(
            "client",
            &[targets[0].clone(), targets[2].clone(), kubelet.clone()]
        ),
        [SILENT, NO_REPLY, SILENT]
    );
    assert_eq!(site.reach("server", &[kubelet]), ["reached"]);
    site.on(&["delete", "networkpolicy", "stranger"]);
    let waited = wait::wait_until(
        "the client to be free",
        Duration::from_secs(20),
        Duration::from_millis(10),
        || match site.reach("client", &targets) {
            all if all == ["reached"; 4] => WaitLook::Ready(()),
            some => WaitLook::NotYet(format!("{some:?}")),
        },
    );
    waited.unwrap();
    assert!(!client.is_empty() && site.0.deaths().is_empty());
    site.0.take_down().unwrap();
    expect_nothing(&cache(), &name);
}

pub(crate) fn no_packet_slips_through() {
    let name = name("tight");
    let site = Site::start(&name, 1);
    let target = format!("tcp://{}:8080", site.address("server"));
    let tried = |line: &str| match WatchLine::read(line.as_bytes()).unwrap() {
        WatchLine::Count(count) => (count.tried > 1000, count.reached),
        WatchLine::Change(change) => panic!("{change:?}"),
    };

    // Before a pod's first packet its policies are there.
    site.enforce(&deny("late", "Egress"), "late");
    site.apply(&LATE.replace("TARGET", &target));
    site.on(&[
        "wait",
        "--for=jsonpath={.status.phase}=Succeeded",
        "pod/late",
        "--timeout=60s",
    ]);
    assert_eq!(
        tried(site.on(&["logs", "late"]).lines().last().unwrap()),
        (true, 0)
    );

    // While one table takes the place of another, none is open.
    site.enforce(&deny("client", "Egress"), "client");
    let tables = site.0.network_policy().unwrap().unwrap()[0].tables;
    let watch = [
        "exec",
        "client",
        "--",
        "/probe",
        "watch",
        "--every",
        "1",
        "--timeout",
        "200",
        "--for",
        "5000",
        &target,
    ];
    let watching = std::thread::scope(|scope| {
        let watching = scope.spawn(|| site.on(&watch));
        while !watching.is_finished() {
            for app in ["server", "other"] {
                site.apply(&deny(app, "Ingress"));
            }
            site.on(&["delete", "networkpolicy", "server", "other"]);
        }
        watching.join().unwrap()
    });
    let more = site.0.network_policy().unwrap().unwrap()[0].tables - tables;
    assert_eq!(
        (tried(watching.lines().last().unwrap()), more >= 4),
        ((true, 0), true),
        "{more} tables"
    );
    site.0.take_down().unwrap();
    expect_nothing(&cache(), &name);
}
