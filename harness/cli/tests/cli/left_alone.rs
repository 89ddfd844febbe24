//! A world leaves its cluster as it found it, or the cluster ends with it. Everything that an API
//! server lists is compared before and after worlds that, together, write every kind of object and
//! take every action but those by which a cluster ends.
//!
//! A landing tries one part of them, and the next landing the next one. `GAUNTLET_LEFT_ALONE=all`
//! tries every one, and a number the part whose turn it is then.

mod chosen;
mod listing;

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{
    EngineEvent, EngineOptions, RunWorkshop, StopFlag, TrialQueue, WorldTrial, WorldTurns,
    run_trials,
};
use model::{CellStatus, ClusterSpec, ScenarioLibrary, WorldOutcome};
use native::BoxCache;
use runner::{BoxStarter, LiveBoxes, LiveCluster};
use tokio::sync::mpsc::unbounded_channel;

use crate::support::{GAUNTLET, can_start_boxes};
use chosen::{ChosenWorlds, choose_worlds};
use listing::{settled_listing, wait_until_same};

const WHICH_PART: &str = "GAUNTLET_LEFT_ALONE";

/// Then no component may be missing; CI sets it where all are built.
const ALL_BUILT: &str = "GAUNTLET_ALL_BUILT";

/// This many landings try all of them.
const PARTS: usize = 20;

/// A world that others could notice, and so the next one on its cluster, where it is still good for
/// one.
const NEXT_WORLD: &str = "\
scenario: v2
why: It comes after another world, and meets nothing of it.
worlds: { bare: {} }
steps:
  - { id: nothing, namespace: default, do: { delete: configmap/never-there }, expect: not-found }
";

#[test]
fn every_kind_and_action_leaves_its_cluster_as_it_was() {
    let due = due_part(choose_worlds(&repository()));
    assert!(!due.is_empty());
    for trial in due.iter().flat_map(|group| &group.trials) {
        eprintln!("due: {} in {}", trial.scenario.id, trial.world);
    }
    if !can_start_boxes("every_kind_and_action_leaves_its_cluster_as_it_was") {
        return;
    }
    let (folder, next) = next_trial();
    let cache = BoxCache::from_env().unwrap();
    let trier = WorldTrier {
        boxes: BoxStarter::new(cache.clone(), GAUNTLET, LiveBoxes::default()),
        workshop: Arc::default(),
        next,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut faults, mut compared, mut tried) = (Vec::new(), 0, 0);
    for (index, ChosenWorlds { spec, trials }) in due.into_iter().enumerate() {
        if let Err(missing) = native::needs_nothing_built(&cache, &spec) {
            assert!(std::env::var_os(ALL_BUILT).is_none(), "{missing}");
            eprintln!("left to ci/full: {missing}");
            continue;
        }
        let name = format!("alone-{}-{index}", std::process::id());
        tried += trials.len();
        let (found, as_before) = runtime.block_on(trier.try_group(&name, &spec, trials.into()));
        faults.extend(found);
        compared += as_before;
    }
    drop(folder);
    // Some worlds end their box by what they are about, and most do not.
    assert!(
        tried < 3 || compared > 0,
        "none of {tried} worlds left its box good for another"
    );
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of the scenario that comes next, and its world.
fn next_trial() -> (tempfile::TempDir, WorldTrial) {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("apart/next");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join("scenario.yaml"), NEXT_WORLD).unwrap();
    let library = ScenarioLibrary::open(folder.path()).unwrap();
    assert!(library.faults.is_empty(), "{:?}", library.faults);
    let scenario = Arc::new(library.scenarios.into_iter().next().unwrap());
    let world = "bare".to_owned();
    (folder, WorldTrial { scenario, world })
}

/// All of them, or those of this landing: the number of landings before it says whose turn it is.
fn due_part(chosen: Vec<ChosenWorlds>) -> Vec<ChosenWorlds> {
    let turn = match std::env::var(WHICH_PART).as_deref() {
        Ok("all") => return chosen,
        Ok(turn) => turn.parse().unwrap(),
        Err(_) => count_landings(),
    };
    let number: usize = chosen.iter().map(|group| group.trials.len()).sum();
    let (size, mut place) = (number.div_ceil(PARTS), 0);
    let mut is_due = |_: &WorldTrial| {
        place += 1;
        (place - 1) / size == turn % number.div_ceil(size)
    };
    let mut due = chosen;
    for group in &mut due {
        group.trials.retain(&mut is_due);
    }
    due.retain(|group| !group.trials.is_empty());
    due
}

fn count_landings() -> usize {
    let landed = fs::read_to_string(repository().join("ci/landed")).unwrap();
    landed.lines().filter(|line| !line.starts_with('#')).count()
}

struct WorldTrier {
    boxes: BoxStarter,
    workshop: Arc<RunWorkshop>,
    next: WorldTrial,
}

impl WorldTrier {
    /// Tries worlds one after the other, each in the box of the one before it where that is still
    /// good for another world: what is wrong, and after how many worlds the cluster was compared.
    async fn try_group(
        &self,
        name: &str,
        spec: &ClusterSpec,
        mut trials: VecDeque<WorldTrial>,
    ) -> (Vec<String>, usize) {
        let (mut faults, mut compared) = (Vec::new(), 0);
        while !trials.is_empty() {
            let cluster = self.boxes.start(name, spec, |_| {}).await.unwrap();
            let caller = api::ApiCaller::new(cluster.admin_client().clone(), "gauntlet-test");
            let before = settled_listing(&caller).await;
            while let Some(trial) = trials.pop_front() {
                let (mut found, is_good) = self.try_before_next(&cluster, &trial).await;
                if is_good {
                    compared += 1;
                    found.extend(wait_until_same(&caller, &before).await.err());
                }
                let was_clean = found.is_empty();
                let id = format!("{} in {}", trial.scenario.id, trial.world);
                eprintln!("{id}: {}", if is_good { "as before" } else { "ended" });
                faults.extend(found.into_iter().map(|what| format!("{id}: {what}")));
                if !is_good || !was_clean {
                    break;
                }
            }
            cluster.take_down().await.unwrap();
        }
        (faults, compared)
    }

    /// Tries a world, and the next one after it: what is wrong, and whether the cluster was good for
    /// that one.
    async fn try_before_next(
        &self,
        cluster: &LiveCluster,
        trial: &WorldTrial,
    ) -> (Vec<String>, bool) {
        let options = EngineOptions {
            keep: false,
            evidence: None,
            ends_at_failure: true,
            turns: WorldTurns::new(1),
            workshop: Arc::clone(&self.workshop),
            stop: StopFlag::default(),
            pauses: None,
        };
        let queue = TrialQueue::new(vec![trial.clone(), self.next.clone()]);
        let (sender, mut events) = unbounded_channel();
        let tried = run_trials(cluster, &queue, &options, sender).await;
        let mut found: Vec<String> = tried.iter().filter_map(unexpected_outcome).collect();
        while let Ok(event) = events.try_recv() {
            if let EngineEvent::LeftBehind { what, .. } | EngineEvent::SentinelLeft { what } = event
            {
                found.push(format!("it left {what}"));
            }
        }
        (found, queue.count_left() == 0)
    }
}

/// What is not as intended: such a world shows nothing.
fn unexpected_outcome((trial, outcome): &(WorldTrial, Option<WorldOutcome>)) -> Option<String> {
    let is_passed = matches!(
        outcome,
        Some(WorldOutcome::Tried(cells))
            if cells.values().all(|cell| cell.status() == CellStatus::Passed)
    );
    (!is_passed).then(|| format!("{} is not as intended: {outcome:?}", trial.scenario.id))
}
