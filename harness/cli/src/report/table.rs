//! The table of one scenario: a row for each step, a column for each world.

use super::{CellPlace, ReportStatus, ScenarioResult};

/// Longer verdicts are cut in the table; the report of a failure says them in full.
const WIDEST_CELL: usize = 44;

/// The table. A cell that is as intended is its verdict; any other begins with a mark.
pub(crate) fn scenario_table(tried: &ScenarioResult) -> String {
    let cells = tried.cells();
    let worlds: Vec<&str> = tried.outcome.worlds.keys().map(String::as_str).collect();
    let mut rows: Vec<Vec<String>> = vec![
        std::iter::once("step")
            .chain(worlds.iter().copied())
            .map(Into::into)
            .collect(),
    ];
    for step in &tried.scenario.scenario.steps {
        let at = |world: &str| {
            cells
                .iter()
                .find(|cell| cell.step == step.id && cell.world == world)
        };
        let texts = worlds
            .iter()
            .map(|world| at(world).map(text).unwrap_or_default());
        rows.push(std::iter::once(step.id.clone()).chain(texts).collect());
    }
    let table = align_columns(&rows);
    match tried.answer_origins().as_slice() {
        [] => table,
        origins => format!("{table}\n\n  holds {}", origins.join(", and ")),
    }
}

fn text(cell: &CellPlace<'_>) -> String {
    let seen = cell
        .cell
        .map(|cell| cell.verdict.to_string())
        .unwrap_or_default();
    match cell.status {
        ReportStatus::Broken => "?? broken".into(),
        ReportStatus::Skipped => "-".into(),
        ReportStatus::Failed => cut_text(format!("!! {seen}")),
        ReportStatus::Flaky => cut_text(format!("~~ {seen}")),
        ReportStatus::Passed | ReportStatus::Differs | ReportStatus::New => cut_text(seen),
    }
}

fn cut_text(text: String) -> String {
    if text.chars().count() <= WIDEST_CELL {
        return text;
    }
    text.chars().take(WIDEST_CELL - 1).chain(['…']).collect()
}

fn align_columns(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widest = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(text, width)| format!("{text:width$}"));
        format!("  {}", cells.collect::<Vec<_>>().join("  "))
            .trim_end()
            .to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use model::{Answer, AnswerOrigin};

    use super::*;
    use crate::report::tests::tried;

    #[test]
    fn a_table_has_steps_down_and_worlds_across() {
        let wanted = "  step            bare      enforce
  privileged-pod  admitted  denied by pod-security
  plain-pod       admitted  admitted";
        assert_eq!(scenario_table(&tried(|_| {})), wanted);
    }

    #[test]
    fn its_foot_says_where_the_answers_are_defined() {
        let mut result = tried(|_| {});
        let loaded = std::sync::Arc::make_mut(&mut result.scenario);
        loaded.scenario.holds = Some(vec![
            AnswerOrigin::Specification,
            AnswerOrigin::Release("kubernetes 1.35".into()),
        ]);
        let table = scenario_table(&result);
        let foot = "admitted\n\n  holds by the specification, and from kubernetes 1.35 on";
        assert!(table.ends_with(foot), "{table}");
    }

    #[test]
    fn what_is_not_as_intended_is_marked_without_colour() {
        let text = scenario_table(&tried(|cell| cell.verdict = Answer::Admitted.into()));
        assert!(
            text.contains("privileged-pod  admitted  !! admitted"),
            "{text}"
        );
    }
}
