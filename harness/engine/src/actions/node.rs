//! Whole nodes: cut off, frozen, killed, and back again.

use model::{Answer, NodeChange};

use crate::Error;
use crate::actions::{Observation, StepContext};

/// Returns when it has happened; what the API server says about the node follows in its own time.
pub(super) fn command_node(
    cx: &StepContext<'_, '_>,
    node: &NodeChange,
) -> Result<Observation, Error> {
    let answer = match node {
        NodeChange::CutOff(_) | NodeChange::Freeze(_) | NodeChange::Kill(_) => Answer::Stopped,
        NodeChange::Rejoin(_) | NodeChange::Thaw(_) | NodeChange::Start(_) => Answer::Running,
    };
    let named = node.of_node(cx.fill_text(node.name()));
    cx.world.host_access()?.command_node(&named)?;
    Ok(Observation::from_answer(answer))
}
