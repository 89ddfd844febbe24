//! The report for people.

use std::path::Path;

use model::OutcomeCell;
use runner::WHY_NO_CLUSTER;

use super::{
    CellPlace, GoldenResult, InterruptedRun, ReportStatus, RunReport, ScenarioResult, table,
};
use crate::commands::lint::count_scenarios;
use crate::progress::format_seconds;

/// The whole report: a line for each scenario, a table and the failures for those that did not
/// pass, a summary.
pub(crate) fn report_text(report: &RunReport, evidence: &Path, tables: bool) -> String {
    let mut out = String::new();
    let width = report
        .scenarios
        .iter()
        .map(|tried| tried.scenario.id.len())
        .max()
        .unwrap_or_default();
    for tried in report
        .scenarios
        .iter()
        .filter(|tried| !report.told.contains(&tried.scenario.id))
    {
        out.push_str(&scenario_line(tried, width, tables));
    }
    for tried in report
        .scenarios
        .iter()
        .filter(|tried| !is_good(tried.status()) && !had_no_cluster(tried))
    {
        out.push_str(&failure_block(tried, evidence, report));
    }
    out.push_str(&run_tail(report));
    out.push_str(&format!("\n{}\n", summary_line(report)));
    out
}

/// The line of one scenario, and its table if `tables` asks for it and nothing is wrong: where
/// something is, the table comes with what is to be said of that.
pub(crate) fn scenario_line(tried: &ScenarioResult, width: usize, tables: bool) -> String {
    let id = &tried.scenario.id;
    let mut out = format!(
        "{:<8} {id:width$}  {}\n",
        tried.status().word(),
        extent_text(tried)
    );
    if tables && is_good(tried.status()) {
        out.push_str(&format!("\n{}\n\n", table::scenario_table(tried)));
    }
    out
}

fn is_good(status: ReportStatus) -> bool {
    matches!(status, ReportStatus::Passed | ReportStatus::Skipped)
}

/// Whether all that is to be said of it is that its cluster did not start.
fn had_no_cluster(tried: &ScenarioResult) -> bool {
    tried
        .cells()
        .iter()
        .all(|cell| cell.status == ReportStatus::Passed || cell.why == WHY_NO_CLUSTER)
        && tried.status() == ReportStatus::Broken
}

fn extent_text(tried: &ScenarioResult) -> String {
    let (worlds, steps) = (
        tried.outcome.worlds.len(),
        tried.scenario.scenario.steps.len(),
    );
    let skipped = tried
        .cells()
        .iter()
        .filter(|cell| cell.status == ReportStatus::Skipped)
        .count();
    let note = if skipped > 0 {
        format!(", {skipped} skipped")
    } else {
        String::new()
    };
    let (cells, all) = (tried.cells().len(), worlds * steps);
    let omitted = if cells < all {
        format!(" − {}", all - cells)
    } else {
        String::new()
    };
    format!("{worlds} × {steps}{omitted} = {cells} cells{note}")
}

/// Everything about a scenario that did not pass.
fn failure_block(tried: &ScenarioResult, evidence: &Path, report: &RunReport) -> String {
    let (id, folders) = (&tried.scenario.id, &report.folders);
    let nodes = report
        .nodes
        .map(|nodes| format!(" --nodes {nodes}"))
        .unwrap_or_default();
    let options = format!("{folders}{nodes}");
    let mut out = format!(
        "\n{} {id}\n\n{}\n",
        tried.status().word(),
        table::scenario_table(tried)
    );
    let mut said = Vec::new();
    for cell in tried.cells() {
        if matches!(
            cell.status,
            ReportStatus::Failed | ReportStatus::Flaky | ReportStatus::Broken
        ) {
            out.push_str(&cell_failure(tried, &cell, (evidence, &options), &mut said));
        }
    }
    match &tried.golden {
        GoldenResult::New => out.push_str(&format!(
            "\n  nothing is recorded for it yet\n\nhint: look at the table, then `gauntlet accept {id}{folders}`\n"
        )),
        GoldenResult::Differs(diff) => {
            out.push_str(&format!("\n{diff}\nhint: if this is as it should be, `gauntlet accept {id}{folders}`\n"));
        }
        GoldenResult::NotCompared | GoldenResult::Same => {}
    }
    out
}

