//! What a step costs over the same request from a bare client: admission of a ConfigMap, as a dry
//! run, in turn.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use cluster::Cluster;
use model::{LoadedScenario, ObjectManifest};
use serde_json::{Value, json};

use crate::stats::SampleSummary;
use crate::{Boxes, clusters};

const BLOCK_SIZE: usize = 50;

#[expect(clippy::print_stdout, reason = "this is a command")]
pub(crate) async fn measure_step(
    boxes: &Boxes,
    blocks: usize,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let cluster = boxes.start("figures-step").await?;
    let scenario = Arc::new(step_scenario()?);
    let (mut steps, mut bare) = (Vec::new(), Vec::new());
    steps_block(&cluster, &scenario, out).await?; // warm-up of both, not counted
    bare_block(&cluster).await?;
    for block in 0..blocks {
        let (first, second) = if block % 2 == 0 {
            (true, false)
        } else {
            (false, true)
        };
        for engine in [first, second] {
            if engine {
                steps.extend(steps_block(&cluster, &scenario, out).await?);
            } else {
                bare.extend(bare_block(&cluster).await?);
            }
        }
    }
    cluster.take_down().await?;
    let mut csv = String::from("who,milliseconds\n");
    for (who, samples) in [("step", &steps), ("bare", &bare)] {
        for sample in samples {
            writeln!(csv, "{who},{sample:.4}")?;
        }
    }
    std::fs::write(out.join("step.csv"), csv)?;
    let (Some(step), Some(bare)) = (
        SampleSummary::from_samples(steps),
        SampleSummary::from_samples(bare),
    ) else {
        return Err("no samples".into());
    };
    println!(
        "step, ms          {step}\nbare request, ms  {bare}\nstep over bare: {:.2}",
        step.median / bare.median
    );
    Ok(())
}

fn object() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "figure"}, "data": {"a": "b"}})
}

fn step_scenario() -> Result<LoadedScenario, Box<dyn Error>> {
    let step = |n| json!({"id": format!("s{n}"), "dry-run": true, "do": {"create": "object.yaml"}, "expect": "admitted"});
    let file = json!({"scenario": "v2", "why": "A figure.", "worlds": {"bare": {}},
        "steps": (0..BLOCK_SIZE).map(step).collect::<Vec<_>>()});
    let manifest = ObjectManifest {
        file: PathBuf::from("object.yaml"),
        object: object(),
    };
    Ok(LoadedScenario {
        id: "figures/step".into(),
        dir: PathBuf::new(),
        text: String::new(),
        scenario: serde_json::from_value(file)?,
        manifests: [("object.yaml".to_owned(), vec![manifest])].into(),
        files: Vec::new(),
        reach: model::FileReach::OwnFolder,
    })
}

async fn steps_block(
    cluster: &Cluster,
    scenario: &Arc<LoadedScenario>,
    out: &Path,
) -> Result<Vec<f64>, Box<dyn Error>> {
    let cells = clusters::cells_of(cluster, scenario, "bare", Some(out.join("evidence"))).await?;
    Ok(cells.values().map(|cell| cell.millis).collect())
}

async fn bare_block(cluster: &Cluster) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut samples = Vec::with_capacity(BLOCK_SIZE);
    for _ in 0..BLOCK_SIZE {
        let began = Instant::now();
        let path = "/api/v1/namespaces/default/configmaps?dryRun=All";
        let request = http::Request::post(path)
            .header("content-type", "application/json")
            .body(serde_json::to_vec(&object())?)?;
        let _: Value = cluster.admin_client().request(request).await?;
        samples.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(samples)
}
