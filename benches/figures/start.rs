//! How long a box takes to start: the API server, the node, the first pod.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use cluster::Cluster;
use serde_json::json;
use wait::{ConditionWait, WaitLook};

use crate::Boxes;
use crate::objects::{caller, create_object};
use crate::stats::SampleSummary;

const FIRST_POD: &str = "first-pod-running";
const READYZ_ROW: &str = "readyz";
const MEMORY_ROW: &str = "memory-mib";

#[expect(clippy::print_stdout, reason = "this is a command")]
pub(crate) async fn measure_start(
    boxes: &Boxes,
    runs: usize,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    drop(boxes.start("figures-warm-up").await?); // builds what is missing, and makes the first state
    let mut rows: Vec<(usize, String, f64)> = Vec::new();
    for run in 1..=runs {
        let began = Instant::now();
        let cluster = boxes.start(&format!("figures-{run}")).await?;
        let (pod, ready) = tokio::join!(
            time_since(began, first_pod(&cluster)),
            time_since(began, readyz(&cluster))
        );
        rows.push((run, FIRST_POD.into(), pod?));
        rows.push((run, READYZ_ROW.into(), ready?));
        rows.extend(
            cluster
                .milestones()
                .iter()
                .map(|(name, at)| (run, name.clone(), millis(*at))),
        );
        rows.extend(memory_of(&cluster).map(|mib| (run, MEMORY_ROW.into(), mib)));
        cluster.take_down().await?;
    }
    let mut csv = String::from("run,milestone,value\n");
    for (run, name, value) in &rows {
        writeln!(csv, "{run},{name},{value:.2}")?;
    }
    std::fs::write(out.join("start.csv"), csv)?;
    let of = |wanted: &str| {
        SampleSummary::from_samples(
            rows.iter()
                .filter(|(_, name, _)| name == wanted)
                .map(|row| row.2)
                .collect(),
        )
    };
    let mut names: Vec<&str> = Vec::new();
    rows.iter().for_each(|(_, name, _)| {
        if !names.contains(&name.as_str()) {
            names.push(name)
        }
    });
    for name in names {
        of(name)
            .into_iter()
            .for_each(|spread| println!("{name:24} {spread}"));
    }
    if let (Some(pod), Some(ready)) = (of(FIRST_POD), of(READYZ_ROW)) {
        println!("first pod over readyz: {:.2}", pod.median / ready.median);
    }
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// How long after `began` this was done, in milliseconds.
async fn time_since(
    began: Instant,
    work: impl Future<Output = Result<(), Box<dyn Error>>>,
) -> Result<f64, Box<dyn Error>> {
    work.await.map(|()| millis(began.elapsed()))
}

/// Every check of `/readyz`, those included that a box from a ready-made state need not wait for.
pub(crate) async fn readyz(cluster: &Cluster) -> Result<(), Box<dyn Error>> {
    let look = async || {
        let look = http::Request::get("/readyz").body(Vec::new())?;
        Ok(match cluster.admin_client().request_text(look).await {
            Ok(_) => WaitLook::Ready(()),
            Err(why) => WaitLook::NotYet(why.to_string()),
        })
    };
    soon("/readyz to say ok").try_until_async(look).await
}

async fn first_pod(cluster: &Cluster) -> Result<(), Box<dyn Error>> {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "first"},
        "spec": {"containers": [{"name": "c", "image": native::PROBE_IMAGE}]}});
    let pods = "/api/v1/namespaces/default/pods";
    create_object(cluster, pods, &pod).await?;
    let look = async || {
        let seen = caller(cluster).fetch_body(format!("{pods}/first")).await?;
        Ok(match seen["status"]["phase"].as_str() {
            Some("Running") => WaitLook::Ready(()),
            phase => WaitLook::NotYet(format!("{phase:?}")),
        })
    };
    soon("the first pod to run").try_until_async(look).await
}

/// A wait for what a box does within seconds.
pub(crate) fn soon(what: &str) -> ConditionWait<'_> {
    ConditionWait {
        what,
        within: Duration::from_secs(30),
        every: Duration::from_millis(5),
    }
}

/// What the box's control group holds, file cache included, in MiB.
fn memory_of(cluster: &Cluster) -> Option<f64> {
    let read = |path: std::path::PathBuf| {
        std::fs::read_to_string(path)
            .ok()?
            .trim()
            .parse::<f64>()
            .ok()
    };
    let usage = cluster.cgroups().iter().find_map(|group| {
        read(group.join("memory.current")).or_else(|| read(group.join("memory.usage_in_bytes")))
    })?;
    Some(usage / f64::from(1 << 20))
}