/// One cell that is not as intended: what was, what is, where to look, how to try it again. A world
/// that could not be set up is said once.
fn cell_failure<'a>(
    tried: &ScenarioResult,
    cell: &CellPlace<'a>,
    (evidence, options): (&Path, &str),
    said: &mut Vec<&'a str>,
) -> String {
    let id = &tried.scenario.id;
    let again = format!("    again     gauntlet run {id}{options}\n");
    let folder = evidence_line(evidence, id, cell.world);
    let Some(seen) = cell.cell else {
        if said.contains(&cell.world) {
            return String::new();
        }
        said.push(cell.world);
        return format!(
            "\n  {} in every step of {}\n    why       {}\n{folder}{again}",
            cell.status.word(),
            cell.world,
            indent_text(cell.why)
        );
    };
    let mut out = format!(
        "\n  {} · {} · {}\n",
        cell.status.word(),
        cell.step,
        cell.world
    );
    out.push_str(&format!(
        "    intended  {}\n    seen      {}\n",
        seen.intended,
        indent_text(&seen.verdict.to_string())
    ));
    out += &reply_lines(seen);
    out + &folder + &again
}

/// Where the evidence of a world is, if it left any.
pub(crate) fn evidence_line(evidence: &Path, id: &str, world: &str) -> String {
    let folder = evidence.join(id).join(world);
    if folder.is_dir() {
        format!("    evidence  {}\n", folder.display())
    } else {
        String::new()
    }
}

/// What a cell came to on the second look, what the reply was, and what else is known.
pub(crate) fn reply_lines(seen: &OutcomeCell) -> String {
    let mut out = String::new();
    if let Some(second) = &seen.second {
        out.push_str(&format!(
            "    then      {}\n",
            indent_text(&second.to_string())
        ));
    }
    if let Some(message) = &seen.detail.message {
        let code = seen
            .detail
            .code
            .map(|code| format!("{code} "))
            .unwrap_or_default();
        out.push_str(&format!("    reply     {code}{}\n", indent_text(message)));
    }
    for (key, fact) in &seen.detail.facts {
        out.push_str(&format!("    {key:<9} {}\n", indent_text(fact)));
    }
    for (name, figure) in &seen.detail.figures {
        out.push_str(&format!("    {name:<9} {figure}\n"));
    }
    out
}

/// A text of several lines, below its own beginning.
fn indent_text(text: &str) -> String {
    text.trim_end().replace('\n', &format!("\n{:14}", ""))
}

/// What concerns the whole run.
fn run_tail(report: &RunReport) -> String {
    let mut out = String::new();
    for (why, worlds) in report.skipped_worlds() {
        out.push_str(&format!(
            "\nskipped: {}: {why}\n",
            count_scenarios(worlds, "world")
        ));
    }
    for fault in &report.faults {
        out.push_str(&format!("\n{}\n", fault.text()));
    }
    for path in &report.orphans {
        out.push_str(&format!(
            "\nerror: no scenario uses `{}`\n\nhint: delete it\n",
            path.display()
        ));
    }
    for left in &report.leaked {
        out.push_str(&format!("\nleaked: {left}\n"));
    }
    if let Some(tally) = &report.repeated {
        out.push_str(&tally.text());
    }
    if let Some(InterruptedRun { done, of }) = report.interrupted {
        out.push_str(&format!(
            "\ninterrupted: {done} of {of} worlds are done; only these are reported\n"
        ));
    }
    out
}

