//! `--repeat N`: the same run, N times over.

use runner::{RunOutcome, ScenarioOutcome};

use crate::fault::CommandFault;
use crate::report::repeat::{VerdictTally, merge_run};

/// The first run, with what was otherwise in those after it.
pub(super) struct RepeatedRun {
    pub(super) ran: RunOutcome,
    /// What the scenarios of each later run came to.
    pub(super) later: Vec<Vec<ScenarioOutcome>>,
    /// Nothing for a single run.
    pub(super) tally: Option<VerdictTally>,
}

/// Runs it this many times.
pub(super) fn repeat_run(
    times: u16,
    mut run: impl FnMut() -> Result<RunOutcome, CommandFault>,
) -> Result<RepeatedRun, CommandFault> {
    let mut ran = run()?;
    if times == 1 {
        return Ok(RepeatedRun {
            ran,
            later: Vec::new(),
            tally: None,
        });
    }
    let (mut tally, mut later) = (VerdictTally::default(), Vec::new());
    tally.add_run(&ran.scenarios);
    for _ in 1..times {
        let again = run()?;
        tally.add_run(&again.scenarios);
        merge_run(&mut ran.scenarios, &again.scenarios);
        ran.clusters.extend(again.clusters);
        ran.errors.extend(again.errors);
        ran.leaks.extend(again.leaks);
        ran.live.extend(again.live);
        later.push(again.scenarios);
    }
    Ok(RepeatedRun {
        ran,
        later,
        tally: Some(tally),
    })
}
