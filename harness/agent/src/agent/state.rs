//! What an agent does, and why it failed: kept in a file of the real one's form, with more keys.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::Path;
use std::str::FromStr;
use std::time::SystemTime;

use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::Error;
use crate::whole_file::replace_file;

const TIME_FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");

/// The agent's own word on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionStatus {
    /// It never was connected.
    Pending,
    /// It is.
    Connected,
    /// It was.
    Disconnected,
}

/// The stage that an attempt did not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptStage {
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
pub(super) struct AttemptFailure {
    pub(super) stage: AttemptStage,
    /// Why, in words that hold no address.
    pub(super) reason: String,
}

/// What an agent does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentActivity {
    /// Whether it is connected.
    pub status: ConnectionStatus,
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
    pub stage: Option<AttemptStage>,
    /// Its reason.
    pub reason: String,
    /// This run of the agent, as the source of marks that tell its connections apart.
    pub session: String,
    /// How many times it was connected: the number in that mark.
    pub connections: u64,
    /// The manager that it is connected to, or was.
    pub server: String,
}

impl AgentActivity {
    pub(super) fn new() -> Self {
        let run = crate::random::random_bytes::<4>().unwrap_or_default();
        Self {
            status: ConnectionStatus::Pending,
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

    pub(super) fn note_failure(&mut self, failure: AttemptFailure) {
        let same = self.stage == Some(failure.stage) && self.reason == failure.reason;
        self.streak = if same { self.streak + 1 } else { 1 };
        self.attempts += 1;
        (self.stage, self.reason) = (Some(failure.stage), failure.reason);
    }

    /// Reads what an agent keeps in a file.
    ///
    /// # Errors
    /// A file that cannot be read, or is not one of an agent of ours.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
        Self::read(&text)
    }

    fn read(text: &str) -> Result<Self, Error> {
        let pairs = text.lines().filter_map(|line| line.split_once("='"));
        let values = pairs.filter_map(|(key, value)| Some((key, value.strip_suffix('\'')?)));
        let values = Values(values.collect());
        Ok(Self {
            status: values.parsed("status")?,
            last_keepalive: values.time("last_keepalive")?,
            last_ack: values.time("last_ack")?,
            msg_count: values.parsed("msg_count")?,
            msg_sent: values.parsed("msg_sent")?,
            msg_buffer: values.parsed("msg_buffer")?,
            dropped: values.parsed("dropped")?,
            acks: values.parsed("acks")?,
            attempts: values.parsed("attempts")?,
            streak: values.parsed("streak")?,
            stage: values.stage()?,
            reason: values.text("reason")?.to_owned(),
            session: values.text("session")?.to_owned(),
            connections: values.parsed("connections")?,
            server: values.text("server")?.to_owned(),
        })
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), Error> {
        replace_file(path, &self.to_string()).map_err(Error::file("write", path))
    }
}

/// What stands in a state file, by its key.
struct Values<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Values<'a> {
    fn text(&self, key: &'static str) -> Result<&'a str, Error> {
        self.0.get(key).copied().ok_or(Error::State { key })
    }

    fn parsed<T: FromStr>(&self, key: &'static str) -> Result<T, Error> {
        self.text(key)?.parse().map_err(|_| Error::State { key })
    }

    fn time(&self, key: &'static str) -> Result<Option<SystemTime>, Error> {
        let text = self.text(key)?;
        if text.is_empty() {
            return Ok(None);
        }
        let time = PrimitiveDateTime::parse(text, TIME_FORMAT).map_err(|_| Error::State { key })?;
        Ok(Some(time.assume_utc().into()))
    }

    fn stage(&self) -> Result<Option<AttemptStage>, Error> {
        let word = self.text("stage")?;
        let known = AttemptStage::ALL
            .into_iter()
            .find(|stage| stage.word() == word);
        match (word, known) {
            ("", _) => Ok(None),
            (_, Some(stage)) => Ok(Some(stage)),
            (_, None) => Err(Error::State { key: "stage" }),
        }
    }
}

impl fmt::Display for AgentActivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = |time: Option<SystemTime>| {
            time.and_then(|time| OffsetDateTime::from(time).format(TIME_FORMAT).ok())
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
        line("stage", &self.stage.map_or("", AttemptStage::word))?;
        line("reason", &self.reason)?;
        line("session", &self.session)?;
        line("connections", &self.connections)?;
        line("server", &self.server)?;
        f.write_str(&text)
    }
}

impl AttemptStage {
    const ALL: [Self; 5] = [Self::Dns, Self::Connect, Self::Tls, Self::Enrol, Self::Key];

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

impl fmt::Display for ConnectionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
        })
    }
}

impl FromStr for ConnectionStatus {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "pending" => Ok(Self::Pending),
            "connected" => Ok(Self::Connected),
            "disconnected" => Ok(Self::Disconnected),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_state_is_read_as_it_was_written_and_half_of_one_is_not() {
        for stage in AttemptStage::ALL.into_iter().map(Some).chain([None]) {
            let state = AgentActivity {
                status: ConnectionStatus::Connected,
                last_ack: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)),
                acks: 7,
                stage,
                reason: "it's so".into(),
                connections: 2,
                server: "manager".into(),
                ..AgentActivity::new()
            };
            assert_eq!(AgentActivity::read(&state.to_string()).unwrap(), state);
        }
        let whole = AgentActivity::new().to_string();
        for text in [
            "",
            "status='connected'\n",
            &whole.replace("stage=''", "stage='moon'"),
            &whole.replace("pending", "asleep"),
            &whole.replace("acks='0'", "acks='many'"),
            &whole.replace("last_ack=''", "last_ack='today'"),
        ] {
            assert!(AgentActivity::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_file_has_the_form_of_the_real_one_and_counts_failures_in_a_row() {
        let mut state = AgentActivity::new();
        for reason in ["refused", "no route", "no route"] {
            state.note_failure(AttemptFailure {
                stage: AttemptStage::Connect,
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
