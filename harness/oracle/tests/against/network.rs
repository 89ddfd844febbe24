//! Policies against what a box's nodes enforce: every pod of the cast tries every other at every
//! port, for each set of policies again, over IPv4 and over IPv6.
//!
//! What a pod sends to its own node is not tried: the API says that it cannot be blocked, and the
//! box blocks it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use api::condition_status;
use cluster::Cluster;
use futures::future::{join_all, try_join_all};
use k8s_openapi::api::core::v1;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use kube::api::AttachParams;
use oracle::generate::network::{all_probes, pod_cast, policy_set};
use oracle::network::{
    ConnectionEnd, ConnectionProbe, NetworkDisagreement, NetworkPod, NetworkRules, NetworkWorld,
    PodName, PortProtocol,
};
use oracle::scenario;
use probe_protocol::{FaultReason, ProbeReport};
use proptest::strategy::ValueTree;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::api::{must, until};
use crate::cases::{cases, shrink, wanted};

/// The default number of sets of policies.
const USUAL: usize = 40;

/// Nodes of the box, so that packets cross from one to another.
pub(crate) const NODES: u8 = 2;

/// How long a packet may be under way before it counts as lost, and the same for the second look.
const ATTEMPT_WITHIN: Duration = Duration::from_millis(200);
const SECOND_ATTEMPT_WITHIN: Duration = Duration::from_secs(1);

/// How long a pod may take to try all of it; a busy machine's kubelet drops a conversation now and
/// then.
const CONVERSATION: Duration = Duration::from_secs(20);

/// How often the test says how far it has come.
const STRIDE: usize = 100;

/// Compares; figures, or the first disagreement.
pub(crate) async fn compare(cluster: &Cluster) -> Result<String, String> {
    let arena = Arena::new(cluster).await;
    let open = arena.disagreements(&[]).await;
    assert!(
        open.is_empty(),
        "without policies, everybody reaches everybody: {}",
        lines(&open)
    );
    let mut trees = cases(&policy_set(&arena.world), wanted(USUAL));
    let began = Instant::now();
    let (mut blocked, mut cells) = (0, 0);
    for (done, tree) in trees.iter_mut().enumerate() {
        if done > 0 && done % STRIDE == 0 {
            println!(
                "{done} sets agree after {:.0} s",
                began.elapsed().as_secs_f64()
            );
        }
        let set = tree.current();
        if !arena.disagreements(&set).await.is_empty() {
            return Err(arena.explain(tree).await);
        }
        let network = arena.network(&set);
        cells += arena.probes.len();
        blocked += arena
            .probes
            .iter()
            .filter(|probe| !network.decide(probe).unwrap().reached())
            .count();
    }
    let took = began.elapsed().as_secs_f64();
    if blocked * 10 < cells || blocked * 10 > cells * 9 {
        return Err(format!(
            "{blocked} of {cells} cells were blocked: the sets say too little"
        ));
    }
    let speed = f64::from(u32::try_from(trees.len()).unwrap()) / took;
    Ok(format!(
        "{} sets, {cells} cells compared, {blocked} of them blocked; {took:.1} s, {speed:.1} sets a second",
        trees.len()
    ))
}

fn lines(found: &[NetworkDisagreement]) -> String {
    found
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// A box with the cast in it.
struct Arena<'a> {
    cluster: &'a Cluster,
    world: NetworkWorld,
    probes: Vec<ConnectionProbe>,
}

impl<'a> Arena<'a> {
    async fn new(cluster: &'a Cluster) -> Self {
        let mut world = pod_cast(NODES);
        for object in scenario::world_objects(&world, native::PROBE_IMAGE) {
            let namespace = object["metadata"]["namespace"].as_str();
            let path = namespace.map_or_else(
                || "/api/v1/namespaces".to_owned(),
                |name| format!("/api/v1/namespaces/{name}/pods"),
            );
            created(cluster, &path, &object).await;
        }
        let mut newest = 0;
        for pod in &mut world.pods {
            newest = newest.max(running(cluster, pod).await);
        }
        let arena = Self {
            cluster,
            probes: all_probes(&world),
            world,
        };
        arena.in_force(|seen| seen.pods >= newest).await;
        arena
    }

