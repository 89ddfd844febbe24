//! What two releases, or two sets of policies, answer differently: the cells that were decided
//! otherwise first, then those with other detail.

mod cells;

use std::collections::{BTreeMap, BTreeSet};

use model::{ComparedWorld, RecordedOutcome, UnservedWorld, WorldCells, WorldOutcome};
use serde_json::{Value, json};

use crate::commands::lint::count_scenarios;
use crate::exit::ExitReason;
pub(crate) use cells::ComparedDetail;
use cells::{
    CellAnswer, CellDifference, cell_difference, is_denied, refusing_policies, tried_cells,
};

/// What came of one comparison.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ComparisonReport {
    /// The two, as they were named.
    pub(crate) old: String,
    pub(crate) new: String,
    /// What counts as a difference.
    detail: ComparedDetail,
    /// The policies of the first and the second that no refusal has named: nothing was shown of
    /// them.
    unproved: [BTreeSet<String>; 2],
    /// Of each step that tries a variant of an object, the step that tries the object as it is.
    usual: BTreeMap<String, String>,
    /// The object that each step tries, where nobody wrote the steps.
    objects: BTreeMap<String, Value>,
    /// The scenarios that the releases concern, by id.
    pub(crate) scenarios: Vec<ScenarioComparison>,
    /// What worlds left behind.
    pub(crate) leaks: Vec<String>,
}

/// One scenario on both.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ScenarioComparison {
    pub(crate) id: String,
    /// How many cells answered the same on both, detail included.
    pub(crate) same: usize,
    /// The others, in the file's order.
    pub(crate) cells: Vec<CellComparison>,
}

/// One cell that is not the same on both.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CellComparison {
    pub(crate) step: String,
    pub(crate) world: String,
    /// The object that was tried, where nobody wrote the step.
    pub(crate) object: Option<Value>,
    pub(crate) difference: CellDifference,
}

impl ComparisonReport {
    pub(crate) fn new(old: String, new: String, detail: ComparedDetail) -> Self {
        Self {
            old,
            new,
            detail,
            unproved: Default::default(),
            usual: BTreeMap::new(),
            objects: BTreeMap::new(),
            scenarios: Vec::new(),
            leaks: Vec::new(),
        }
    }

    /// That of two sets with these policies.
    pub(crate) fn of_policies(
        old: String,
        new: String,
        names: [BTreeSet<String>; 2],
        usual: BTreeMap<String, String>,
        objects: BTreeMap<String, Value>,
    ) -> Self {
        Self {
            unproved: names,
            usual,
            objects,
            ..Self::new(old, new, ComparedDetail::Decision)
        }
    }

    /// Adds a scenario that was tried on both.
    pub(crate) fn add_scenario(&mut self, outcome: &RecordedOutcome, worlds: &[ComparedWorld]) {
        // Worlds of it that cannot be compared may be told already.
        let told = self.scenarios.iter().position(|one| one.id == outcome.id);
        let mut compared = match told {
            Some(place) => self.scenarios.remove(place),
            None => ScenarioComparison {
                id: outcome.id.clone(),
                same: 0,
                cells: Vec::new(),
            },
        };
        for pair in worlds {
            let side = |name: &String| outcome.worlds.get(name);
            let sides = [side(&pair.old), side(&pair.new)];
            compared.add_world(&pair.world, sides, |step, sides| {
                self.compare_cell(step, sides)
            });
            for cell in &mut compared.cells {
                cell.object = self.objects.get(&cell.step).cloned();
            }
            for (unproved, side) in self.unproved.iter_mut().zip(sides) {
                for name in refusing_policies(side) {
                    unproved.remove(name);
                }
            }
        }
        self.scenarios.push(compared);
    }

    /// Adds the worlds of a scenario that one of the two does not serve.
    pub(crate) fn add_unserved(&mut self, id: &str, worlds: &[UnservedWorld]) {
        if worlds.is_empty() {
            return;
        }
        let cells = worlds.iter().map(|one| CellComparison {
            step: String::new(),
            world: one.world.clone(),
            object: None,
            difference: CellDifference::Undecided {
                why: format!("one of the two does not serve it: {}", one.why),
            },
        });
        self.scenarios.push(ScenarioComparison {
            id: id.to_owned(),
            same: 0,
            cells: cells.collect(),
        });
    }

