//! What was recorded: a table of cells, each with its verdict and detail.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{Answer, Figure, FigureName, Verdict};

/// What a run recorded of one scenario.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordedOutcome {
    /// The scenario's id, `AREA/NAME`.
    pub id: String,
    /// Its worlds, in the file's order.
    pub worlds: IndexMap<String, WorldOutcome>,
}

/// The cells of a world that was tried, by step id, in the file's order.
pub type WorldCells = IndexMap<String, OutcomeCell>;

/// What a run recorded of one world of one scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorldOutcome {
    /// Every step was tried.
    Tried(WorldCells),
    /// The world could not be set up, so no step was tried.
    Broken {
        /// The reason.
        why: String,
    },
    /// Not for this cluster.
    Skipped {
        /// Why not.
        why: String,
    },
}

impl WorldOutcome {
    /// Whether every cell is as intended.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        match self {
            Self::Tried(cells) => cells
                .values()
                .all(|cell| cell.status() == CellStatus::Passed),
            Self::Broken { .. } | Self::Skipped { .. } => false,
        }
    }
}

/// One cell of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutcomeCell {
    /// What a person intends.
    pub intended: Answer,
    /// What the cluster answered.
    pub verdict: Verdict,
    /// A second look that answered otherwise, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<Verdict>,
    /// How it answered.
    pub detail: AnswerDetail,
    /// How long the step took, in milliseconds; recorded in reports, never in golden files.
    #[serde(default)]
    pub millis: f64,
}

/// How the cluster answered: recorded, never intended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct AnswerDetail {
    /// The HTTP status code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The `reason` of a Kubernetes `Status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The message that came with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Warnings, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Fields that were sent and came back with another value, as `POINTER: SENT -> GOT`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Further facts, such as a command's output, the names in a list, or the line that was seen.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub facts: IndexMap<String, String>,
    /// What was measured; recorded in reports, never in golden files.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub figures: IndexMap<FigureName, Figure>,
}

/// What a cell comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellStatus {
    /// As intended.
    Passed,
    /// Not as intended.
    Failed,
    /// Not as intended, and otherwise on a second look.
    Flaky,
    /// It could not be tried.
    Broken,
}

impl OutcomeCell {
    /// What this cell comes to.
    #[must_use]
    pub fn status(&self) -> CellStatus {
        match (&self.verdict, &self.second) {
            (first, Some(second)) if first != second => CellStatus::Flaky,
            (Verdict::Broken { .. }, _) => CellStatus::Broken,
            (verdict, _) if verdict.meets_intent(&self.intended) => CellStatus::Passed,
            _ => CellStatus::Failed,
        }
    }
}