    fn network(&self, set: &[NetworkPolicy]) -> NetworkRules {
        NetworkRules::new(NetworkWorld {
            policies: set.to_vec(),
            ..self.world.clone()
        })
        .unwrap()
    }

    /// The cells in which the box does something else, with these policies and no others.
    async fn disagreements(&self, set: &[NetworkPolicy]) -> Vec<NetworkDisagreement> {
        let posted = join_all(set.iter().map(async |policy| {
            must(self.cluster, "POST", &collection(policy), &json!(policy)).await
        }))
        .await;
        let newest = posted.iter().map(version).max().unwrap_or_default();
        self.in_force(|seen| seen.network_policies >= newest).await;
        let network = self.network(set);
        let found = self.differing(&network, &self.probes, ATTEMPT_WITHIN).await;
        // A busy machine loses a race with the clock, and a datagram may pass as part of an older
        // conversation from the same port. What is really so is so again.
        let again: Vec<ConnectionProbe> = found.into_iter().map(|one| one.probe).collect();
        let found = self
            .differing(&network, &again, SECOND_ATTEMPT_WITHIN)
            .await;
        let again: Vec<ConnectionProbe> = found.into_iter().map(|one| one.probe).collect();
        let found = self
            .differing(&network, &again, SECOND_ATTEMPT_WITHIN)
            .await;
        join_all(set.iter().map(async |policy| {
            let name = policy.metadata.name.as_deref().unwrap();
            drop(
                must(
                    self.cluster,
                    "DELETE",
                    &format!("{}/{name}", collection(policy)),
                    &Value::Null,
                )
                .await,
            );
        }))
        .await;
        found
    }

    async fn differing(
        &self,
        network: &NetworkRules,
        probes: &[ConnectionProbe],
        patience: Duration,
    ) -> Vec<NetworkDisagreement> {
        let mut of_pod: BTreeMap<&PodName, Vec<&ConnectionProbe>> = BTreeMap::new();
        for probe in probes {
            if let ConnectionEnd::Pod(from) = &probe.from {
                of_pod.entry(from).or_default().push(probe);
            }
        }
        let tried = of_pod
            .iter()
            .map(async |(from, probes)| self.tried(from, probes, patience).await);
        let seen: Vec<(&ConnectionProbe, bool)> = try_join_all(tried)
            .await
            .unwrap()
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(seen.len(), probes.len());
        oracle::network::compare_cells(network, seen).unwrap()
    }