    /// How the two answers to a step differ. Where policies refuse an object as it is, a refusal of
    /// its variant says nothing of what it changes.
    fn compare_cell(&self, step: &str, [old, new]: [&WorldCells; 2]) -> Option<CellDifference> {
        let [Some(old_cell), Some(new_cell)] = [old.get(step), new.get(step)] else {
            let why = "only one of the two got to it".into();
            return Some(CellDifference::Undecided { why });
        };
        let usual = self.usual.get(step).map(String::as_str);
        let is_masked = usual.is_some_and(|usual| {
            let mut sides = [old, new].into_iter();
            sides.any(|side| side.get(usual).is_some_and(is_denied))
        });
        if is_masked && is_denied(old_cell) && is_denied(new_cell) {
            let why =
                "the usual object is refused as well; give one that is admitted with --objects";
            return Some(CellDifference::Undecided { why: why.into() });
        }
        cell_difference(self.detail, old_cell, new_cell)
    }

    /// How the command ends where its exit code is asked for.
    pub(crate) fn gate(&self) -> ExitReason {
        let cells = self.scenarios.iter().flat_map(|one| &one.cells);
        let each = cells.map(|cell| match cell.difference {
            CellDifference::Decided { .. } => ExitReason::Failed,
            CellDifference::Detail { .. } => ExitReason::Differs,
            CellDifference::Undecided { .. } => ExitReason::Broken,
        });
        let leaked = (!self.leaks.is_empty()).then_some(ExitReason::Leaked);
        let idle = self.shows_nothing().then_some(ExitReason::Broken);
        ExitReason::worst(each.chain(leaked).chain(idle))
    }

    /// Whether there is a policy that may never have been asked.
    fn shows_nothing(&self) -> bool {
        self.unproved.iter().any(|names| !names.is_empty())
    }

    /// How it ends otherwise: a difference is what was asked for, and no fault.
    pub(crate) fn exit_reason(&self) -> ExitReason {
        match self.gate() {
            ExitReason::Failed | ExitReason::Differs => ExitReason::Passed,
            other => other,
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        for one in &self.scenarios {
            out.push_str(&one.text(&self.old, &self.new));
        }
        for leak in &self.leaks {
            out.push_str(&format!("\nleft behind: {leak}\n"));
        }
        for (name, policies) in [&self.old, &self.new].into_iter().zip(&self.unproved) {
            for policy in policies {
                out.push_str(&format!(
                    "\nnothing is shown of `{policy}` in {name}: it refused no object; give one that it refuses \
                     with --objects\n"
                ));
            }
        }
        let count = |is: fn(&CellDifference) -> bool| {
            let cells = self.scenarios.iter().flat_map(|one| &one.cells);
            cells.filter(|cell| is(&cell.difference)).count()
        };
        let same: usize = self.scenarios.iter().map(|one| one.same).sum();
        out.push_str(&format!(
            "\n{} → {}, {}: {same} cells the same, {} decided differently, {} with other \
             detail, {} undecided\n",
            self.old,
            self.new,
            count_scenarios(self.scenarios.len(), "scenario"),
            count(|one| matches!(one, CellDifference::Decided { .. })),
            count(|one| matches!(one, CellDifference::Detail { .. })),
            count(|one| matches!(one, CellDifference::Undecided { .. })),
        ));
        out
    }

    /// For programs; its keys are stable.
    pub(crate) fn json(&self) -> Value {
        json!({
            "comparison": "v1",
            "old": self.old,
            "new": self.new,
            "scenarios": self.scenarios.iter().map(ScenarioComparison::json).collect::<Vec<_>>(),
            "unproved": { "old": self.unproved[0], "new": self.unproved[1] },
            "leaked": self.leaks,
        })
    }
}

impl ScenarioComparison {
    fn add_world(
        &mut self,
        world: &str,
        [old, new]: [Option<&WorldOutcome>; 2],
        compare: impl Fn(&str, [&WorldCells; 2]) -> Option<CellDifference>,
    ) {
        let mut add = |step: &str, difference| {
            self.cells.push(CellComparison {
                step: step.to_owned(),
                world: world.to_owned(),
                object: None,
                difference,
            });
        };
        let (old, new) = match (tried_cells(old), tried_cells(new)) {
            (Ok(old), Ok(new)) => (old, new),
            (Err(why), _) | (_, Err(why)) => return add("", CellDifference::Undecided { why }),
        };
        let extra = new.keys().filter(|step| !old.contains_key(*step));
        for step in old.keys().chain(extra) {
            match compare(step, [old, new]) {
                None => self.same += 1,
                Some(difference) => add(step, difference),
            }
        }
    }

