//! What a run came to, before anybody formats it.

pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod machine;
pub(crate) mod table;
pub(crate) mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{Cell, CellStatus, Loaded, Outcome, WorldOutcome};
use runner::{ClusterFacts, KeptNamespace, RunOutcome};

use crate::exit::Exit;
use crate::fault::Fault;

/// A whole run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) scenarios: Vec<Tried>,
    /// Whether that there are none is no fault: what was asked for depends on what changed, or on whose turn it is.
    pub(crate) may_be_empty: bool,
    /// The options that name this run's folders, each with a space before it: commands that are shown repeat them.
    pub(crate) folders: String,
    /// Scenarios of which all that there is to say was said while others were tried, by id.
    pub(crate) told: BTreeSet<String>,
    /// How many nodes were asked for.
    pub(crate) nodes: Option<u8>,
    pub(crate) clusters: Vec<ClusterFacts>,
    /// What ended a cluster, or kept one from starting, or a file from being written.
    pub(crate) faults: Vec<Fault>,
    /// What was left behind.
    pub(crate) leaked: Vec<String>,
    /// Golden files that no scenario uses; only looked for when everything ran.
    pub(crate) orphans: Vec<PathBuf>,
    /// Namespaces that were kept.
    pub(crate) kept: Vec<KeptNamespace>,
    pub(crate) elapsed: Duration,
}

/// One scenario that was tried.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) scenario: Arc<Loaded>,
    pub(crate) outcome: Outcome,
    pub(crate) golden: Golden,
}

/// How the detail compares with what was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Golden {
    /// Not looked at: a cell is not as intended.
    NotCompared,
    Same,
    New,
    Differs(String),
}

/// What one cell, or one whole scenario, came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Passed,
    Failed,
    Flaky,
    Broken,
    Differs,
    New,
    Skipped,
}

impl Status {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Flaky => "flaky",
            Self::Broken => "broken",
            Self::Differs => "differs",
            Self::New => "new",
            Self::Skipped => "skipped",
        }
    }

    fn exit(self) -> Exit {
        match self {
            Self::Passed | Self::Skipped => Exit::Passed,
            Self::Failed | Self::Flaky => Exit::Failed,
            Self::Broken => Exit::Broken,
            Self::Differs | Self::New => Exit::Differs,
        }
    }
}

/// One cell with its place in the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) step: &'a str,
    pub(crate) world: &'a str,
    /// Nothing where the world was not tried.
    pub(crate) cell: Option<&'a Cell>,
    /// Why the world was not tried.
    pub(crate) why: &'a str,
    pub(crate) status: Status,
}

impl Tried {
    /// Every cell, by world and then by step, in the file's order; a step that a world leaves out has none there.
    pub(crate) fn cells(&self) -> Vec<Place<'_>> {
        let steps = &self.scenario.scenario.steps;
        let worlds = self.outcome.worlds.iter();
        let places = worlds.flat_map(|(world, outcome)| {
            let taken = steps
                .iter()
                .filter(move |step| self.scenario.scenario.takes(world, &step.id));
            taken.map(move |step| place(&step.id, world, outcome))
        });
        places.collect()
    }

    /// What the scenario came to.
    pub(crate) fn status(&self) -> Status {
        let cells = self.cells();
        let has = |status: Status| cells.iter().any(|cell| cell.status == status);
        for status in [Status::Broken, Status::Failed, Status::Flaky] {
            if has(status) {
                return status;
            }
        }
        match &self.golden {
            Golden::New => Status::New,
            Golden::Differs(_) => Status::Differs,
            _ if cells.iter().all(|cell| cell.status == Status::Skipped) => Status::Skipped,
            _ => Status::Passed,
        }
    }
}