    /// What a pod reaches, in one go. A conversation with its kubelet that breaks off is held
    /// again: it says nothing.
    async fn tried<'p>(
        &self,
        from: &PodName,
        probes: &[&'p ConnectionProbe],
        patience: Duration,
    ) -> Result<Vec<(&'p ConnectionProbe, bool)>, String> {
        let mut text = String::new();
        until("a pod to have tried what it reaches", async || {
            let said = tokio::time::timeout(CONVERSATION, self.said(from, probes, patience)).await;
            text = said.map_err(|_| format!("{from}: no end after {CONVERSATION:?}"))??;
            Ok(())
        })
        .await;
        let told = text
            .lines()
            .map(|line| ProbeReport::read(line.as_bytes()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|why| format!("{from}: {why}"))?;
        let sure = |told: &ProbeReport| matches!(told.reason(), None | Some(FaultReason::TimedOut));
        match told.iter().find(|told| !sure(told)) {
            Some(told) => Err(format!("{from}: {told:?}")),
            None => Ok(probes
                .iter()
                .copied()
                .zip(told.iter().map(ProbeReport::is_reached))
                .collect()),
        }
    }

    /// What the probe in a pod says of all of them, a line each.
    async fn said(
        &self,
        from: &PodName,
        probes: &[&ConnectionProbe],
        patience: Duration,
    ) -> Result<String, String> {
        let mut command = vec![
            "/probe".to_owned(),
            "reach".into(),
            "--timeout".into(),
            patience.as_millis().to_string(),
        ];
        command.extend(probes.iter().map(|probe| self.target(probe)));
        let pods: Api<v1::Pod> =
            Api::namespaced(self.cluster.admin_client().clone(), &from.namespace);
        let options = AttachParams::default().stderr(false);
        let mut process = pods
            .exec(&from.name, command, &options)
            .await
            .map_err(|why| format!("{from}: {why}"))?;
        let mut text = String::new();
        let mut said = process
            .stdout()
            .ok_or_else(|| format!("{from}: no output"))?;
        said.read_to_string(&mut text)
            .await
            .map_err(|why| format!("{from}: {why}"))?;
        let lines = text.lines().count();
        if lines == probes.len() {
            Ok(text)
        } else {
            Err(format!(
                "{from}: {lines} lines for {} targets",
                probes.len()
            ))
        }
    }

    fn target(&self, probe: &ConnectionProbe) -> String {
        let ConnectionEnd::Pod(to) = &probe.to else {
            panic!("{probe}")
        };
        let to = self.world.pods.iter().find(|pod| pod.name == *to).unwrap();
        let at = SocketAddr::new(
            probe.family.address_among(&to.addresses).unwrap(),
            probe.port,
        );
        match probe.protocol {
            PortProtocol::Udp => format!("udp://{at}"),
            _ => format!("tcp://{at}"),
        }
    }

    /// Waits until every node has a table that was made with what was written.
    async fn in_force(&self, has: impl Fn(&cluster::SeenVersions) -> bool) {
        let host_access = self.cluster.host_access().unwrap();
        until("every node to enforce what was written", async || {
            let told = host_access.network_policy().unwrap().unwrap();
            if told.iter().all(|node| has(&node.seen)) {
                Ok(())
            } else {
                Err(format!("{told:?}"))
            }
        })
        .await;
    }

    async fn explain(&self, tree: &mut impl ValueTree<Value = Vec<NetworkPolicy>>) -> String {
        let set = shrink(tree, async |set| !self.disagreements(&set).await.is_empty()).await;
        let found = self.disagreements(&set).await;
        let world = NetworkWorld {
            policies: set,
            ..self.world.clone()
        };
        format!(
            "{}\n{}",
            lines(&found),
            scenario::network_scenario(&world, &found).unwrap()
        )
    }
}

fn collection(policy: &NetworkPolicy) -> String {
    let namespace = policy.metadata.namespace.as_deref().unwrap();
    format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies")
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

/// A namespace takes pods only once it has a ServiceAccount.
async fn created(cluster: &Cluster, path: &str, object: &Value) {
    until("an object to be taken", async || {
        match crate::api::send(cluster, "POST", path, object).await {
            crate::api::Reply::Done(_) => Ok(()),
            crate::api::Reply::Refused(code, message) => Err(format!("{code} {message}")),
        }
    })
    .await;
}

/// Waits until a pod runs, and takes its addresses; its newest version.
async fn running(cluster: &Cluster, pod: &mut NetworkPod) -> u64 {
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}",
        pod.name.namespace, pod.name.name
    );
    let mut newest = 0;
    until("a pod to run", async || {
        let seen = must(cluster, "GET", &path, &Value::Null).await;
        let ready = condition_status(&seen, "Ready") == Some("True");
        match seen["status"]["podIPs"].as_array() {
            Some(addresses) if ready => {
                pod.addresses = addresses
                    .iter()
                    .map(|one| one["ip"].as_str().unwrap().parse().unwrap())
                    .collect();
                newest = version(&seen);
                Ok(())
            }
            _ => Err(seen["status"].to_string()),
        }
    })
    .await;
    newest
}