    /// Nothing where all is the same.
    fn text(&self, old_name: &str, new_name: &str) -> String {
        if self.cells.is_empty() {
            return String::new();
        }
        let rank = |cell: &&CellComparison| match cell.difference {
            CellDifference::Decided { .. } => 0,
            CellDifference::Undecided { .. } => 1,
            CellDifference::Detail { .. } => 2,
        };
        let mut cells: Vec<&CellComparison> = self.cells.iter().collect();
        cells.sort_by_key(rank);
        let lines = cells.iter().map(|cell| cell.text(old_name, new_name));
        format!("\n{}\n{}", self.id, lines.collect::<String>())
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "same": self.same,
            "cells": self.cells.iter().map(CellComparison::json).collect::<Vec<_>>(),
        })
    }
}

impl CellComparison {
    fn text(&self, old_name: &str, new_name: &str) -> String {
        let place = match self.step.as_str() {
            "" => self.world.clone(),
            step => format!("{step} · {}", self.world),
        };
        match &self.difference {
            CellDifference::Decided { old, new } => {
                let names = [old_name, new_name, "object"].map(|name| name.chars().count());
                let width = names.into_iter().max().unwrap_or_default();
                let line = |name: &str, answer: &CellAnswer| {
                    let message = answer.message.as_ref();
                    let said = message.map(|said| format!("\n    {:width$}  {said}", ""));
                    format!(
                        "    {name:width$}  {}{}\n",
                        answer.verdict,
                        said.unwrap_or_default()
                    )
                };
                let object = self.object.as_ref();
                let object = object.map(|tried| format!("    {:width$}  {tried}\n", "object"));
                format!(
                    "  decided differently · {place}\n{}{}{}",
                    line(old_name, old),
                    line(new_name, new),
                    object.unwrap_or_default()
                )
            }
            CellDifference::Undecided { why } => format!("  undecided · {place}: {why}\n"),
            CellDifference::Detail { verdict, lines } => {
                let lines = lines.iter().map(|line| format!("    {line}\n"));
                format!(
                    "  other detail · {place}: {verdict}\n{}",
                    lines.collect::<String>()
                )
            }
        }
    }

    fn json(&self) -> Value {
        let answer = |one: &CellAnswer| json!({ "verdict": one.verdict, "message": one.message });
        let (word, more) = match &self.difference {
            CellDifference::Decided { old, new } => (
                "decided-differently",
                json!({ "old": answer(old), "new": answer(new) }),
            ),
            CellDifference::Detail { verdict, lines } => (
                "other-detail",
                json!({ "verdict": verdict, "lines": lines }),
            ),
            CellDifference::Undecided { why } => ("undecided", json!({ "why": why })),
        };
        json!({
            "step": self.step,
            "world": self.world,
            "object": self.object,
            "difference": word,
            "detail": more,
        })
    }
}

#[cfg(test)]
mod tests {
    use model::{Answer, AnswerDetail, OutcomeCell, Refuser, Verdict};

    use super::*;

    fn cell(verdict: Verdict, message: &str) -> OutcomeCell {
        OutcomeCell {
            intended: Answer::Admitted,
            verdict,
            second: None,
            detail: AnswerDetail {
                message: Some(message.into()),
                ..AnswerDetail::default()
            },
            millis: 1.0,
        }
    }