fn place<'a>(step: &'a str, world: &'a str, outcome: &'a WorldOutcome) -> Place<'a> {
    let (cell, why, status) = match outcome {
        WorldOutcome::Tried(cells) => match cells.get(step) {
            Some(cell) => (Some(cell), "", status_of(cell)),
            None => (None, "this step was not reached", Status::Broken),
        },
        WorldOutcome::Broken { why } => (None, why.as_str(), Status::Broken),
        WorldOutcome::Skipped { why } => (None, why.as_str(), Status::Skipped),
    };
    Place {
        step,
        world,
        cell,
        why,
        status,
    }
}

fn status_of(cell: &Cell) -> Status {
    match cell.status() {
        CellStatus::Passed => Status::Passed,
        CellStatus::Failed => Status::Failed,
        CellStatus::Flaky => Status::Flaky,
        CellStatus::Broken => Status::Broken,
    }
}

impl Report {
    /// What a run came to, nothing of it compared with what was recorded.
    pub(crate) fn of(ran: RunOutcome) -> Self {
        let tried = ran.scenarios.into_iter().map(|one| {
            let (scenario, outcome) = (one.scenario, one.outcome);
            Tried {
                scenario,
                outcome,
                golden: Golden::NotCompared,
            }
        });
        let mut report = Self {
            scenarios: tried.collect(),
            clusters: ran.clusters,
            kept: ran.kept,
            leaked: ran.leaks,
            ..Self::default()
        };
        for fault in ran.errors.into_iter().map(Fault::from) {
            if !report.faults.contains(&fault) {
                report.faults.push(fault);
            }
        }
        report
    }

    /// The worlds that were skipped, by what their cluster lacked.
    pub(crate) fn skips(&self) -> BTreeMap<&str, usize> {
        let mut skips: BTreeMap<&str, usize> = BTreeMap::new();
        for outcome in self
            .scenarios
            .iter()
            .flat_map(|tried| tried.outcome.worlds.values())
        {
            if let WorldOutcome::Skipped { why } = outcome {
                *skips.entry(why).or_default() += 1;
            }
        }
        skips
    }

    /// How the command ends.
    pub(crate) fn exit(&self) -> Exit {
        let mut all: Vec<Exit> = self.scenarios.iter().flat_map(Tried::exits).collect();
        all.extend(self.faults.iter().map(|fault| fault.exit));
        if !self.leaked.is_empty() {
            all.push(Exit::Leaked);
        }
        if !self.orphans.is_empty() {
            all.push(Exit::Differs);
        }
        let nothing = self
            .scenarios
            .iter()
            .all(|tried| tried.status() == Status::Skipped);
        if nothing
            && !(self.may_be_empty && self.scenarios.is_empty())
            && all.iter().all(|exit| *exit == Exit::Passed)
        {
            return Exit::Nothing;
        }
        Exit::worst(all)
    }

    /// How many cells came to each status.
    pub(crate) fn count(&self, status: Status) -> usize {
        self.scenarios
            .iter()
            .flat_map(Tried::cells)
            .filter(|cell| cell.status == status)
            .count()
    }

    /// How many scenarios came to it.
    pub(crate) fn scenarios_that(&self, status: Status) -> usize {
        self.scenarios
            .iter()
            .filter(|tried| tried.status() == status)
            .count()
    }
}

