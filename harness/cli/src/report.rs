//! What a run came to, before it is formatted.

pub(crate) mod comparison;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod machine;
pub(crate) mod repeat;
pub(crate) mod table;
pub(crate) mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{CellStatus, LoadedScenario, OutcomeCell, RecordedOutcome, WorldOutcome};
use runner::{ClusterFacts, KeptNamespace, RunOutcome, WHY_STOPPED};

use crate::exit::ExitReason;
use crate::fault::CommandFault;
use repeat::VerdictTally;

/// Why a world has no outcome, in the report of an interrupted run.
pub(crate) const WHY_UNFINISHED: &str = "the run was interrupted before it was done";

/// A whole run.
#[derive(Debug, Default)]
pub(crate) struct RunReport {
    pub(crate) scenarios: Vec<ScenarioResult>,
    /// Whether an empty choice is not a fault: what was asked for depends on what changed, or on
    /// whose turn it is.
    pub(crate) may_be_empty: bool,
    /// The options that name this run's folders, each with a space before it: commands that are
    /// shown repeat them.
    pub(crate) folders: String,
    /// Scenarios of which all that there is to say was said while others were tried, by id.
    pub(crate) told: BTreeSet<String>,
    /// How many nodes were asked for.
    pub(crate) nodes: Option<u8>,
    pub(crate) clusters: Vec<ClusterFacts>,
    /// What ended a cluster, or kept one from starting, or a file from being written.
    pub(crate) faults: Vec<CommandFault>,
    /// What was left behind.
    pub(crate) leaked: Vec<String>,
    /// Golden files that no scenario uses; only looked for when everything ran.
    pub(crate) orphans: Vec<PathBuf>,
    /// Namespaces that were kept.
    pub(crate) kept: Vec<KeptNamespace>,
    pub(crate) elapsed: Duration,
    /// How far it came, if it was interrupted.
    pub(crate) interrupted: Option<InterruptedRun>,
    /// How often each cell gave which verdict, if it was repeated.
    pub(crate) repeated: Option<VerdictTally>,
}

/// How far an interrupted run came, in worlds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InterruptedRun {
    pub(crate) done: usize,
    pub(crate) of: usize,
}

/// One scenario that was tried.
#[derive(Debug)]
pub(crate) struct ScenarioResult {
    pub(crate) scenario: Arc<LoadedScenario>,
    pub(crate) outcome: RecordedOutcome,
    pub(crate) golden: GoldenResult,
}

/// How the detail compares with what was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GoldenResult {
    /// Not looked at: a cell is not as intended.
    NotCompared,
    Same,
    New,
    Differs(String),
}

/// What one cell, or one whole scenario, came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportStatus {
    Passed,
    Failed,
    Flaky,
    Broken,
    Differs,
    New,
    Skipped,
}

impl ReportStatus {
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

    fn exit_reason(self) -> ExitReason {
        match self {
            Self::Passed | Self::Skipped => ExitReason::Passed,
            Self::Failed | Self::Flaky => ExitReason::Failed,
            Self::Broken => ExitReason::Broken,
            Self::Differs | Self::New => ExitReason::Differs,
        }
    }
}

/// One cell with its place in the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CellPlace<'a> {
    pub(crate) step: &'a str,
    pub(crate) world: &'a str,
    /// Nothing where the world was not tried.
    pub(crate) cell: Option<&'a OutcomeCell>,
    /// Why the world was not tried.
    pub(crate) why: &'a str,
    pub(crate) status: ReportStatus,
}

impl ScenarioResult {
    /// Every cell, by world and then by step, in the file's order; a step that a world leaves out
    /// has none there.
    pub(crate) fn cells(&self) -> Vec<CellPlace<'_>> {
        let steps = &self.scenario.scenario.steps;
        let worlds = self.outcome.worlds.iter();
        let places = worlds.flat_map(|(world, outcome)| {
            let taken = steps
                .iter()
                .filter(move |step| self.scenario.scenario.takes_step(world, &step.id));
            taken.map(move |step| place_cell(&step.id, world, outcome))
        });
        places.collect()
    }

    /// Whether worlds of it were not tried because the run ended before: what the others came to is
    /// no result of the scenario.
    fn was_cut_short(&self) -> bool {
        self.outcome.worlds.values().any(|outcome| {
            matches!(outcome, WorldOutcome::Skipped { why } if why == WHY_UNFINISHED || why == WHY_STOPPED)
        })
    }

    /// What the scenario came to.
    pub(crate) fn status(&self) -> ReportStatus {
        let cells = self.cells();
        let has = |status: ReportStatus| cells.iter().any(|cell| cell.status == status);
        for status in [
            ReportStatus::Broken,
            ReportStatus::Failed,
            ReportStatus::Flaky,
        ] {
            if has(status) {
                return status;
            }
        }
        match &self.golden {
            GoldenResult::New => ReportStatus::New,
            GoldenResult::Differs(_) => ReportStatus::Differs,
            _ if self.was_cut_short()
                || cells
                    .iter()
                    .all(|cell| cell.status == ReportStatus::Skipped) =>
            {
                ReportStatus::Skipped
            }
            _ => ReportStatus::Passed,
        }
    }
}

