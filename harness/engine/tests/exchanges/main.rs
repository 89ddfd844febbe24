//! Worlds, tried against an API server that answers from a script: one test for each file beside
//! this one. A file holds a scenario, the requests that its world makes with the replies to them,
//! and what has to come of it. No cluster and no box is needed.
//!
//! A file that names a release holds what a real cluster of that release answered. With
//! `GAUNTLET_RECORD=KUBECONFIG` its exchanges are recorded again, and replayed. What has to come of
//! them stays as it is, and is compared both times.

#![expect(clippy::unwrap_used, reason = "a test without the usual harness")]

mod recording;
mod script;
mod server;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use cluster::Cluster;
use engine::{EngineEvent, EngineOptions, StopFlag, TrialQueue, WorldTrial, WorldTurns};
use libtest_mimic::{Arguments, Failed, Trial as Test};
use model::{LoadedScenario, OutcomeCell, WorldOutcome};
use recording::{RecordingServer, write_exchanges};
use script::{ApiServer, Exchange};
use serde::Deserialize;

/// One file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    /// What it shows.
    #[expect(dead_code, reason = "for readers of the file")]
    why: String,
    scenario: String,
    #[serde(default)]
    files: BTreeMap<String, String>,
    world: String,
    /// Other worlds of the scenario, which are tried in the same run with as many turns as there
    /// are worlds.
    #[serde(default)]
    beside: Vec<String>,
    /// The release of Kubernetes whose answers these are; none where they were written by hand.
    #[serde(default)]
    release: Option<String>,
    exchanges: Vec<Exchange>,
    /// Whether a world with a cell that is not as expected is looked at twice.
    #[serde(default)]
    second_look: bool,
    /// Requests that have to come in this order, whatever comes between them.
    #[serde(default)]
    order: Vec<String>,
    /// The verdict of each step that is taken, with that of a second look where it differs;
    /// `set-up` alone where the world is broken. A step of a world beside is `WORLD/STEP`.
    verdicts: BTreeMap<String, String>,
    /// What is said to be left behind.
    #[serde(default)]
    left: Vec<String>,
}

/// A cluster to record from: the path of its kubeconfig.
const RECORD: &str = "GAUNTLET_RECORD";

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exchanges");
    let paths = fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    paths.sort();
    let mut arguments = Arguments::from_args();
    // Worlds mostly wait, all at a time; in a real cluster some need it to themselves.
    let at_once = env::var_os(RECORD).map_or(paths.len(), |_| 1);
    arguments.test_threads = arguments.test_threads.or(Some(at_once));
    let tests = paths.into_iter().map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        Test::test(name, move || try_file(&path))
    });
    libtest_mimic::run(&arguments, tests.collect()).exit_code()
}

fn try_file(path: &Path) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let file = Recorded::read(path)?;
    if let (Some(kubeconfig), Some(release)) = (env::var_os(RECORD), &file.release) {
        runtime.block_on(record(&file, release, Path::new(&kubeconfig), path))?;
    }
    runtime.block_on(replay(&Recorded::read(path)?))
}

/// Asks a cluster, and keeps what it said where that comes to what the file says.
async fn record(
    file: &Recorded,
    release: &str,
    kubeconfig: &Path,
    path: &Path,
) -> Result<(), Failed> {
    let (folder, server) = (
        tempfile::tempdir()?,
        RecordingServer::start(kubeconfig).await,
    );
    let cluster = server.cluster(folder.path()).await;
    same("the release", &cluster.facts().version.as_str(), &release)?;
    file.compare(&cluster, || server.asked()).await?;
    write_exchanges(path, &server.exchanges(&file.named()));
    Ok(())
}

async fn replay(file: &Recorded) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let server = ApiServer::start(file.exchanges.clone()).await;
    let cluster = server.cluster(folder.path()).await;
    let compared = file.compare(&cluster, || server.asked()).await;
    same("complaints", &server.complaints(), &Vec::new())?;
    compared
}

impl Recorded {
    fn read(path: &Path) -> Result<Self, Failed> {
        Ok(serde_saphyr::from_str(&fs::read_to_string(path)?)?)
    }

    /// Everything in which kinds are named.
    fn named(&self) -> String {
        let files = self.files.values().map(String::as_str);
        files.chain([self.scenario.as_str()]).collect()
    }

    /// Tries the world in this cluster, and compares what comes of it.
    async fn compare(
        &self,
        cluster: &Cluster,
        asked: impl Fn() -> Vec<String>,
    ) -> Result<(), Failed> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("scenario.yaml"), &self.scenario)?;
        for (name, text) in &self.files {
            fs::write(folder.path().join(name), text)?;
        }
        let scenario = Arc::new(LoadedScenario::read(
            "test/exchanges".into(),
            folder.path().to_owned(),
        )?);
        let gathered = tempfile::tempdir()?;
        let options = EngineOptions {
            keep: false,
            evidence: self.second_look.then(|| gathered.path().to_owned()),
            ends_at_failure: !self.second_look,
            turns: WorldTurns::new(1 + self.beside.len()),
            workshop: Arc::default(),
            stop: StopFlag::default(),
            pauses: None,
        };
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let worlds = [&self.world].into_iter().chain(&self.beside);
        let trials = worlds.map(|world| WorldTrial {
            scenario: Arc::clone(&scenario),
            world: world.clone(),
        });
        let queue = TrialQueue::new(trials.collect());
        let outcomes = engine::run_trials(cluster, &queue, &options, tell).await;
        let seen = outcomes.into_iter().flat_map(|(trial, outcome)| {
            let prefix = match trial.world {
                world if world == self.world => String::new(),
                beside => format!("{beside}/"),
            };
            let named = move |(step, said)| (format!("{prefix}{step}"), said);
            verdicts(outcome).into_iter().map(named)
        });
        let seen: BTreeMap<String, String> = seen.collect();
        let mut left = Vec::new();
        while let Some(event) = told.recv().await {
            if let EngineEvent::LeftBehind { what, .. } | EngineEvent::SentinelLeft { what } = event
            {
                left.push(script::without_random_names(&what));
            }
        }
        same("verdicts", &seen, &self.verdicts)?;
        same("left behind", &left, &self.left)?;
        let mut in_order = asked().into_iter();
        let late = self
            .order
            .iter()
            .find(|wanted| !in_order.any(|ask| ask == **wanted));
        match late {
            None => Ok(()),
            Some(late) => {
                let asked = asked();
                Err(format!("not asked in its place: {late}; asked were {asked:#?}").into())
            }
        }
    }
}

fn verdicts(outcome: Option<WorldOutcome>) -> BTreeMap<String, String> {
    match outcome {
        Some(WorldOutcome::Tried(cells)) => {
            let told = |cell: OutcomeCell| match cell.second {
                None => cell.verdict.to_string(),
                Some(second) => format!("{}, then {second}", cell.verdict),
            };
            cells
                .into_iter()
                .map(|(step, cell)| (step, told(cell)))
                .collect()
        }
        Some(WorldOutcome::Broken { why } | WorldOutcome::Skipped { why }) => {
            [("set-up".to_owned(), why)].into()
        }
        None => BTreeMap::new(),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, seen: &T, wanted: &T) -> Result<(), Failed> {
    if seen == wanted {
        Ok(())
    } else {
        Err(format!("{what}: {seen:#?}, and not {wanted:#?}").into())
    }
}
