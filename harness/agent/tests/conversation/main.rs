//! Agent and manager with each other, over real sockets of this machine.
#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic")]

mod enrolment;
mod events;
mod messages;
mod support;
