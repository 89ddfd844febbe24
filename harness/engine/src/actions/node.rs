//! Whole nodes: cut off, frozen, killed, and back again.

use cluster::NodeCommand;
use model::{Answer, NodeChange};

use crate::Error;
use crate::actions::{Observation, StepContext};

/// Returns when it has happened; what the API server says about the node follows in its own time.
pub(super) fn command_node(
    cx: &StepContext<'_, '_>,
    node: &NodeChange,
) -> Result<Observation, Error> {
    let (what, answer) = match node {
        NodeChange::CutOff(_) => (NodeCommand::CutOff, Answer::Stopped),
        NodeChange::Freeze(_) => (NodeCommand::Freeze, Answer::Stopped),
        NodeChange::Kill(_) => (NodeCommand::Kill, Answer::Stopped),
        NodeChange::Rejoin(_) => (NodeCommand::Rejoin, Answer::Running),
        NodeChange::Thaw(_) => (NodeCommand::Thaw, Answer::Running),
        NodeChange::Start(_) => (NodeCommand::Start, Answer::Running),
    };
    let name = cx.fill_text(node.name());
    cx.world.host_access()?.command_node(&name, what)?;
    Ok(Observation::from_answer(answer))
}
