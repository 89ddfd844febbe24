//! What each step of a scenario takes, per world, over several runs on the same clusters; and each world over `bare`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cluster::{Cluster, ResolvedShape, resolve};
use engine::{Options, Trial};
use indexmap::IndexMap;
use model::{Loaded, WorldOutcome};

use crate::Boxes;
use crate::stats::Spread;

/// The row that stands for a world's whole time, its set-up included.
const WHOLE: &str = "(whole world)";

struct Sample {
    run: usize,
    world: String,
    step: String,
    millis: f64,
}

pub(crate) async fn measure(boxes: &Boxes<'_>, dir: &Path, runs: usize, out: &Path) -> Result<(), Box<dyn Error>> {
    let id = dir.components().rev().take(2).map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>();
    let id = id.into_iter().rev().collect::<Vec<_>>().join("/");
    let scenario = Arc::new(Loaded::read(id.clone(), dir.to_owned())?);
    let mut groups: BTreeMap<ResolvedShape, Vec<String>> = BTreeMap::new();
    for name in scenario.scenario.worlds.keys() {
        groups.entry(resolve(&scenario, name)?).or_default().push(name.clone());
    }
    let mut clusters = Vec::new();
    for (index, (shape, worlds)) in groups.into_iter().enumerate() {
        clusters.push((boxes.start_as(&format!("figures-{index}"), &shape).await?, worlds));
    }
    let mut samples = Vec::new();
    for run in 0..=runs {
        for (cluster, world) in
            clusters.iter().flat_map(|(cluster, worlds)| worlds.iter().map(move |one| (cluster, one)))
        {
            let taken = one(cluster, &scenario, world, run).await?;
            samples.extend(if run == 0 { Vec::new() } else { taken }); // the first round warms everything up
        }
    }
    for (cluster, _) in clusters {
        cluster.down().await?;
    }
    std::fs::write(out.join(format!("{}.csv", id.replace('/', "-"))), csv(&samples)?)?;
    show(&samples);
    Ok(())
}

async fn one(
    cluster: &Cluster,
    scenario: &Arc<Loaded>,
    world: &str,
    run: usize,
) -> Result<Vec<Sample>, Box<dyn Error>> {
    let options = Options { keep: false, evidence: None, side_by_side: 1 };
    let (events, _) = tokio::sync::mpsc::unbounded_channel();
    let trial = Trial { scenario: Arc::clone(scenario), world: world.to_owned() };
    let began = Instant::now();
    let outcome = engine::run(cluster, vec![trial], &options, events).await.pop();
    let whole = began.elapsed().as_secs_f64() * 1000.0;
    let Some((_, _, WorldOutcome::Tried(cells))) = outcome else {
        return Err(format!("world `{world}` was not tried: {outcome:?}").into());
    };
    if let Some((step, cell)) = cells.iter().find(|(_, cell)| !cell.verdict.meets(&cell.intended)) {
        return Err(format!("{world} · {step} is {} and not as intended: no figure", cell.verdict).into());
    }
    let of = |step: String, millis| Sample { run, world: world.to_owned(), step, millis };
    let steps = cells.into_iter().map(|(step, cell)| of(step, cell.millis));
    Ok(steps.chain([of(WHOLE.into(), whole)]).collect())
}

fn csv(samples: &[Sample]) -> Result<String, std::fmt::Error> {
    let mut csv = String::from("run,world,step,milliseconds\n");
    for Sample { run, world, step, millis } in samples {
        writeln!(csv, "{run},{world},{step},{millis:.3}")?;
    }
    Ok(csv)
}

#[expect(clippy::print_stdout, reason = "this is a command")]
fn show(samples: &[Sample]) {
    let mut cells: IndexMap<(&str, &str), Vec<f64>> = IndexMap::new();
    for Sample { world, step, millis, .. } in samples {
        cells.entry((step, world)).or_default().push(*millis);
    }
    let spreads: IndexMap<_, _> = cells.into_iter().filter_map(|(cell, all)| Some((cell, Spread::of(all)?))).collect();
    for ((step, world), spread) in &spreads {
        let bare = spreads.get(&(*step, "bare")).filter(|_| *world != "bare");
        let over = bare.map_or_else(String::new, |bare| format!("  {:.2} × bare", spread.median / bare.median));
        println!("{step:32} {world:24} {spread} ms{over}");
    }
}
