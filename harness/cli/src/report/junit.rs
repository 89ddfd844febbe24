//! The JUnit report: a suite for each scenario, a case for each cell.

use std::time::Duration;

use quick_junit::{NonSuccessKind, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::{CellPlace, GoldenResult, InterruptedRun, ReportStatus, RunReport, ScenarioResult};

/// The report as XML.
///
/// # Errors
/// When the writer fails.
pub(crate) fn junit_xml(report: &RunReport) -> Result<String, SerializeError> {
    let mut all = quick_junit::Report::new("gauntlet");
    all.set_time(report.elapsed);
    if let Some(InterruptedRun { done, of }) = report.interrupted {
        all.add_test_suite(write_interruption(done, of));
    }
    for tried in &report.scenarios {
        all.add_test_suite(write_suite(tried));
    }
    all.to_string()
}

/// A suite of one skipped case: what is not in this report was not tried.
fn write_interruption(done: usize, of: usize) -> TestSuite {
    let mut skipped = TestCaseStatus::skipped();
    skipped.set_message(format!("interrupted: {done} of {of} worlds are done"));
    let mut suite = TestSuite::new("interrupted");
    suite.add_test_case(TestCase::new("interrupted", skipped));
    suite
}

fn write_suite(tried: &ScenarioResult) -> TestSuite {
    let mut suite = TestSuite::new(tried.scenario.id.as_str());
    for origin in tried.answer_origins() {
        suite.add_property(("holds", origin.as_str()));
    }
    for cell in tried.cells() {
        let mut case = TestCase::new(
            format!("{} · {}", cell.step, cell.world),
            write_status(&cell),
        );
        case.set_classname(tried.scenario.id.as_str());
        if let Some(seen) = cell.cell {
            case.set_time(Duration::from_secs_f64(seen.millis.max(0.0) / 1000.0));
        }
        suite.add_test_case(case);
    }
    if let Some((message, text)) = write_difference(&tried.golden) {
        let mut failed = TestCaseStatus::non_success(NonSuccessKind::Failure);
        failed
            .set_message(message)
            .set_type("differs")
            .set_description(text);
        let mut case = TestCase::new("recorded detail", failed);
        case.set_classname(tried.scenario.id.as_str());
        suite.add_test_case(case);
    }
    suite
}

fn write_difference(golden: &GoldenResult) -> Option<(&str, &str)> {
    match golden {
        GoldenResult::New => Some(("nothing is recorded yet", "")),
        GoldenResult::Differs(diff) => Some(("intents met, recorded detail changed", diff)),
        GoldenResult::Same | GoldenResult::NotCompared => None,
    }
}

fn write_status(cell: &CellPlace<'_>) -> TestCaseStatus {
    let kind = match cell.status {
        ReportStatus::Failed | ReportStatus::Flaky => NonSuccessKind::Failure,
        ReportStatus::Broken => NonSuccessKind::Error,
        ReportStatus::Skipped => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message(cell.why);
            return skipped;
        }
        ReportStatus::Passed | ReportStatus::Differs | ReportStatus::New => {
            return TestCaseStatus::success();
        }
    };
    let mut bad = TestCaseStatus::non_success(kind);
    bad.set_type(cell.status.word());
    match cell.cell {
        Some(seen) => {
            bad.set_message(format!(
                "intended: {}; seen: {}",
                seen.intended, seen.verdict
            ));
            bad.set_description(seen.detail.message.clone().unwrap_or_default());
        }
        None => {
            bad.set_message(cell.why);
        }
    }
    bad
}

#[cfg(test)]
mod tests {
    use model::Answer;

    use super::*;
    use crate::report::tests::tried;

    fn of(tried: ScenarioResult) -> String {
        junit_xml(&RunReport {
            scenarios: vec![tried],
            ..RunReport::default()
        })
        .unwrap()
    }

    #[test]
    fn every_cell_is_a_case() {
        let text = of(tried(|_| {}));
        assert!(
            text.contains(r#"<testsuite name="pod-security/privileged" tests="4""#),
            "{text}"
        );
        assert!(
            text.contains(r#"name="privileged-pod · enforce" classname="pod-security/privileged" time="0.012""#),
            "{text}"
        );
    }

    #[test]
    fn an_interrupted_run_says_so() {
        let interrupted = Some(InterruptedRun { done: 3, of: 8 });
        let text = junit_xml(&RunReport {
            interrupted,
            ..RunReport::default()
        });
        let text = text.unwrap();
        assert!(
            text.contains("interrupted: 3 of 8 worlds are done"),
            "{text}"
        );
    }

    #[test]
    fn failures_and_differences_fail() {
        let text = of(tried(|cell| cell.verdict = Answer::Admitted.into()));
        assert!(
            text.contains(r#"<failure message="intended: denied by pod-security; seen: admitted" type="failed""#),
            "{text}"
        );
        let mut differs = tried(|_| {});
        differs.golden = GoldenResult::Differs("-old\n+new".into());
        let text = of(differs);
        assert!(
            text.contains(r#"name="recorded detail""#) && text.contains(r#"failures="1""#),
            "{text}"
        );
    }
}
