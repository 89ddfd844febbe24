//! What each step of a scenario takes, per world, over several runs on the same clusters, in turn;
//! and each world over `bare`.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;

use cluster::{Cluster, HostAccess};
use indexmap::IndexMap;
use model::LoadedScenario;

use crate::Boxes;
use crate::clusters;
use crate::stats::SampleSummary;

/// The row that stands for a world's whole time, its set-up included.
const WHOLE_WORLD: &str = "(whole world)";

/// The row for a cosign that does nothing but start, in the same box: what every step with cosign
/// contains.
const COSIGN_STARTS: &str = "(cosign starts)";

struct RunSample {
    run: usize,
    world: String,
    step: String,
    millis: f64,
}

pub(crate) async fn measure_scenarios(
    boxes: &Boxes,
    dir: &Path,
    runs: usize,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let scenario = clusters::read_scenario(dir)?;
    let clusters = clusters::start_clusters(boxes, &scenario).await?;
    let mut samples = Vec::new();
    for run in 0..=runs {
        let mut worlds = clusters::worlds(&clusters);
        if run % 2 == 1 {
            worlds.reverse();
        }
        for (cluster, world) in worlds {
            let taken = measure_one(cluster, &scenario, world, run).await?;
            samples.extend(if run == 0 { Vec::new() } else { taken }); // the first round warms everything up
        }
    }
    clusters::take_down(clusters).await?;
    std::fs::write(
        out.join(format!("{}.csv", scenario.id.replace('/', "-"))),
        write_csv(&samples)?,
    )?;
    print_summary(&samples);
    Ok(())
}

async fn measure_one(
    cluster: &Cluster,
    scenario: &Arc<LoadedScenario>,
    world: &str,
    run: usize,
) -> Result<Vec<RunSample>, Box<dyn Error>> {
    let of = |step: String, millis| RunSample {
        run,
        world: world.to_owned(),
        step,
        millis,
    };
    let mut samples = Vec::new();
    if let Some(host_access) = cluster
        .host_access()
        .filter(|_| !scenario.scenario.install.is_empty())
    {
        samples.push(of(COSIGN_STARTS.into(), cosign_starts(host_access).await?));
    }
    let began = Instant::now();
    let cells = clusters::try_world(cluster, scenario, world).await?;
    let whole = began.elapsed().as_secs_f64() * 1000.0;
    samples.extend(cells.into_iter().map(|(step, cell)| of(step, cell.millis)));
    samples.push(of(WHOLE_WORLD.into(), whole));
    Ok(samples)
}

async fn cosign_starts(host_access: HostAccess<'_>) -> Result<f64, Box<dyn Error>> {
    let mut command = host_access.enter_command();
    command
        .args(["cosign", "version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let began = Instant::now();
    let status = tokio::process::Command::from(command).status().await?;
    let millis = began.elapsed().as_secs_f64() * 1000.0;
    if status.success() {
        Ok(millis)
    } else {
        Err(format!("cosign does not start: {status}").into())
    }
}

fn write_csv(samples: &[RunSample]) -> Result<String, std::fmt::Error> {
    let mut csv = String::from("run,world,step,milliseconds\n");
    for RunSample {
        run,
        world,
        step,
        millis,
    } in samples
    {
        writeln!(csv, "{run},{world},{step},{millis:.3}")?;
    }
    Ok(csv)
}

#[expect(clippy::print_stdout, reason = "this is a command")]
fn print_summary(samples: &[RunSample]) {
    let mut cells: IndexMap<(&str, &str), Vec<f64>> = IndexMap::new();
    for RunSample {
        world,
        step,
        millis,
        ..
    } in samples
    {
        cells.entry((step, world)).or_default().push(*millis);
    }
    let spreads: IndexMap<_, _> = cells
        .into_iter()
        .filter_map(|(cell, all)| Some((cell, SampleSummary::from_samples(all)?)))
        .collect();
    for ((step, world), spread) in &spreads {
        let bare = spreads.get(&(*step, "bare")).filter(|_| *world != "bare");
        let over = bare.map_or_else(String::new, |bare| {
            format!("  {:.2} × bare", spread.median / bare.median)
        });
        println!("{step:32} {world:24} {spread} ms{over}");
    }
}
