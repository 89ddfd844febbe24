//! What an agent does, and what stood in its way: kept in a file of the real one's form, with more keys.

use std::fmt::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::Error;

const STAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");

/// The agent's own word on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It never was connected.
    Pending,
    /// It is.
    Connected,
    /// It was.
    Disconnected,
}

/// The stage that an attempt did not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The manager's name has no address.
    Dns,
    /// No connection.
    Connect,
    /// No TLS session for the enrolment.
    Tls,
    /// No key.
    Enrol,
    /// The manager did not answer to what is sealed with the key.
    Key,
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) stage: Stage,
    /// Why, in words that hold no address.
    pub(super) reason: String,
}

/// What an agent does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Whether it is connected.
    pub status: Status,
    /// When it last said that it is there.
    pub last_keepalive: Option<SystemTime>,
    /// When the manager last answered.
    pub last_ack: Option<SystemTime>,
    /// Events made.
    pub msg_count: u64,
    /// Messages sent.
    pub msg_sent: u64,
    /// Events that wait.
    pub msg_buffer: u64,
    /// Events that did not fit into the buffer.
    pub dropped: u64,
    /// Answers of the manager.
    pub acks: u64,
    /// Attempts that failed, in all.
    pub attempts: u64,
    /// Attempts in a row that failed at this stage, for this reason.
    pub streak: u64,
    /// The stage of the last attempt that failed.
    pub stage: Option<Stage>,
    /// Its reason.
    pub reason: String,
    /// This run of the agent, as the source of marks that tell its connections apart.
    pub session: String,
    /// How many times it was connected: the number in that mark.
    pub connections: u64,
    /// The manager that it is connected to, or was.
    pub server: String,
}

impl State {
    pub(super) fn new() -> Self {
        let run = crate::random::bytes::<4>().unwrap_or_default();
        Self {
            status: Status::Pending,
            last_keepalive: None,
            last_ack: None,
            msg_count: 0,
            msg_sent: 0,
            msg_buffer: 0,
            dropped: 0,
            acks: 0,
            attempts: 0,
            streak: 0,
            stage: None,
            reason: String::new(),
            session: format!("session-{:08x}", u32::from_be_bytes(run)),
            connections: 0,
            server: String::new(),
        }
    }

    pub(super) fn failed(&mut self, failure: Failure) {
        let same = self.stage == Some(failure.stage) && self.reason == failure.reason;
        self.streak = if same { self.streak + 1 } else { 1 };
        self.attempts += 1;
        (self.stage, self.reason) = (Some(failure.stage), failure.reason);
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), Error> {
        let beside = path.with_extension("new");
        std::fs::write(&beside, self.to_string()).map_err(Error::file("write", &beside))?;
        std::fs::rename(&beside, path).map_err(Error::file("write", path))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = |time: Option<SystemTime>| {
            time.and_then(|time| OffsetDateTime::from(time).format(STAMP).ok())
                .unwrap_or_default()
        };
        let mut text = String::from("# State file for wazuh-agentd (an agent of Gauntlet)\n");
        let mut line = |key: &str, value: &dyn fmt::Display| writeln!(text, "{key}='{value}'");
        line("status", &self.status)?;
        line("last_keepalive", &stamp(self.last_keepalive))?;
        line("last_ack", &stamp(self.last_ack))?;
        line("msg_count", &self.msg_count)?;
        line("msg_sent", &self.msg_sent)?;
        line("msg_buffer", &self.msg_buffer)?;
        line("dropped", &self.dropped)?;
        line("acks", &self.acks)?;
        line("attempts", &self.attempts)?;
        line("streak", &self.streak)?;
        line("stage", &self.stage.map_or("", Stage::word))?;
        line("reason", &self.reason)?;
        line("session", &self.session)?;
        line("connections", &self.connections)?;
        line("server", &self.server)?;
        f.write_str(&text)
    }
}

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Enrol => "enrol",
            Self::Key => "key",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_form_of_the_real_one_and_counts_failures_in_a_row() {
        let mut state = State::new();
        for reason in ["refused", "no route", "no route"] {
            state.failed(Failure {
                stage: Stage::Connect,
                reason: reason.into(),
            });
        }
        let text = state.to_string();
        assert!(
            text.contains("\nstatus='pending'\nlast_keepalive=''\nlast_ack=''\nmsg_count='0'\n"),
            "{text}"
        );
        assert!(
            text.contains("\nattempts='3'\nstreak='2'\nstage='connect'\nreason='no route'\n"),
            "{text}"
        );
    }
}
