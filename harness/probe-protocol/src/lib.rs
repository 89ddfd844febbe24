//! What the probe is asked and what it says. The probe is built for each box together with the
//! program that asks it, so both use these types, and nothing here has a version.
//!
//! Everything is a line of JSON. A line that is not understood is an [`Error`] with the line in it:
//! it is never an answer. Nothing here reads or writes: a line is text.

mod agent;
mod attempt;
mod conversation;
mod error;
mod line;
mod reach;
mod registry;
mod watch;

pub use agent::{AgentReport, AgentStage, EnrolledAgent, EventCount, ManagerReport};
pub use attempt::{
    AttemptFacts, AttemptStage, BlockedAttempt, DnsTransport, FaultReason, ProbeReport,
};
pub use conversation::{
    EngineQuestion, NO_QUESTION, ProbeAnswer, ProbeReply, ProbeRequest, QuestionAnswer,
};
pub use error::Error;
pub use line::{read_line, write_line};
pub use reach::{HoldRule, ReachRequest, STAGE_TIMEOUT};
pub use registry::RegistryFault;
pub use watch::{WatchChange, WatchCount, WatchLine};