fn place_cell<'a>(step: &'a str, world: &'a str, outcome: &'a WorldOutcome) -> CellPlace<'a> {
    let (cell, why, status) = match outcome {
        WorldOutcome::Tried(cells) => match cells.get(step) {
            Some(cell) => (Some(cell), "", status_of(cell)),
            None => (None, "this step was not reached", ReportStatus::Broken),
        },
        WorldOutcome::Broken { why } => (None, why.as_str(), ReportStatus::Broken),
        WorldOutcome::Skipped { why } => (None, why.as_str(), ReportStatus::Skipped),
    };
    CellPlace {
        step,
        world,
        cell,
        why,
        status,
    }
}

fn status_of(cell: &OutcomeCell) -> ReportStatus {
    match cell.status() {
        CellStatus::Passed => ReportStatus::Passed,
        CellStatus::Failed => ReportStatus::Failed,
        CellStatus::Flaky => ReportStatus::Flaky,
        CellStatus::Broken => ReportStatus::Broken,
    }
}

impl RunReport {
    /// What a run came to, nothing of it compared with what was recorded.
    pub(crate) fn from_outcome(ran: RunOutcome) -> Self {
        let tried = ran.scenarios.into_iter().map(|one| {
            let (scenario, outcome) = (one.scenario, one.outcome);
            ScenarioResult {
                scenario,
                outcome,
                golden: GoldenResult::NotCompared,
            }
        });
        let mut report = Self {
            scenarios: tried.collect(),
            clusters: ran.clusters,
            kept: ran.kept,
            leaked: ran.leaks,
            ..Self::default()
        };
        for fault in ran.errors.into_iter().map(CommandFault::from) {
            if !report.faults.contains(&fault) {
                report.faults.push(fault);
            }
        }
        report
    }

    /// The worlds that were skipped, by what their cluster lacked.
    pub(crate) fn skipped_worlds(&self) -> BTreeMap<&str, usize> {
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
    pub(crate) fn exit_reason(&self) -> ExitReason {
        if self.interrupted.is_some() {
            return ExitReason::Interrupted;
        }
        let mut all: Vec<ExitReason> = self
            .scenarios
            .iter()
            .flat_map(ScenarioResult::exit_reasons)
            .collect();
        all.extend(self.faults.iter().map(|fault| fault.exit));
        if !self.leaked.is_empty() {
            all.push(ExitReason::Leaked);
        }
        if !self.orphans.is_empty() {
            all.push(ExitReason::Differs);
        }
        let nothing = self
            .scenarios
            .iter()
            .all(|tried| tried.status() == ReportStatus::Skipped);
        if nothing
            && !(self.may_be_empty && self.scenarios.is_empty())
            && all.iter().all(|exit| *exit == ExitReason::Passed)
        {
            return ExitReason::Nothing;
        }
        ExitReason::worst(all)
    }

    /// How many cells came to each status.
    pub(crate) fn count(&self, status: ReportStatus) -> usize {
        self.scenarios
            .iter()
            .flat_map(ScenarioResult::cells)
            .filter(|cell| cell.status == status)
            .count()
    }

    /// How many scenarios came to it.
    pub(crate) fn count_scenarios(&self, status: ReportStatus) -> usize {
        self.scenarios
            .iter()
            .filter(|tried| tried.status() == status)
            .count()
    }
}

impl ScenarioResult {
    /// Where its answers are defined, in words.
    pub(crate) fn answer_origins(&self) -> Vec<String> {
        let origins = self.scenario.scenario.holds.iter().flatten();
        origins.map(ToString::to_string).collect()
    }