impl Tried {
    fn exits(&self) -> Vec<Exit> {
        let cells = self.cells();
        cells
            .iter()
            .map(|cell| cell.status.exit())
            .chain([self.status().exit()])
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use model::{Answer, By, Detail, Library, Verdict};

    use super::*;

    const SCENARIO: &str = "scenario: v2\nwhy: The label has to turn a privileged pod away.\n\
        worlds:\n  bare: {}\n  enforce: { apply: [ns.yaml] }\nsteps:\n\
        - id: privileged-pod\n  do: { create: pod.yaml }\n  expect-in: { bare: admitted, enforce: { denied: { by: pod-security } } }\n\
        - id: plain-pod\n  do: { create: pod.yaml }\n  expect: admitted\n";

    /// A scenario of two worlds and two steps, as it passed; `spoil` may change the cell of the privileged pod under
    /// enforcement.
    pub(crate) fn tried(spoil: impl FnOnce(&mut Cell)) -> Tried {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("pod-security/privileged");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("scenario.yaml"), SCENARIO).unwrap();
        std::fs::write(dir.join("ns.yaml"), "kind: Namespace\n").unwrap();
        std::fs::write(dir.join("pod.yaml"), "kind: Pod\n").unwrap();
        let loaded = Library::open(folder.path()).unwrap().scenarios.remove(0);
        let mut outcome = Outcome {
            id: loaded.id.clone(),
            ..Outcome::default()
        };
        for world in loaded.scenario.worlds.keys() {
            let cells = loaded.scenario.steps.iter().map(|step| {
                let intended = step.intended(world).unwrap().clone();
                let detail = Detail {
                    code: Some(201),
                    ..Detail::default()
                };
                let verdict = intended.clone().into();
                (
                    step.id.clone(),
                    Cell {
                        intended,
                        verdict,
                        second: None,
                        detail,
                        millis: 12.0,
                    },
                )
            });
            outcome
                .worlds
                .insert(world.clone(), WorldOutcome::Tried(cells.collect()));
        }
        if let Some(WorldOutcome::Tried(cells)) = outcome.worlds.get_mut("enforce") {
            spoil(&mut cells["privileged-pod"]);
        }
        Tried {
            scenario: Arc::new(loaded),
            outcome,
            golden: Golden::Same,
        }
    }

    fn report(tried: Tried) -> Report {
        Report {
            scenarios: vec![tried],
            ..Report::default()
        }
    }

    #[test]
    fn the_exit_follows_from_the_worst_cell() {
        let exit = |spoil: fn(&mut Cell)| report(tried(spoil)).exit();
        assert_eq!(exit(|_| {}), Exit::Passed);
        assert_eq!(
            exit(|cell| cell.verdict = Answer::Admitted.into()),
            Exit::Failed
        );
        assert_eq!(
            exit(|cell| cell.verdict = Answer::Denied {
                by: By::NodeRestriction
            }
            .into()),
            Exit::Failed
        );
        assert_eq!(
            exit(|cell| cell.second = Some(Answer::Admitted.into())),
            Exit::Failed
        );
        assert_eq!(
            exit(|cell| cell.verdict = Verdict::broken("no reply")),
            Exit::Broken
        );
    }

    #[test]
    fn detail_that_changed_differs_and_a_broken_world_is_broken() {
        let mut differs = tried(|_| {});
        differs.golden = Golden::Differs("diff".into());
        assert_eq!(
            (differs.status(), report(differs).exit()),
            (Status::Differs, Exit::Differs)
        );
        let mut new = tried(|_| {});
        new.golden = Golden::New;
        assert_eq!(
            (new.status(), report(new).exit()),
            (Status::New, Exit::Differs)
        );
        let mut broken = tried(|_| {});
        broken.outcome.worlds.insert(
            "bare".into(),
            WorldOutcome::Broken {
                why: "no cluster".into(),
            },
        );
        assert_eq!(report(broken).exit(), Exit::Broken);
    }

    #[test]
    fn a_run_in_which_everything_was_skipped_ran_nothing() {
        let mut skipped = tried(|_| {});
        for world in ["bare", "enforce"] {
            skipped.outcome.worlds.insert(
                world.into(),
                WorldOutcome::Skipped {
                    why: "not for this cluster".into(),
                },
            );
        }
        assert_eq!(skipped.status(), Status::Skipped);
        assert_eq!(report(skipped).exit(), Exit::Nothing);
        assert_eq!(Report::default().exit(), Exit::Nothing);
    }

    #[test]
    fn leaks_faults_and_orphans_count() {
        let mut all = report(tried(|_| {}));
        all.orphans.push("golden/x.snap".into());
        assert_eq!(all.exit(), Exit::Differs);
        all.leaked.push("box run-1-1".into());
        assert_eq!(all.exit(), Exit::Leaked);
        all.faults.push(Fault::machine("no rights"));
        assert_eq!(all.exit(), Exit::Machine);
    }
}
