//! A conversation: questions and answers as lines of JSON, many at a time over one connection, each
//! answered as soon as it can be. The lines are those of [`probe_protocol::Question`] and
//! [`probe_protocol::ProbeReply`].
//!
//! Commands that stay answer at an abstract socket of their network namespace, named after their
//! mount namespace, which no other container has. Whatever shares the network namespace can ask
//! too, and the caller is not checked: it can read what this container can read, and open
//! connections. In a pod that is the pod itself; in a node's own network it is every pod there. The
//! engine looks at the other end instead: whether the process that listens is of the container that
//! it means.

mod door;
mod talk;

pub(crate) use door::open_door;
pub(crate) use talk::answer_all;
