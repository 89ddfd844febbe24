//! One cell on both sides: what was decided, by whom, and whether that is the same.

use golden::{changed_lines, render_cell};
use model::{Answer, CellStatus, OutcomeCell, Refuser, Verdict, WorldCells, WorldOutcome};

/// How closely two answers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ComparedDetail {
    /// All that is recorded of them.
    Whole,
    /// Whether the request was refused, and which warnings came. Another set of policies refuses under
    /// other names and in other words.
    Decision,
}

/// How a cell differs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CellDifference {
    /// Another verdict.
    Decided { old: CellAnswer, new: CellAnswer },
    /// The same verdict with other detail, as lines with `-` and `+`.
    Detail { verdict: String, lines: Vec<String> },
    /// Nothing is shown of it: one of the two could not be tried, or did not answer the same twice.
    Undecided { why: String },
}

/// What one release answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CellAnswer {
    pub(crate) verdict: String,
    pub(crate) message: Option<String>,
}

/// The cells of a world that was tried.
pub(super) fn tried_cells(outcome: Option<&WorldOutcome>) -> Result<&WorldCells, String> {
    match outcome {
        Some(WorldOutcome::Tried(cells)) => Ok(cells),
        Some(WorldOutcome::Broken { why }) => Err(format!("the world cannot be set up: {why}")),
        Some(WorldOutcome::Skipped { why }) => Err(format!("skipped: {why}")),
        None => Err("it was never tried".into()),
    }
}

/// How two answers to one step differ; nothing where they are the same.
pub(super) fn cell_difference(
    detail: ComparedDetail,
    old: &OutcomeCell,
    new: &OutcomeCell,
) -> Option<CellDifference> {
    for cell in [old, new] {
        match cell.status() {
            CellStatus::Passed | CellStatus::Failed => {}
            CellStatus::Flaky | CellStatus::Broken => {
                let then = cell
                    .second
                    .as_ref()
                    .map(|second| format!(", then {second}"));
                let why = format!("{}{}", cell.verdict, then.unwrap_or_default());
                return Some(CellDifference::Undecided { why });
            }
        }
    }
    if detail == ComparedDetail::Decision {
        let undecided = [old, new]
            .into_iter()
            .find(|cell| !is_decision(&cell.verdict));
        if let Some(cell) = undecided {
            let why = format!(
                "{}: {}",
                cell.verdict,
                said_in_one_line(cell).unwrap_or_default()
            );
            return Some(CellDifference::Undecided { why });
        }
    }
    if !same_decision(detail, &old.verdict, &new.verdict) {
        let answer = |cell: &OutcomeCell| CellAnswer {
            verdict: cell.verdict.to_string(),
            message: said_in_one_line(cell),
        };
        return Some(CellDifference::Decided {
            old: answer(old),
            new: answer(new),
        });
    }
    let lines = changed_lines(&compared_text(detail, old), &compared_text(detail, new));
    (!lines.is_empty()).then(|| CellDifference::Detail {
        verdict: old.verdict.to_string(),
        lines,
    })
}

/// Its message. Engines write several lines.
fn said_in_one_line(cell: &OutcomeCell) -> Option<String> {
    let said = cell.detail.message.as_ref()?;
    Some(said.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Whether a policy decided so, or none objected: what is not valid, or what the API server's own
/// plugins refuse, was never asked about.
fn is_decision(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Answered(Answer::Admitted) => true,
        Verdict::Answered(Answer::Denied { by }) => !policies_of(by).is_empty(),
        Verdict::Answered(_) | Verdict::Broken { .. } => false,
    }
}

/// The policies that refused, where policies did.
fn policies_of(by: &Refuser) -> Vec<&str> {
    match by {
        Refuser::Policy(name) => vec![name],
        Refuser::Engine { policy, .. } => policy.split(',').map(str::trim).collect(),
        Refuser::PodSecurity
        | Refuser::Webhook(_)
        | Refuser::FailingClosed(_)
        | Refuser::RbacEscalation
        | Refuser::CertificateApproval
        | Refuser::CertificateSubjectRestriction
        | Refuser::NodeRestriction
        | Refuser::Plugin(_)
        | Refuser::Quota(_)
        | Refuser::DisruptionBudget
        | Refuser::Kubelet(_)
        | Refuser::Container(_)
        | Refuser::Process(_)
        | Refuser::Scheduler(_)
        | Refuser::Controller(_) => Vec::new(),
    }
}

/// Every policy that a refusal in this world names.
pub(super) fn refusing_policies(side: Option<&WorldOutcome>) -> Vec<&str> {
    let cells = tried_cells(side).into_iter().flat_map(WorldCells::values);
    let refusals = cells.filter_map(|cell| match &cell.verdict {
        Verdict::Answered(Answer::Denied { by }) => Some(policies_of(by)),
        Verdict::Answered(_) | Verdict::Broken { .. } => None,
    });
    refusals.flatten().collect()
}

pub(super) fn is_denied(cell: &OutcomeCell) -> bool {
    matches!(cell.verdict, Verdict::Answered(Answer::Denied { .. }))
}

/// Whether two verdicts are the same decision.
fn same_decision(detail: ComparedDetail, old: &Verdict, new: &Verdict) -> bool {
    match (detail, old, new) {
        (
            ComparedDetail::Decision,
            Verdict::Answered(Answer::Denied { .. }),
            Verdict::Answered(Answer::Denied { .. }),
        ) => true,
        (ComparedDetail::Decision | ComparedDetail::Whole, old, new) => old == new,
    }
}

/// What of an answer is compared, beside the decision.
fn compared_text(detail: ComparedDetail, cell: &OutcomeCell) -> String {
    match detail {
        ComparedDetail::Whole => render_cell(cell),
        ComparedDetail::Decision => cell.detail.warnings.join("\n"),
    }
}
