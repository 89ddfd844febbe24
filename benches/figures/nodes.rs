//! How long boxes of one, two and three nodes take, and one of one node with IPv6 beside IPv4, in
//! turn: until all nodes are Ready, and until a pod runs on each.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use cluster::Cluster;
use model::ClusterSpec;
use runner::LiveCluster;
use serde_json::json;
use wait::WaitLook;

use crate::Boxes;
use crate::objects;
use crate::start::soon;
use crate::stats::SampleSummary;

const READY_ROW: &str = "nodes-ready";
const PODS_ROW: &str = "pod-on-each-running";

/// A box: how many nodes, and how many families of addresses.
type BoxKind = (u8, u8);

const BOX_KINDS: [BoxKind; 4] = [(1, 1), (2, 1), (3, 1), (1, 2)];

/// A box, what was measured, and milliseconds.
type NodesRow = (BoxKind, &'static str, f64);

#[expect(clippy::print_stdout, reason = "this is a command")]
pub(crate) async fn measure_nodes(
    boxes: &Boxes,
    runs: usize,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    for kind in BOX_KINDS {
        drop(start_box(boxes, kind).await?); // makes the first state
    }
    let mut csv = String::from("run,nodes,families,milestone,ms\n");
    let mut rows: Vec<NodesRow> = Vec::new();
    for run in 1..=runs {
        for kind in BOX_KINDS {
            for row in measure_one(boxes, kind).await? {
                writeln!(csv, "{run},{},{},{},{:.2}", kind.0, kind.1, row.1, row.2)?;
                rows.push(row);
            }
        }
    }
    std::fs::write(out.join("nodes.csv"), csv)?;
    for what in [READY_ROW, PODS_ROW] {
        let of = |kind: BoxKind| {
            SampleSummary::from_samples(
                rows.iter()
                    .filter(|row| (row.0, row.1) == (kind, what))
                    .map(|row| row.2)
                    .collect(),
            )
        };
        let one = of(BOX_KINDS[0]).map_or(f64::NAN, |spread| spread.median);
        for ((nodes, families), spread) in BOX_KINDS
            .into_iter()
            .filter_map(|kind| Some((kind, of(kind)?)))
        {
            let over = spread.median / one;
            println!(
                "{what:20} {nodes} node(s), {families} families {spread}  over the first: {over:.2}"
            );
        }
    }
    Ok(())
}

async fn measure_one(boxes: &Boxes, kind: BoxKind) -> Result<[NodesRow; 2], Box<dyn Error>> {
    let began = Instant::now();
    let (cluster, nodes) = (start_box(boxes, kind).await?, kind.0);
    let ready = cluster
        .milestones()
        .into_iter()
        .find(|(name, _)| name == "node-ready")
        .map(|(_, at)| at);
    for node in 1..=nodes {
        create_object(&cluster, node).await?;
    }
    for node in 1..=nodes {
        let runs = async || has_run(&cluster, node).await;
        soon("a pod to run").try_until_async(runs).await?;
    }
    let pods = began.elapsed();
    cluster.take_down().await?;
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    Ok([
        (kind, READY_ROW, millis(ready.ok_or("no node was Ready")?)),
        (kind, PODS_ROW, millis(pods)),
    ])
}

async fn start_box(
    boxes: &Boxes,
    (nodes, families): BoxKind,
) -> Result<LiveCluster, runner::Error> {
    let shape = ClusterSpec {
        nodes,
        dual_stack: families == 2,
        ..ClusterSpec::default()
    };
    boxes
        .start_as(&format!("figures-nodes-{nodes}-{families}"), &shape)
        .await
}

const PODS_PATH: &str = "/api/v1/namespaces/default/pods";

async fn create_object(cluster: &Cluster, node: u8) -> Result<(), Box<dyn Error>> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("on-{node}")},
        "spec": {"nodeName": format!("node-{node}"), "containers": [{"name": "c", "image": native::PROBE_IMAGE}]},
    });
    objects::create_object(cluster, PODS_PATH, &pod)
        .await
        .map(drop)
}

async fn has_run(cluster: &Cluster, node: u8) -> Result<WaitLook<()>, Box<dyn Error>> {
    let seen = objects::caller(cluster)
        .fetch_body(format!("{PODS_PATH}/on-{node}"))
        .await?;
    let phase = seen["status"]["phase"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    Ok(if phase == "Running" {
        WaitLook::Ready(())
    } else {
        WaitLook::NotYet(phase)
    })
}
