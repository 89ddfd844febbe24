//! The clusters that a scenario's worlds need, and one world tried on one of them.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cluster::Cluster;
use engine::{Options, Trial, Turns};
use indexmap::IndexMap;
use model::{Cell, ClusterKey, Loaded, Manifest, WorldOutcome};
use serde_json::Value;

use crate::Boxes;

/// Clusters, each with the worlds that are tried on it.
pub(crate) struct Clusters(Vec<(Cluster, Vec<String>)>);

impl Clusters {
    /// Starts what the worlds of a scenario need.
    pub(crate) async fn start(boxes: &Boxes<'_>, scenario: &Loaded) -> Result<Self, Box<dyn Error>> {
        let mut groups: BTreeMap<ClusterKey, Vec<String>> = BTreeMap::new();
        for name in scenario.scenario.worlds.keys() {
            groups.entry(ClusterKey::resolve(scenario, name)?).or_default().push(name.clone());
        }
        let mut clusters = Vec::new();
        for (index, (key, worlds)) in groups.into_iter().enumerate() {
            clusters.push((boxes.start_as(&format!("figures-{index}"), &key.spec).await?, worlds));
        }
        Ok(Self(clusters))
    }

    /// Every world with its cluster.
    pub(crate) fn worlds(&self) -> Vec<(&Cluster, &str)> {
        let all = self.0.iter().flat_map(|(cluster, worlds)| worlds.iter().map(move |one| (cluster, one.as_str())));
        all.collect()
    }

    /// Takes them down.
    pub(crate) async fn down(self) -> Result<(), Box<dyn Error>> {
        for (cluster, _) in self.0 {
            cluster.down().await?;
        }
        Ok(())
    }
}

/// A scenario of figures, with the folder's name and its parent's for an id.
pub(crate) fn read(dir: &Path) -> Result<Arc<Loaded>, Box<dyn Error>> {
    let id = dir.components().rev().take(2).map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>();
    let id = id.into_iter().rev().collect::<Vec<_>>().join("/");
    Ok(Arc::new(Loaded::read(id, dir.to_owned())?))
}

/// A scenario that is made here and not read: its file, and its manifests by name.
pub(crate) fn loaded(
    id: &str,
    file: Value,
    manifests: impl IntoIterator<Item = (String, Vec<Value>)>,
) -> Result<Loaded, Box<dyn Error>> {
    let manifests = manifests.into_iter().map(|(name, objects)| {
        let all = objects.into_iter().map(|object| Manifest { file: name.clone().into(), object }).collect();
        (name, all)
    });
    Ok(Loaded {
        id: id.into(),
        dir: PathBuf::new(),
        text: String::new(),
        scenario: serde_json::from_value(file)?,
        manifests: manifests.collect(),
        files: Vec::new(),
    })
}

/// Tries one world: its cells, each as it was intended.
pub(crate) async fn tried(
    cluster: &Cluster,
    scenario: &Arc<Loaded>,
    world: &str,
) -> Result<IndexMap<String, Cell>, Box<dyn Error>> {
    let options = Options { keep: false, evidence: None, turns: Turns::new(1), workshop: Arc::default() };
    let (events, _) = tokio::sync::mpsc::unbounded_channel();
    let trial = Trial { scenario: Arc::clone(scenario), world: world.to_owned() };
    let outcome = engine::run(cluster, vec![trial], &options, events).await.pop();
    let Some((_, _, WorldOutcome::Tried(cells))) = outcome else {
        return Err(format!("world `{world}` was not tried: {outcome:?}").into());
    };
    if let Some((step, cell)) = cells.iter().find(|(_, cell)| !cell.verdict.meets(&cell.intended)) {
        return Err(format!("{world} · {step} is {} and not as intended: no figure", cell.verdict).into());
    }
    Ok(cells)
}