    fn exit_reasons(&self) -> Vec<ExitReason> {
        let cells = self.cells();
        cells
            .iter()
            .map(|cell| cell.status.exit_reason())
            .chain([self.status().exit_reason()])
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use model::{Answer, AnswerDetail, Refuser, ScenarioLibrary, Verdict};

    use super::*;

    const SCENARIO: &str = "scenario: v2\nwhy: The label has to turn a privileged pod away.\n\
        worlds:\n  bare: {}\n  enforce: { apply: [ns.yaml] }\nsteps:\n\
        - id: privileged-pod\n  do: { create: pod.yaml }\n  expect-in: { bare: admitted, enforce: { denied: { by: pod-security } } }\n\
        - id: plain-pod\n  do: { create: pod.yaml }\n  expect: admitted\n";

    /// A scenario of two worlds and two steps, as it passed; `spoil` may change the cell of the
    /// privileged pod under enforcement.
    pub(crate) fn tried(spoil: impl FnOnce(&mut OutcomeCell)) -> ScenarioResult {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("pod-security/privileged");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("scenario.yaml"), SCENARIO).unwrap();
        std::fs::write(dir.join("ns.yaml"), "kind: Namespace\n").unwrap();
        std::fs::write(dir.join("pod.yaml"), "kind: Pod\n").unwrap();
        let loaded = ScenarioLibrary::open(folder.path())
            .unwrap()
            .scenarios
            .remove(0);
        let mut outcome = RecordedOutcome {
            id: loaded.id.clone(),
            ..RecordedOutcome::default()
        };
        for world in loaded.scenario.worlds.keys() {
            let cells = loaded.scenario.steps.iter().map(|step| {
                let intended = step.intended_verdict(world).unwrap().clone();
                let detail = AnswerDetail {
                    code: Some(201),
                    ..AnswerDetail::default()
                };
                let verdict = intended.clone().into();
                (
                    step.id.clone(),
                    OutcomeCell {
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
        ScenarioResult {
            scenario: Arc::new(loaded),
            outcome,
            golden: GoldenResult::Same,
        }
    }

    fn report(tried: ScenarioResult) -> RunReport {
        RunReport {
            scenarios: vec![tried],
            ..RunReport::default()
        }
    }

    #[test]
    fn the_exit_follows_from_the_worst_cell() {
        let exit = |spoil: fn(&mut OutcomeCell)| report(tried(spoil)).exit_reason();
        assert_eq!(exit(|_| {}), ExitReason::Passed);
        assert_eq!(
            exit(|cell| cell.verdict = Answer::Admitted.into()),
            ExitReason::Failed
        );
        assert_eq!(
            exit(|cell| cell.verdict = Answer::Denied {
                by: Refuser::NodeRestriction
            }
            .into()),
            ExitReason::Failed
        );
        assert_eq!(
            exit(|cell| cell.second = Some(Answer::Admitted.into())),
            ExitReason::Failed
        );
        assert_eq!(
            exit(|cell| cell.verdict = Verdict::broken("no reply")),
            ExitReason::Broken
        );
    }

    #[test]
    fn detail_that_changed_differs_and_a_broken_world_is_broken() {
        let mut differs = tried(|_| {});
        differs.golden = GoldenResult::Differs("diff".into());
        assert_eq!(
            (differs.status(), report(differs).exit_reason()),
            (ReportStatus::Differs, ExitReason::Differs)
        );
        let mut new = tried(|_| {});
        new.golden = GoldenResult::New;
        assert_eq!(
            (new.status(), report(new).exit_reason()),
            (ReportStatus::New, ExitReason::Differs)
        );
        let mut broken = tried(|_| {});
        broken.outcome.worlds.insert(
            "bare".into(),
            WorldOutcome::Broken {
                why: "no cluster".into(),
            },
        );
        assert_eq!(report(broken).exit_reason(), ExitReason::Broken);
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
        assert_eq!(skipped.status(), ReportStatus::Skipped);
        assert_eq!(report(skipped).exit_reason(), ExitReason::Nothing);
        assert_eq!(RunReport::default().exit_reason(), ExitReason::Nothing);
    }

    #[test]
    fn leaks_faults_and_orphans_count() {
        let mut all = report(tried(|_| {}));
        all.orphans.push("golden/x.snap".into());
        assert_eq!(all.exit_reason(), ExitReason::Differs);
        all.leaked.push("box run-1-1".into());
        assert_eq!(all.exit_reason(), ExitReason::Leaked);
        all.faults.push(CommandFault::machine("no rights"));
        assert_eq!(all.exit_reason(), ExitReason::Machine);
    }
}
