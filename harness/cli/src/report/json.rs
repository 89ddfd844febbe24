//! The JSON report, for programs. Its keys are stable; a change of meaning gets another version.

use runner::ClusterFacts;
use serde_json::{Value, json};

use super::repeat::VerdictTally;
use super::{
    CellPlace, GoldenResult, InterruptedRun, ReportStatus, RunReport, ScenarioResult, machine,
};

/// The report.
pub(crate) fn report_json(report: &RunReport) -> Value {
    let exit = report.exit_reason();
    json!({
        "report": "v1",
        "gauntlet": env!("CARGO_PKG_VERSION"),
        "exit": { "code": exit.number(), "word": exit.word() },
        "interrupted": report.interrupted.map(|InterruptedRun { done, of }| {
            json!({ "worlds-done": done, "worlds": of })
        }),
        "elapsed-ms": millis(report.elapsed),
        "machine": machine::machine_facts(),
        "clusters": report.clusters.iter().map(cluster_json).collect::<Vec<_>>(),
        "scenarios": report.scenarios.iter().map(scenario_json).collect::<Vec<_>>(),
        "faults": report.faults.iter().map(|fault| fault.what.clone()).collect::<Vec<_>>(),
        "leaked": report.leaked,
        "orphans": report.orphans,
        "repeated": report.repeated.as_ref().map(VerdictTally::json),
    })
}

fn millis(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn cluster_json(facts: &ClusterFacts) -> Value {
    let points = facts
        .milestones
        .iter()
        .map(|(name, at)| json!({ "name": name, "at-ms": millis(*at) }));
    json!({
        "name": facts.name,
        "kubernetes": facts.version,
        "worlds": facts.worlds,
        "start-ms": millis(facts.start),
        "milestones": points.collect::<Vec<_>>(),
    })
}

fn scenario_json(tried: &ScenarioResult) -> Value {
    let (golden, diff) = match &tried.golden {
        GoldenResult::NotCompared => ("not-compared", None),
        GoldenResult::Same => ("same", None),
        GoldenResult::New => ("new", None),
        GoldenResult::Differs(diff) => ("differs", Some(diff)),
    };
    json!({
        "id": tried.scenario.id,
        "status": tried.status().word(),
        "holds": tried.answer_origins(),
        "golden": golden,
        "diff": diff,
        "cells": tried.cells().iter().map(cell_json).collect::<Vec<_>>(),
    })
}

fn cell_json(place: &CellPlace<'_>) -> Value {
    let status = match place.status {
        ReportStatus::Differs | ReportStatus::New => ReportStatus::Passed,
        other => other,
    };
    json!({
        "step": place.step,
        "world": place.world,
        "status": status.word(),
        "why": (!place.why.is_empty()).then_some(place.why),
        "intended": place.cell.map(|cell| cell.intended.to_string()),
        "seen": place.cell.map(|cell| cell.verdict.to_string()),
        "then": place.cell.and_then(|cell| cell.second.as_ref()).map(ToString::to_string),
        "millis": place.cell.map(|cell| cell.millis),
        "detail": place.cell.map(|cell| &cell.detail),
    })
}

#[cfg(test)]
mod tests {
    use model::{Figure, FigureName};

    use super::*;
    use crate::report::tests::tried;

    #[test]
    fn the_keys_are_stable() {
        let report = RunReport {
            scenarios: vec![tried(|cell| {
                let count = Figure::Count(3);
                cell.detail.figures.insert(FigureName::Received, count);
            })],
            ..RunReport::default()
        };
        let value = report_json(&report);
        let keys = |value: &Value| {
            value
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
                .join(" ")
        };
        let wanted = "report gauntlet exit interrupted elapsed-ms machine clusters scenarios faults leaked orphans repeated";
        assert_eq!(keys(&value), wanted);
        assert_eq!(
            keys(&value["scenarios"][0]),
            "id status holds golden diff cells"
        );
        let cell = &value["scenarios"][0]["cells"][3];
        assert_eq!(
            keys(cell),
            "step world status why intended seen then millis detail"
        );
        assert_eq!(
            (cell["world"].as_str(), cell["seen"].as_str()),
            (Some("enforce"), Some("admitted"))
        );
        let cells = value["scenarios"][0]["cells"].as_array().unwrap();
        let figures = cells
            .iter()
            .filter_map(|cell| cell["detail"].get("figures"));
        let wanted = json!({"received": {"count": 3}});
        assert_eq!(figures.collect::<Vec<_>>(), [&wanted]);
        assert_eq!(value["report"], "v1");
    }
}
