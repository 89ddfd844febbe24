//! The client's side: what reaches what, and at which stage it ends where it does not.

mod attempt;
mod fault;
mod hold;
mod lasting;
mod reach;
mod target;
mod watch;

pub(crate) use fault::{blocked_at, reason_of};
pub(crate) use hold::{BEHIND_OPTION, hold_connection, run_behind, use_held};
pub(crate) use reach::{reach_one, reach_words};
pub(crate) use target::TlsTrust;
pub(crate) use watch::{WatchPace, watch_target};
