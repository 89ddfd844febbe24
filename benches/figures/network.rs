//! NetworkPolicies: how long until N of them are in force with M pods, and what a connection costs
//! under them.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use cluster::Cluster;
use model::ClusterSpec;
use serde_json::{Value, json};

use crate::Boxes;
use crate::objects::{
    PODS_PATH, POLICIES_PATH, address, create_all, create_object, delete_object, millis,
    named_object, pod, wait_enforced, wait_running,
};
use crate::stats::SampleSummary;

/// How many are there when one more is made, and how often that is done.
const POLICIES_BEFORE: [usize; 3] = [0, 99, 999];
const MORE_POLICIES: usize = 20;

/// How many policies pick a server, and no line of them lets the client in but the last.
const PICKING_POLICIES: [usize; 4] = [0, 10, 100, 1000];
const SERVER_PORT: u16 = 8080;

/// Connections in one turn of one server.
const BLOCK_SIZE: usize = 200;

/// Targets in one go of the probe: a table of ten by ten pods and three ports.
const TARGET_COUNT: usize = 300;

/// Programs in the box's work folder: this one, and the probe.
const FIGURES_PATH: &str = "/run/gauntlet/work/figures";
const PROBE_PATH: &str = "/run/gauntlet/work/probe";

/// The hidden word; see [`run_in_pod_network`].
const CONNECT_WORD: &str = "__connect";

/// The cluster that does not enforce, beside those with policies.
const NO_POLICY: &str = "none";

