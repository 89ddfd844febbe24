//! How many requests each step of a scenario costs: to the registry, the log, the certificate
//! authority and the timestamp authority, from their own logs and metrics.
//!
//! These count for the whole box. So each world is tried with its first step, then with its first
//! two, and so on, alone: what one more step adds is what it costs.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Cluster, HostAccess};
use model::LoadedScenario;
use wait::{ConditionWait, WaitLook};

use crate::Boxes;
use crate::clusters;

/// The logs of the registry with TLS, and of the one without.
const REGISTRY_LOGS: [&str; 2] = ["registry.log", "registry-plain.log"];

/// A service that counts its requests: its name, its port for metrics, the metric.
const COUNTED_METRICS: [(&str, u16, &str); 3] = [
    ("log", 3023, "rekor_v2_http_requests_total{"),
    ("certificate authority", 5557, "http_requests_total{"),
    (
        "timestamp authority",
        2112,
        "timestamp_authority_http_requests_total{",
    ),
];

/// Requests by recipient and kind.
type RequestCounts = BTreeMap<(String, String), i64>;

/// The costs of every step: world, step, and what it asks for.
type StepCosts = BTreeMap<(String, usize, String), RequestCounts>;

#[expect(clippy::print_stdout, reason = "this is a command")]
pub(crate) async fn measure_requests(
    boxes: &Boxes,
    dir: &Path,
    runs: usize,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let scenario = clusters::read_scenario(dir)?;
    let clusters = clusters::start_clusters(boxes, &scenario).await?;
    let mut rounds: Vec<StepCosts> = Vec::new();
    for _ in 0..runs {
        let mut costs = StepCosts::new();
        for (cluster, world) in clusters::worlds(&clusters) {
            steps(cluster, &scenario, world, &mut costs).await?;
        }
        rounds.push(costs);
    }
    clusters::take_down(clusters).await?;
    let Some(first) = rounds.first() else {
        return Err("no rounds".into());
    };
    if let Some(other) = rounds.iter().find(|other| *other != first) {
        println!(
            "not the same in every round:\n{}\n{}",
            write_csv(first)?,
            write_csv(other)?
        );
        return Err("requests differ from round to round: no figure".into());
    }
    std::fs::write(
        out.join(format!("{}-requests.csv", scenario.id.replace('/', "-"))),
        write_csv(first)?,
    )?;
    println!(
        "{}the same in all of {} rounds",
        write_csv(first)?,
        rounds.len()
    );
    Ok(())
}

async fn steps(
    cluster: &Cluster,
    scenario: &Arc<LoadedScenario>,
    world: &str,
    costs: &mut StepCosts,
) -> Result<(), Box<dyn Error>> {
    let host_access = cluster
        .host_access()
        .ok_or("requests are counted in a box")?;
    let mut before = RequestCounts::new();
    for (index, step) in scenario.scenario.steps.iter().enumerate() {
        let mut part = LoadedScenario::clone(scenario);
        part.scenario.steps.truncate(index + 1);
        let start = count_requests(host_access).await?;
        clusters::try_world(cluster, &Arc::new(part), world).await?;
        let all = subtract(settled_counts(host_access).await?, &start);
        costs.insert(
            (world.to_owned(), index, step.id.clone()),
            subtract(all.clone(), &before),
        );
        before = all;
    }
    Ok(())
}

/// What is left of `counts` without `others`.
fn subtract(mut counts: RequestCounts, others: &RequestCounts) -> RequestCounts {
    for (what, count) in others {
        *counts.entry(what.clone()).or_default() -= count;
    }
    counts.retain(|_, count| *count != 0);
    counts
}

/// The counts, once three looks in a row show the same.
async fn settled_counts(host_access: HostAccess<'_>) -> Result<RequestCounts, Box<dyn Error>> {
    let (mut last, mut same) = (count_requests(host_access).await?, 0);
    let wait = ConditionWait {
        what: "the counts to stay as they are",
        within: Duration::from_secs(60),
        every: Duration::from_millis(20),
    };
    wait.try_until_async(async || {
        let now = count_requests(host_access).await?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
        Ok(if same == 3 {
            WaitLook::Ready(last.clone())
        } else {
            WaitLook::NotYet(format!("{same} looks in a row showed the same"))
        })
    })
    .await
}

async fn count_requests(host_access: HostAccess<'_>) -> Result<RequestCounts, Box<dyn Error>> {
    let mut counts = RequestCounts::new();
    for log in REGISTRY_LOGS {
        let text = std::fs::read(host_access.log_folder().join(log))?;
        for asked in String::from_utf8_lossy(&text).lines().filter_map(registry) {
            *counts.entry(("registry".into(), asked)).or_default() += 1;
        }
    }
    for (who, port, metric) in COUNTED_METRICS {
        let url = format!("http://{}:{port}/metrics", host_access.address());
        let text = tokio::task::spawn_blocking(move || {
            ureq::get(&url).call()?.into_body().read_to_string()
        })
        .await??;
        for line in text.lines().filter_map(|line| line.strip_prefix(metric)) {
            let Some((method, number)) = method(line).zip(line.rsplit(' ').next()) else {
                continue;
            };
            *counts.entry((who.into(), method)).or_default() += number.parse::<f64>()? as i64;
        }
    }
    // These two are only read by the engine, for the trusted root that it makes once a run.
    counts.retain(|(who, method), _| who == "registry" || who == "log" || method != "GET");
    Ok(counts)
}

/// A request of a line in Apache's combined format that is not containerd's.
fn registry(line: &str) -> Option<String> {
    let mut quoted = line.split('"').skip(1).step_by(2);
    let (request, agent) = (quoted.next()?, quoted.last().unwrap_or_default());
    let mut words = request.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    if agent.starts_with("containerd/") || !path.starts_with("/v2/") {
        return None;
    }
    let what = path
        .split('/')
        .find(|part| matches!(*part, "manifests" | "blobs" | "referrers" | "tags"));
    Some(format!("{method} {}", what.unwrap_or("/v2/")))
}

/// The method among the labels of a metric.
fn method(labels: &str) -> Option<String> {
    let (_, rest) = labels.split_once("method=\"")?;
    rest.split_once('"')
        .map(|(method, _)| method.to_uppercase())
}

fn write_csv(costs: &StepCosts) -> Result<String, std::fmt::Error> {
    let mut csv = String::from("world,step,who,request,count\n");
    for ((world, _, step), counts) in costs {
        for ((who, request), count) in counts {
            writeln!(csv, "{world},{step},{who},{request},{count}")?;
        }
        if counts.is_empty() {
            writeln!(csv, "{world},{step},nobody,none,0")?;
        }
    }
    Ok(csv)
}
