//! The wire protocol between a Wazuh agent and its manager, both ends of it, written from a
//! description of the protocol (of Wazuh 4.14.7), not from its code. It is for tests: the agent
//! produces events that can be counted, the manager counts them, and both say where it ended when
//! it does not work.
//!
//! An agent enrols over TLS (port 1515), where it gets a key. With it, it seals what it sends over
//! TCP or UDP (port 1514): it says that it starts, waits for the manager's answer, and then sends
//! events, and now and then that it is still there.

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
mod whole_file;
mod wire;

pub use buffer::{BufferLevel, BufferLimits, EventBuffer};
pub use control::{FromAgent, FromManager};
pub use counters::{MessageCounter, ReceivedCounter, SentCounter};
pub use enrol::{EnrolRefusal, EnrolReply, EnrolRequest, WantedPassword};
pub use error::Error;
pub use event::{AgentEvent, EventMark};
pub use keys::{AgentKey, SealingSecret, is_name};
pub use log::AgentLog;
pub use message::{
    MessageCipher, OpenedMessage, SealedMessage, open_message, seal_message, split_message,
};
pub use stop::StopSignal;
pub use tally::{EventJournal, EventTallies, EventTally};
pub use tls::{AcceptAnyServer, TlsFiles};
pub use version::AgentVersion;
pub use wire::TransportProtocol;
