//! How long boxes of one, two and three nodes take, in turn: until all nodes are Ready, and until a pod runs on each.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use cluster::{Cluster, ResolvedShape};
use serde_json::{Value, json};

use crate::Boxes;
use crate::start::poll;
use crate::stats::Spread;

const READY: &str = "nodes-ready";
const PODS: &str = "pod-on-each-running";

/// A number of nodes, what was measured, and milliseconds.
type Row = (u8, &'static str, f64);

#[expect(clippy::print_stdout, reason = "this is a command")]
pub(crate) async fn measure(boxes: &Boxes<'_>, runs: usize, out: &Path) -> Result<(), Box<dyn Error>> {
    let counts = 1..=native::MOST_NODES;
    for nodes in counts.clone() {
        drop(start(boxes, nodes).await?); // makes the first state
    }
    let mut csv = String::from("run,nodes,milestone,ms\n");
    let mut rows: Vec<Row> = Vec::new();
    for run in 1..=runs {
        for nodes in counts.clone() {
            for row in one(boxes, nodes).await? {
                writeln!(csv, "{run},{},{},{:.2}", row.0, row.1, row.2)?;
                rows.push(row);
            }
        }
    }
    std::fs::write(out.join("nodes.csv"), csv)?;
    for what in [READY, PODS] {
        let of = |nodes: u8| {
            Spread::of(rows.iter().filter(|row| (row.0, row.1) == (nodes, what)).map(|row| row.2).collect())
        };
        let one = of(1).map_or(f64::NAN, |spread| spread.median);
        for (nodes, spread) in counts.clone().filter_map(|nodes| Some((nodes, of(nodes)?))) {
            println!("{what:20} {nodes} node(s) {spread}  over one: {:.2}", spread.median / one);
        }
    }
    Ok(())
}

async fn one(boxes: &Boxes<'_>, nodes: u8) -> Result<[Row; 2], Box<dyn Error>> {
    let began = Instant::now();
    let cluster = start(boxes, nodes).await?;
    let ready = cluster.milestones().into_iter().find(|(name, _)| name == "node-ready").map(|(_, at)| at);
    for node in 1..=nodes {
        create(&cluster, node).await?;
    }
    for node in 1..=nodes {
        poll("a pod to run", async || phase(&cluster, node).await).await?;
    }
    let pods = began.elapsed();
    cluster.down().await?;
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    Ok([(nodes, READY, millis(ready.ok_or("no node was Ready")?)), (nodes, PODS, millis(pods))])
}

async fn start(boxes: &Boxes<'_>, nodes: u8) -> Result<Cluster, cluster::Error> {
    let shape = ResolvedShape { nodes, ..ResolvedShape::usual("1.36") };
    boxes.start_as(&format!("figures-nodes-{nodes}"), &shape).await
}

const AT: &str = "/api/v1/namespaces/default/pods";

async fn create(cluster: &Cluster, node: u8) -> Result<(), Box<dyn Error>> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("on-{node}")},
        "spec": {"nodeName": format!("node-{node}"), "containers": [{"name": "c", "image": native::PROBE_IMAGE}]},
    });
    let create = http::Request::post(AT).body(serde_json::to_vec(&pod)?)?;
    let _: Value = cluster.admin().request(create).await?;
    Ok(())
}

async fn phase(cluster: &Cluster, node: u8) -> Result<Result<String, String>, Box<dyn Error>> {
    let look = http::Request::get(format!("{AT}/on-{node}")).body(Vec::new())?;
    let seen: Value = cluster.admin().request(look).await?;
    let phase = seen["status"]["phase"].as_str().unwrap_or_default().to_owned();
    Ok(if phase == "Running" { Ok(phase) } else { Err(phase) })
}
