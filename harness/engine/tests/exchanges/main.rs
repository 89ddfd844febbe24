//! Worlds, tried against an API server that answers from a script: one test for each file beside
//! this one. A file holds a scenario, the requests that its world makes with the replies to them,
//! and what has to come of it. No cluster and no box is needed.

#![expect(clippy::unwrap_used, reason = "a test without the usual harness")]

mod script;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use engine::{EngineEvent, EngineOptions, WorldTrial, WorldTurns};
use libtest_mimic::{Arguments, Failed, Trial as Test};
use model::{LoadedScenario, OutcomeCell, WorldOutcome};
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
    exchanges: Vec<Exchange>,
    /// Whether a world with a cell that is not as expected is looked at twice.
    #[serde(default)]
    second_look: bool,
    /// Requests that have to come in this order, whatever comes between them.
    #[serde(default)]
    order: Vec<String>,
    /// The verdict of each step that is taken, with that of a second look where it differs;
    /// `set-up` alone where the world is broken.
    verdicts: BTreeMap<String, String>,
    /// What is said to be left behind.
    #[serde(default)]
    left: Vec<String>,
}

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
    let tests = paths.into_iter().map(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        Test::test(name, move || replay(&path))
    });
    libtest_mimic::run(&Arguments::from_args(), tests.collect()).exit_code()
}

fn replay(path: &Path) -> Result<(), Failed> {
    let recorded: Recorded = serde_saphyr::from_str(&fs::read_to_string(path)?)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(compare(recorded))
}

async fn compare(recorded: Recorded) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("scenario.yaml"), &recorded.scenario)?;
    for (name, text) in &recorded.files {
        fs::write(folder.path().join(name), text)?;
    }
    let scenario = Arc::new(LoadedScenario::read(
        "test/exchanges".into(),
        folder.path().to_owned(),
    )?);
    let server = ApiServer::start(recorded.exchanges).await;
    let cluster = server.cluster(tempfile::tempdir()?.path()).await;
    let gathered = tempfile::tempdir()?;
    let evidence = recorded.second_look.then(|| gathered.path().to_owned());
    let options = EngineOptions {
        keep: false,
        evidence,
        turns: WorldTurns::new(1),
        workshop: Arc::default(),
    };
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let trial = WorldTrial {
        scenario,
        world: recorded.world,
    };
    let outcome = engine::run_trials(&cluster, vec![trial], &options, tell)
        .await
        .pop()
        .and_then(|(_, _, outcome)| outcome);
    let mut left = Vec::new();
    while let Some(event) = told.recv().await {
        if let EngineEvent::LeftBehind { what, .. } = event {
            left.push(script::without_random_names(&what));
        }
    }
    same("complaints", &server.complaints(), &Vec::new())?;
    same("verdicts", &verdicts(outcome), &recorded.verdicts)?;
    same("left behind", &left, &recorded.left)?;
    let mut asked = server.asked().into_iter();
    match recorded
        .order
        .iter()
        .find(|wanted| !asked.any(|ask| ask == **wanted))
    {
        None => Ok(()),
        Some(late) => Err(format!(
            "not asked in its place: {late}; asked were {:#?}",
            server.asked()
        )
        .into()),
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