    fn report(old: OutcomeCell, new: OutcomeCell) -> ComparisonReport {
        let tried = |cell| WorldOutcome::Tried([("step".to_owned(), cell)].into_iter().collect());
        let outcome = RecordedOutcome {
            id: "area/name".into(),
            worlds: [
                ("bare-old".to_owned(), tried(old)),
                ("bare-new".to_owned(), tried(new)),
            ]
            .into_iter()
            .collect(),
        };
        let mut report = ComparisonReport {
            old: "kubernetes@1.35".into(),
            new: "kubernetes@1.36".into(),
            detail: ComparedDetail::Whole,
            unproved: Default::default(),
            usual: BTreeMap::new(),
            objects: BTreeMap::new(),
            scenarios: Vec::new(),
            leaks: Vec::new(),
        };
        report.add_scenario(
            &outcome,
            &[ComparedWorld {
                world: "bare".into(),
                old: "bare-old".into(),
                new: "bare-new".into(),
            }],
        );
        report
    }

    fn admitted(message: &str) -> OutcomeCell {
        cell(Answer::Admitted.into(), message)
    }

    #[test]
    fn another_verdict_comes_before_other_detail_and_what_is_not_shown_before_both() {
        assert_eq!(
            report(admitted("a"), admitted("a")).gate(),
            ExitReason::Passed
        );
        let detail = report(admitted("a"), admitted("b"));
        assert_eq!(detail.gate(), ExitReason::Differs);
        assert!(
            detail.text().contains("- message: a\n    + message: b\n"),
            "{}",
            detail.text()
        );
        let other = report(admitted("a"), cell(Answer::Running.into(), "a"));
        assert_eq!(other.gate(), ExitReason::Failed);
        assert_eq!(other.exit_reason(), ExitReason::Passed);
        for shown in [
            "decided differently · step · bare",
            "kubernetes@1.36  running",
            "1 decided",
        ] {
            assert!(other.text().contains(shown), "{}", other.text());
        }
        let broken = report(admitted("a"), cell(Verdict::broken("no reply"), "a"));
        assert_eq!(
            (broken.gate(), broken.exit_reason()),
            (ExitReason::Broken, ExitReason::Broken)
        );
    }

    #[test]
    fn what_answers_twice_differently_shows_nothing() {
        let mut flaky = admitted("a");
        flaky.second = Some(Answer::Running.into());
        let report = report(flaky, admitted("a"));
        assert!(
            report
                .text()
                .contains("undecided · step · bare: admitted, then running")
        );
        assert_eq!(
            report.json()["scenarios"][0]["cells"][0]["difference"],
            "undecided"
        );
    }

    #[test]
    fn a_world_that_one_does_not_serve_is_undecided() {
        let mut report = report(admitted("a"), admitted("a"));
        let unserved = UnservedWorld {
            world: "engine".into(),
            why: "nobody knows",
        };
        report.add_unserved("engines/one", &[unserved]);
        let told = "undecided · engine: one of the two does not serve it: nobody knows";
        assert!(report.text().contains(told), "{}", report.text());
        assert_eq!(report.exit_reason(), ExitReason::Broken);
    }

    #[test]
    fn a_world_that_was_not_tried_is_undecided_as_a_whole() {
        let mut report = report(admitted("a"), admitted("a"));
        report.scenarios.clear();
        let skipped = WorldOutcome::Skipped {
            why: "no node".into(),
        };
        let outcome = RecordedOutcome {
            id: "area/name".into(),
            worlds: [("bare-old".to_owned(), skipped)].into_iter().collect(),
        };
        let pair = ComparedWorld {
            world: "bare".into(),
            old: "bare-old".into(),
            new: "bare-new".into(),
        };
        report.add_scenario(&outcome, &[pair]);
        assert!(report.text().contains("undecided · bare: skipped: no node"));
        assert_eq!(report.gate(), ExitReason::Broken);
    }