/// What was measured, with how many policies, in milliseconds.
type NetworkRow = (&'static str, String, f64);

pub(crate) async fn measure_network(
    boxes: &Boxes,
    pods: usize,
    blocks: usize,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let enforcing = ClusterSpec {
        enforce_network_policy: true,
        ..ClusterSpec::default()
    };
    let cluster = boxes.start_as("figures-enforcing", &enforcing).await?;
    let plain = boxes.start("figures-plain").await?;
    let mut rows = connections(&cluster, &plain, blocks).await?;
    plain.take_down().await?;
    save_rows(&rows, out)?;
    rows.extend(enforcing_times(&cluster, pods).await?);
    cluster.take_down().await?;
    save_rows(&rows, out)?;
    print_summary(&rows);
    Ok(())
}

fn save_rows(rows: &[NetworkRow], out: &Path) -> Result<(), Box<dyn Error>> {
    let mut csv = String::from("measure,policies,milliseconds\n");
    for (what, policies, millis) in rows {
        writeln!(csv, "{what},{policies},{millis:.4}")?;
    }
    Ok(std::fs::write(out.join("network.csv"), csv)?)
}

/// Makes ever more policies for many pods, and one more each time.
async fn enforcing_times(
    cluster: &Cluster,
    pods: usize,
) -> Result<Vec<NetworkRow>, Box<dyn Error>> {
    let host_access = cluster.host_access().ok_or("this cluster is not a box")?;
    let all: Vec<Value> = (0..pods)
        .map(|index| pod(&format!("many-{index}"), group(index), &["pause"]))
        .collect();
    create_all(cluster, PODS_PATH, &all).await?;
    wait_running(cluster, "group", pods).await?;
    let mut rows = Vec::new();
    let mut there = 0;
    for already in POLICIES_BEFORE {
        let made: Vec<Value> = (there..already).map(policy).collect();
        let began = Instant::now();
        let last = create_all(cluster, POLICIES_PATH, &made).await?;
        wait_enforced(host_access, last).await?;
        if !made.is_empty() {
            rows.push((
                "all-in-force",
                format!("{}", made.len()),
                millis(began.elapsed()),
            ));
        }
        there = already;
        for index in 0..MORE_POLICIES {
            let version = create_object(cluster, POLICIES_PATH, &one_more(index)).await?;
            let answered = Instant::now();
            wait_enforced(host_access, version).await?;
            rows.push((
                "one-more-in-force",
                format!("{}", already + 1),
                millis(answered.elapsed()),
            ));
            let took = host_access
                .network_policy()?
                .unwrap_or_default()
                .first()
                .map_or(0, |node| node.took);
            rows.push((
                "one-more-by-its-own-clock",
                format!("{}", already + 1),
                took as f64 / 1e3,
            ));
            delete_object(cluster, &format!("{POLICIES_PATH}/one-more")).await?;
        }
    }
    Ok(rows)
}

/// Connects to servers that different numbers of policies pick, in turn.
async fn connections(
    enforcing: &Cluster,
    plain: &Cluster,
    blocks: usize,
) -> Result<Vec<NetworkRow>, Box<dyn Error>> {
    let listen = format!("tcp:{SERVER_PORT}");
    let mut servers = Vec::new();
    for (name, cluster) in PICKING_POLICIES
        .map(|count| (count.to_string(), enforcing))
        .into_iter()
        .chain([(NO_POLICY.into(), plain)])
    {
        let server = format!("server-{name}");
        create_object(
            cluster,
            PODS_PATH,
            &pod(&server, json!({"app": server}), &["listen", &listen]),
        )
        .await?;
        servers.push((name, cluster, server));
    }
    for cluster in [enforcing, plain] {
        let host_access = cluster.host_access().ok_or("this cluster is not a box")?;
        std::fs::copy(
            std::env::current_exe()?,
            host_access.work_folder().join("figures"),
        )?;
        std::fs::write(
            host_access.work_folder().join("probe"),
            host_access.probe_program()?,
        )?;
        std::fs::set_permissions(
            host_access.work_folder().join("probe"),
            std::fs::Permissions::from_mode(0o755),
        )?;
        create_object(
            cluster,
            PODS_PATH,
            &pod("client", json!({"app": "client"}), &["pause"]),
        )
        .await?;
    }
    wait_running(enforcing, "app", PICKING_POLICIES.len() + 1).await?;
    wait_running(plain, "app", 2).await?;
    let host_access = enforcing.host_access().ok_or("this cluster is not a box")?;
    for count in PICKING_POLICIES {
        let policies: Vec<Value> = (0..count)
            .map(|index| selecting_policies(count, index))
            .collect();
        wait_enforced(
            host_access,
            create_all(enforcing, POLICIES_PATH, &policies).await?,
        )
        .await?;
    }
    let mut rows = Vec::new();
    for block in 0..=blocks {
        for turn in 0..servers.len() {
            let (name, cluster, server) = &servers[(block + turn) % servers.len()];
            let took = connect_from_client(cluster, server).await?;
            let table = probe_from_client(cluster, server).await?;
            if block > 0 {
                // The first warms everything up.
                rows.extend([
                    ("connection", name.clone(), took),
                    ("probe-300-targets", name.clone(), table),
                ]);
            }
        }
    }
    for count in PICKING_POLICIES {
        delete_object(enforcing, &format!("{PODS_PATH}/server-{count}")).await?;
    }
    let all = http::Request::delete(POLICIES_PATH).body(Vec::new())?;
    let _: Value = enforcing.admin_client().request(all).await?;
    Ok(rows)
}

/// Has this program connect from the client's network, a block of times; returns the mean.
async fn connect_from_client(cluster: &Cluster, server: &str) -> Result<f64, Box<dyn Error>> {
    let to = format!("{}:{SERVER_PORT}", address(cluster, server).await?);
    let said = from_client(
        cluster,
        &[FIGURES_PATH, CONNECT_WORD, &to, &BLOCK_SIZE.to_string()],
    )
    .await?;
    said.trim()
        .parse()
        .map_err(|_| format!("no figure: {said}").into())
}

/// Has the probe try a whole table of targets at once from the client's network, as one `exec` in a
/// pod does; returns how long that took, in milliseconds.
async fn probe_from_client(cluster: &Cluster, server: &str) -> Result<f64, Box<dyn Error>> {
    let to = format!("tcp://{}:{SERVER_PORT}", address(cluster, server).await?);
    let words: Vec<&str> = [PROBE_PATH, "reach"]
        .into_iter()
        .chain(std::iter::repeat_n(to.as_str(), TARGET_COUNT))
        .collect();
    let began = Instant::now();
    let said = from_client(cluster, &words).await?;
    let took = millis(began.elapsed());
    let reached = said
        .lines()
        .filter(|line| line.contains("\"reached\":true"))
        .count();
    if reached == TARGET_COUNT {
        Ok(took)
    } else {
        Err(format!("{reached} of {TARGET_COUNT}: {said}").into())
    }
}

/// Runs a program of the box's work folder in the network that has the client's address.
async fn from_client(cluster: &Cluster, words: &[&str]) -> Result<String, Box<dyn Error>> {
    const FIND: &str = "client=$1; shift; for space in /run/netns/*; do \
         if nsenter --net=$space ip -4 -o address | grep -q \" $client/\"; then exec nsenter --net=$space \"$@\"; fi; done; \
         echo no network has \"$client\" >&2; exit 1";
    let client = address(cluster, "client").await?;
    let host_access = cluster.host_access().ok_or("this cluster is not a box")?;
    let mut command = host_access.enter_command();
    command.args(["sh", "-c", FIND, "sh", &client]).args(words);
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr)).into())
}

