//! The JUnit report: a suite for each scenario, a case for each cell.

use std::path::Path;
use std::time::Duration;

use quick_junit::{NonSuccessKind, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::text::{evidence_line, reply_lines};
use super::{CellPlace, GoldenResult, InterruptedRun, ReportStatus, RunReport, ScenarioResult};

/// The report as XML, with the folder that evidence is in.
///
/// # Errors
/// When the writer fails.
pub(crate) fn junit_xml(report: &RunReport, evidence: &Path) -> Result<String, SerializeError> {
    let mut all = quick_junit::Report::new("gauntlet");
    all.set_time(report.elapsed);
    if let Some(InterruptedRun { done, of }) = report.interrupted {
        all.add_test_suite(write_interruption(done, of));
    }
    for tried in &report.scenarios {
        all.add_test_suite(write_suite(tried, evidence));
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

fn write_suite(tried: &ScenarioResult, evidence: &Path) -> TestSuite {
    let mut suite = TestSuite::new(tried.scenario.id.as_str());
    for origin in tried.answer_origins() {
        suite.add_property(("holds", origin.as_str()));
    }
    for cell in tried.cells() {
        let mut case = TestCase::new(
            format!("{} · {}", cell.step, cell.world),
            write_status(
                &cell,
                &evidence_line(evidence, &tried.scenario.id, cell.world),
            ),
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

fn write_status(cell: &CellPlace<'_>, evidence: &str) -> TestCaseStatus {
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
            bad.set_description(reply_lines(seen) + evidence);
        }
        None => {
            bad.set_message(cell.why).set_description(evidence);
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
        with_evidence(tried, Path::new("nowhere"))
    }

    fn with_evidence(tried: ScenarioResult, evidence: &Path) -> String {
        let report = RunReport {
            scenarios: vec![tried],
            ..RunReport::default()
        };
        junit_xml(&report, evidence).unwrap()
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
        let report = RunReport {
            interrupted,
            ..RunReport::default()
        };
        let text = junit_xml(&report, Path::new("nowhere"));
        let text = text.unwrap();
        assert!(
            text.contains("interrupted: 3 of 8 worlds are done"),
            "{text}"
        );
    }

    #[test]
    fn a_failure_has_the_reply_and_the_place_of_the_evidence() {
        let evidence = tempfile::tempdir().unwrap();
        let folder = evidence.path().join("pod-security/privileged/enforce");
        std::fs::create_dir_all(&folder).unwrap();
        let failed = || {
            tried(|cell| {
                cell.verdict = Answer::Admitted.into();
                cell.detail.code = Some(403);
                cell.detail.message = Some("no room".into());
                cell.detail.facts.insert("fields".into(), "spec".into());
            })
        };
        let text = with_evidence(failed(), evidence.path());
        let place = format!("evidence  {}", folder.display());
        for told in ["reply     403 no room", "fields    spec", &place] {
            assert!(text.contains(told), "{told}: {text}");
        }
        assert!(!of(failed()).contains("evidence"), "there is none");
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