    /// Another engine refuses under another name; that is the same decision.
    #[test]
    fn sets_of_policies_are_compared_by_what_they_decide() {
        let denied = |name: &str| {
            cell(
                Answer::Denied {
                    by: Refuser::Policy(name.into()),
                }
                .into(),
                name,
            )
        };
        let compare = |old: &OutcomeCell, new: &OutcomeCell| {
            cell_difference(ComparedDetail::Decision, old, new)
        };
        assert!(cell_difference(ComparedDetail::Whole, &denied("a"), &denied("b")).is_some());
        assert_eq!(compare(&denied("a"), &denied("b")), None);
        let admits = compare(&denied("a"), &admitted("b"));
        assert!(
            matches!(admits, Some(CellDifference::Decided { .. })),
            "{admits:?}"
        );
        // Nobody asked a policy about these.
        for by in [Refuser::PodSecurity, Refuser::FailingClosed("w".into())] {
            let other = cell(Answer::Denied { by }.into(), "a");
            let shown = compare(&other, &other);
            assert!(
                matches!(shown, Some(CellDifference::Undecided { .. })),
                "{shown:?}"
            );
        }
        let invalid = cell(Answer::Invalid.into(), "a");
        let shown = compare(&invalid, &invalid);
        assert!(
            matches!(shown, Some(CellDifference::Undecided { .. })),
            "{shown:?}"
        );
    }

    #[test]
    fn a_policy_that_refused_nothing_is_not_shown() {
        let names = || {
            [
                BTreeSet::from(["a".to_owned()]),
                BTreeSet::from(["b".to_owned(), "c".to_owned()]),
            ]
        };
        let denied = |name: &str| {
            cell(
                Answer::Denied {
                    by: Refuser::Policy(name.into()),
                }
                .into(),
                name,
            )
        };
        let outcome = |old, new| RecordedOutcome {
            id: "compare/policies".into(),
            worlds: [("old", old), ("new", new)]
                .into_iter()
                .map(|(name, cell)| {
                    let cells = [("pod".to_owned(), cell)].into_iter().collect();
                    (name.to_owned(), WorldOutcome::Tried(cells))
                })
                .collect(),
        };
        let pair = ComparedWorld {
            world: "policies".into(),
            old: "old".into(),
            new: "new".into(),
        };
        let mut proved = ComparisonReport::of_policies(
            "o".into(),
            "n".into(),
            names(),
            BTreeMap::new(),
            BTreeMap::from([("pod".to_owned(), json!({"kind": "Pod"}))]),
        );
        proved.add_scenario(
            &outcome(denied("a"), denied("b")),
            std::slice::from_ref(&pair),
        );
        assert_eq!(proved.gate(), ExitReason::Broken, "nothing is shown of `c`");
        assert!(
            proved.text().contains("nothing is shown of `c` in n"),
            "{}",
            proved.text()
        );
        proved.add_scenario(
            &outcome(denied("a"), denied("c")),
            std::slice::from_ref(&pair),
        );
        assert_eq!(proved.gate(), ExitReason::Passed);
        proved.add_scenario(&outcome(denied("a"), admitted("a")), &[pair]);
        let text = proved.text();
        assert!(text.contains("    object  {\"kind\":\"Pod\"}\n"), "{text}");
    }

    #[test]
    fn a_variant_of_what_is_refused_anyway_is_undecided() {
        let denied = || {
            cell(
                Answer::Denied {
                    by: Refuser::Policy("a".into()),
                }
                .into(),
                "a",
            )
        };
        let side = |usual: OutcomeCell, variant: OutcomeCell| {
            let cells = [("pod", usual), ("pod-root", variant)];
            WorldCells::from_iter(cells.map(|(step, cell)| (step.to_owned(), cell)))
        };
        let usual = BTreeMap::from([("pod-root".to_owned(), "pod".to_owned())]);
        let report = ComparisonReport::of_policies(
            String::new(),
            String::new(),
            Default::default(),
            usual,
            BTreeMap::new(),
        );
        let variant =
            |old: &WorldCells, new: &WorldCells| report.compare_cell("pod-root", [old, new]);
        let (refused, fine) = (side(denied(), denied()), side(admitted("a"), denied()));
        let shown = variant(&refused, &fine);
        assert!(
            matches!(shown, Some(CellDifference::Undecided { .. })),
            "{shown:?}"
        );
        assert_eq!(variant(&fine, &fine), None);
        assert_eq!(report.compare_cell("pod", [&refused, &refused]), None);
        let shown = variant(&refused, &side(admitted("a"), admitted("a")));
        assert!(
            matches!(shown, Some(CellDifference::Decided { .. })),
            "{shown:?}"
        );
    }
}
