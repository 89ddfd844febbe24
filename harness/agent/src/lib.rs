//! The wire protocol between a Wazuh agent and its manager, both ends of it, written from a description of the protocol
//! (of Wazuh 4.14.7), not from its code. It is for tests: the agent produces events that can be counted, the manager
//! counts them, and both say where it ended when it does not work.
//!
//! An agent enrols over TLS (port 1515), where it gets a key. With it, it seals what it sends over TCP or UDP (port
//! 1514): it says that it starts, waits for the manager's answer, and then sends events, and now and then that it is
//! still there.

pub mod agent;
mod buffer;
mod control;
mod counters;
mod enrol;
mod error;
mod event;
pub mod frame;
mod keys;
mod log;
pub mod manager;
mod message;
mod random;
mod stop;
mod tally;
mod tls;
mod version;
mod wire;

pub use buffer::{Buffer, Level, Limits};
pub use control::{FromAgent, FromManager};
pub use counters::{Counter, Receiver, Sender};
pub use enrol::{Refusal, Reply, Request};
pub use error::Error;
pub use event::{Event, Mark};
pub use keys::{Key, Secret, is_name};
pub use log::Log;
pub use message::{Crypto, Opened, Sealed, open, seal, split};
pub use stop::Stop;
pub use tally::{Journal, Tallies, Tally};
pub use tls::{Files, Unverified};
pub use version::Version;
pub use wire::Protocol;
