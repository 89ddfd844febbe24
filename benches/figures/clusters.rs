//! Scenarios that figures are taken of, and one world tried on a cluster.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cluster::{Cluster, ClusterProvider};
use engine::WorldTrial;
use indexmap::IndexMap;
use model::{LoadedScenario, ObjectManifest, OutcomeCell, WorldOutcome};
use runner::{LiveCluster, RunOptions, RunPlan};
use serde_json::Value;

use crate::Boxes;

/// Starts what the worlds of a scenario need: clusters, each with the worlds that are tried on it.
pub(crate) async fn start_clusters(
    boxes: &Boxes,
    scenario: &Arc<LoadedScenario>,
) -> Result<Vec<(LiveCluster, Vec<WorldTrial>)>, Box<dyn Error>> {
    let mut clusters = Vec::new();
    for (index, group) in RunPlan::new(&[Arc::clone(scenario)], ClusterProvider::Box, 1)?
        .groups
        .into_iter()
        .enumerate()
    {
        clusters.push((
            boxes
                .start_as(&format!("figures-{index}"), &group.spec)
                .await?,
            group.trials,
        ));
    }
    Ok(clusters)
}

/// Every world with its cluster.
pub(crate) fn worlds(clusters: &[(LiveCluster, Vec<WorldTrial>)]) -> Vec<(&Cluster, &str)> {
    let mut worlds = Vec::new();
    for (cluster, trials) in clusters {
        worlds.extend(
            trials
                .iter()
                .map(|trial| (&**cluster, trial.world.as_str())),
        );
    }
    worlds
}

/// Takes them down.
pub(crate) async fn take_down(
    clusters: Vec<(LiveCluster, Vec<WorldTrial>)>,
) -> Result<(), runner::Error> {
    for (cluster, _) in clusters {
        cluster.take_down().await?;
    }
    Ok(())
}

/// A scenario of figures, with the folder's name and its parent's for an id.
pub(crate) fn read_scenario(dir: &Path) -> Result<Arc<LoadedScenario>, Box<dyn Error>> {
    let id = dir
        .components()
        .rev()
        .take(2)
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>();
    let id = id.into_iter().rev().collect::<Vec<_>>().join("/");
    Ok(Arc::new(LoadedScenario::read(id, dir.to_owned())?))
}

/// A scenario that is made here and not read: its file, and its manifests by name.
pub(crate) fn make_scenario(
    id: &str,
    file: Value,
    manifests: impl IntoIterator<Item = (String, Vec<Value>)>,
) -> Result<LoadedScenario, Box<dyn Error>> {
    let manifests = manifests.into_iter().map(|(name, objects)| {
        let all = objects
            .into_iter()
            .map(|object| ObjectManifest {
                file: name.clone().into(),
                object,
            })
            .collect();
        (name, all)
    });
    Ok(LoadedScenario {
        id: id.into(),
        dir: PathBuf::new(),
        text: String::new(),
        scenario: serde_json::from_value(file)?,
        manifests: manifests.collect(),
        files: Vec::new(),
        reach: model::FileReach::OwnFolder,
    })
}

/// Tries one world with nothing beside it: its cells, whatever they came to.
pub(crate) async fn cells_of(
    cluster: &Cluster,
    scenario: &Arc<LoadedScenario>,
    world: &str,
    evidence: Option<PathBuf>,
) -> Result<IndexMap<String, OutcomeCell>, Box<dyn Error>> {
    let trial = WorldTrial {
        scenario: Arc::clone(scenario),
        world: world.to_owned(),
    };
    let options = RunOptions {
        ends_at_failure: evidence.is_none(),
        evidence,
        worlds_at_once: 1,
        ..RunOptions::default()
    };
    match runner::try_worlds(cluster, vec![trial], options)
        .await
        .pop()
    {
        Some((_, WorldOutcome::Tried(cells))) => Ok(cells),
        outcome => Err(format!("world `{world}` was not tried: {outcome:?}").into()),
    }
}

/// Tries one world: its cells, each as it was intended.
pub(crate) async fn try_world(
    cluster: &Cluster,
    scenario: &Arc<LoadedScenario>,
    world: &str,
) -> Result<IndexMap<String, OutcomeCell>, Box<dyn Error>> {
    let cells = cells_of(cluster, scenario, world, None).await?;
    if let Some((step, cell)) = cells
        .iter()
        .find(|(_, cell)| !cell.verdict.meets_intent(&cell.intended))
    {
        return Err(format!(
            "{world} · {step} is {} and not as intended: no figure",
            cell.verdict
        )
        .into());
    }
    Ok(cells)
}
