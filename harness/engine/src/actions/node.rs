//! Whole nodes: cut off, frozen, killed, and back again.

use cluster::NodeControl;
use model::{Answer, Node};

use crate::Error;
use crate::actions::{StepContext, Tried};

/// Returns when it has happened; what the API server says about the node follows in its own time.
pub(super) fn node(cx: &StepContext<'_, '_>, node: &Node) -> Result<Tried, Error> {
    let (what, answer) = match node {
        Node::CutOff(_) => (NodeControl::CutOff, Answer::Stopped),
        Node::Freeze(_) => (NodeControl::Freeze, Answer::Stopped),
        Node::Kill(_) => (NodeControl::Kill, Answer::Stopped),
        Node::Rejoin(_) => (NodeControl::Rejoin, Answer::Running),
        Node::Thaw(_) => (NodeControl::Thaw, Answer::Running),
        Node::Start(_) => (NodeControl::Start, Answer::Running),
    };
    let name = cx.fill(node.name());
    cx.world.toolbox()?.node(&name, what)?;
    Ok(Tried::answer(answer))
}
