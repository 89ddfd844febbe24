//! Whole nodes: cut off, frozen, killed, and back again.

use cluster::NodeCommand;
use model::{Answer, Node};

use crate::Error;
use crate::actions::{Observation, StepContext};

/// Returns when it has happened; what the API server says about the node follows in its own time.
pub(super) fn node(cx: &StepContext<'_, '_>, node: &Node) -> Result<Observation, Error> {
    let (what, answer) = match node {
        Node::CutOff(_) => (NodeCommand::CutOff, Answer::Stopped),
        Node::Freeze(_) => (NodeCommand::Freeze, Answer::Stopped),
        Node::Kill(_) => (NodeCommand::Kill, Answer::Stopped),
        Node::Rejoin(_) => (NodeCommand::Rejoin, Answer::Running),
        Node::Thaw(_) => (NodeCommand::Thaw, Answer::Running),
        Node::Start(_) => (NodeCommand::Start, Answer::Running),
    };
    let name = cx.fill(node.name());
    cx.world.host_access()?.node(&name, what)?;
    Ok(Observation::answer(answer))
}