/// This program run again in a pod's network, as `__connect ADDRESS:PORT COUNT`.
pub(crate) fn run_in_pod_network() -> Option<Result<(), Box<dyn Error>>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [word, to, count] if word == CONNECT_WORD => Some(time_connections(to, count)),
        _ => None,
    }
}

/// Connects `count` times, one after the other, and prints the mean in milliseconds.
fn time_connections(to: &str, count: &str) -> Result<(), Box<dyn Error>> {
    let (to, count): (SocketAddr, u32) = (to.parse()?, count.parse()?);
    let began = Instant::now();
    for _ in 0..count {
        TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
    }
    writeln!(
        std::io::stdout(),
        "{}",
        millis(began.elapsed()) / f64::from(count)
    )?;
    Ok(())
}

/// Pods are in ten groups.
fn group(index: usize) -> Value {
    json!({"group": format!("g{}", index % 10)})
}

/// Lets one group into another, at a port.
fn policy(index: usize) -> Value {
    allow_policy(&format!("p-{index}"), index, 8000 + index % 100)
}

/// One more, with a port that no other has: without that it would change nothing.
fn one_more(index: usize) -> Value {
    allow_policy("one-more", index, 20_000 + index)
}

fn allow_policy(name: &str, index: usize, port: usize) -> Value {
    let from = json!([{"podSelector": {"matchLabels": group(index / 10)}}]);
    let rule = json!({"from": from, "ports": [{"port": port}]});
    named_object(
        name,
        json!({"podSelector": {"matchLabels": group(index)}, "policyTypes": ["Ingress"], "ingress": [rule]}),
    )
}

/// One of many policies for one server: each has its own addresses and port, so that no two can be
/// merged. The last alone lets the client in, and is looked at last.
fn selecting_policies(count: usize, index: usize) -> Value {
    let (block, port) = if index + 1 == count {
        ("10.0.0.0/8".to_owned(), usize::from(SERVER_PORT))
    } else {
        (
            format!("9.0.{}.{}/32", index / 256, index % 256),
            10_000 + index,
        )
    };
    let rule = json!({"from": [{"ipBlock": {"cidr": block}}], "ports": [{"port": port}]});
    let server = json!({"matchLabels": {"app": format!("server-{count}")}});
    named_object(
        &format!("s-{count}-{index}"),
        json!({"podSelector": server, "policyTypes": ["Ingress"], "ingress": [rule]}),
    )
}

#[expect(clippy::print_stdout, reason = "this is a command")]
fn print_summary(rows: &[NetworkRow]) {
    let of = |what: &str, policies: &str| {
        let these = rows
            .iter()
            .filter(|row| row.0 == what && row.1 == policies)
            .map(|row| row.2);
        SampleSummary::from_samples(these.collect())
    };
    let mut kinds: Vec<(&str, &str)> = Vec::new();
    rows.iter().for_each(|(what, policies, _)| {
        if !kinds.contains(&(what, policies)) {
            kinds.push((what, policies));
        }
    });
    for (what, policies) in kinds {
        let Some(spread) = of(what, policies) else {
            continue;
        };
        let over =
            of(what, NO_POLICY).map(|none| format!("  {:.3} × none", spread.median / none.median));
        println!(
            "{what:28} {policies:>6} {spread} ms{}",
            over.unwrap_or_default()
        );
    }
}