/// `45 scenarios, 380 cells: 378 passed, 1 failed, 1 broken; 1 scenario differs; 41.2 s`.
pub(crate) fn summary_line(report: &RunReport) -> String {
    let cells: usize = report
        .scenarios
        .iter()
        .map(|tried| tried.cells().len())
        .sum();
    let statuses = [
        ReportStatus::Passed,
        ReportStatus::Failed,
        ReportStatus::Flaky,
        ReportStatus::Broken,
        ReportStatus::Skipped,
    ];
    let parts: Vec<String> = statuses
        .into_iter()
        .map(|status| (status, report.count(status)))
        .filter(|(status, number)| *number > 0 || *status == ReportStatus::Passed)
        .map(|(status, number)| format!("{number} {}", status.word()))
        .collect();
    let mut out = format!(
        "{}, {}: {}",
        count_scenarios(report.scenarios.len(), "scenario"),
        count_scenarios(cells, "cell"),
        parts.join(", ")
    );
    for status in [ReportStatus::Differs, ReportStatus::New] {
        let number = report.count_scenarios(status);
        if number > 0 {
            out.push_str(&format!(
                "; {}: {}",
                status.word(),
                count_scenarios(number, "scenario")
            ));
        }
    }
    if !report.clusters.is_empty() {
        out.push_str(&format!(
            "; {}",
            count_scenarios(report.clusters.len(), "cluster")
        ));
    }
    format!("{out}; {}", format_seconds(report.elapsed))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{Answer, Figure, FigureName, WorldOutcome};

    use super::*;
    use crate::report::tests::tried;

    fn of(tried: ScenarioResult) -> String {
        let all = RunReport {
            scenarios: vec![tried],
            elapsed: Duration::from_millis(1500),
            ..RunReport::default()
        };
        report_text(&all, Path::new("/nowhere"), false)
    }

    #[test]
    fn what_passed_is_one_line() {
        let wanted = "passed   pod-security/privileged  2 × 2 = 4 cells\n\n1 scenario, 4 cells: 4 passed; 1.5 s\n";
        assert_eq!(of(tried(|_| {})), wanted);
    }

    #[test]
    fn a_failure_says_cell_intent_reply_and_command() {
        let text = of(tried(|cell| {
            cell.verdict = Answer::Admitted.into();
            cell.detail.message = Some("created".into());
            let took = Figure::Seconds(Duration::from_millis(12));
            cell.detail.figures.insert(FigureName::Took, took);
        }));
        let wanted = "
  failed · privileged-pod · enforce
    intended  denied by pod-security
    seen      admitted
    reply     201 created
    took      0.012 s
    again     gauntlet run pod-security/privileged
";
        assert!(text.contains(wanted), "{text}");
        assert!(
            text.ends_with("1 scenario, 4 cells: 3 passed, 1 failed; 1.5 s\n"),
            "{text}"
        );
    }

    #[test]
    fn commands_repeat_the_folders_and_a_run_its_nodes() {
        let failed = tried(|cell| cell.verdict = Answer::Admitted.into());
        let mut new = tried(|_| {});
        new.golden = GoldenResult::New;
        let folders = " --scenarios 'a b'".to_owned();
        let all = RunReport {
            scenarios: vec![failed, new],
            folders,
            nodes: Some(2),
            ..RunReport::default()
        };
        let text = report_text(&all, Path::new("/nowhere"), false);
        for wanted in [
            "gauntlet run pod-security/privileged --scenarios 'a b' --nodes 2\n",
            "gauntlet accept pod-security/privileged --scenarios 'a b'`",
        ] {
            assert!(text.contains(wanted), "{text}");
        }
    }

    #[test]
    fn a_world_that_is_broken_is_said_once() {
        let mut broken = tried(|_| {});
        broken.outcome.worlds.insert(
            "enforce".into(),
            WorldOutcome::Broken {
                why: "the webhook never answered".into(),
            },
        );
        let text = of(broken);
        assert_eq!(
            text.matches("the webhook never answered").count(),
            1,
            "{text}"
        );
        assert!(text.contains("broken in every step of enforce"), "{text}");
    }

    #[test]
    fn what_a_cluster_lacks_is_said_once_and_its_worlds_are_counted() {
        let mut skipped = tried(|_| {});
        for world in ["bare", "enforce"] {
            let why = "the audit log of this cluster cannot be read".into();
            skipped
                .outcome
                .worlds
                .insert(world.into(), WorldOutcome::Skipped { why });
        }
        let text = of(skipped);
        assert!(
            text.contains("\nskipped: 2 worlds: the audit log of this cluster cannot be read\n"),
            "{text}"
        );
        assert!(
            text.ends_with("1 scenario, 4 cells: 0 passed, 4 skipped; 1.5 s\n"),
            "{text}"
        );
    }

    #[test]
    fn changed_detail_shows_its_diff_and_the_way_to_accept_it() {
        let mut differs = tried(|_| {});
        differs.golden = GoldenResult::Differs("-old\n+new\n".into());
        let text = of(differs);
        assert!(
            text.contains("-old\n+new\n\nhint: if this is as it should be, `gauntlet accept pod-security/privileged`")
        );
        assert!(
            text.contains("4 passed; differs: 1 scenario; 1.5 s"),
            "{text}"
        );
    }
}
