//! What is taken out of texts, by the named rules of one table.
//!
//! A rule has one of two reasons. A *secret* is never written down: neither as evidence, nor in a
//! detail, nor in a recorded outcome ([`redact_secrets`] and its like, [`redact_tokens`]). What
//! *varies* from run to run is evidence, and is only taken out of recorded outcomes
//! ([`redact_recorded`]), which apply every rule. The random values that a world plants are known to
//! that run alone; the engine hides them itself.

mod recorded;
mod rules;
mod secrets;

pub use recorded::redact_recorded;
pub use rules::{RedactionReason, RedactionRule, all_rules};
pub use secrets::{
    redact_pod_text, redact_reply, redact_secrets, redact_sent, redact_tokens, secret_keys,
};
