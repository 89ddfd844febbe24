//! How an agent is set up.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::{AgentVersion, BufferLimits, Error, MessageCipher, TlsFiles, TransportProtocol};

/// Finds the addresses of a name. A static program brings its own.
pub type ResolveName = fn(&str) -> Result<Vec<IpAddr>, Error>;

/// An agent's configuration.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// The managers, in the order in which they are tried.
    pub managers: Vec<String>,
    /// The manager that enrols, where it is another one.
    pub enrol_manager: Option<String>,
    /// Whether it enrols: otherwise its key has to be there.
    pub enrols: bool,
    /// The address that it wants its key to be good for, or `src`; any where it is not given.
    pub enrol_ip: Option<String>,
    /// The port for events.
    pub port: u16,
    /// The port for enrolment.
    pub enrol_port: u16,
    /// How events are carried.
    pub protocol: TransportProtocol,
    /// What they are sealed with.
    pub crypto: MessageCipher,
    /// What the agent is called.
    pub name: String,
    /// The version that it says it is.
    pub version: AgentVersion,
    /// The file with the enrolment password.
    pub password: Option<PathBuf>,
    /// The file with the authority that the enrolling manager's certificate has to be of; it is not
    /// looked at otherwise.
    pub ca: Option<PathBuf>,
    /// The agent's own certificate and key, for a manager that asks for one.
    pub own: Option<TlsFiles>,
    /// By how many seconds the agent's clock is ahead.
    pub clock_ahead: i64,
    /// The folder for key, counters, log and state.
    pub dir: PathBuf,
    /// The buffer.
    pub limits: BufferLimits,
    /// When what is done.
    pub times: AgentTimes,
    /// Events that the agent makes itself.
    pub live: Option<LiveEvents>,
    /// A log file to follow, or a folder: every `.log` file below it.
    pub logs: Option<PathBuf>,
    /// How many of their lines wait while there is no connection (`logcollector.queue_size`).
    pub log_queue: usize,
    /// How names are resolved.
    pub resolve: ResolveName,
}

impl AgentConfig {
    pub(super) fn crypto(&self) -> &'static str {
        match self.crypto {
            MessageCipher::Aes => "AES",
            MessageCipher::Blowfish => "Blowfish",
        }
    }
}

/// Events that come from no file: what does not fit into the buffer is gone.
#[derive(Clone, Debug)]
pub struct LiveEvents {
    /// The name in their marks.
    pub source: String,
    /// How many.
    pub events: u64,
    /// How many in a second; all at once where it is 0.
    pub rate: f64,
    /// When they begin.
    pub begin: ProduceFrom,
}

/// When an agent begins to make events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProduceFrom {
    /// With the agent.
    #[default]
    AtOnce,
    /// When it is first connected.
    Connected,
    /// When it first was connected and then finds no server to connect to: nothing of theirs is on
    /// the wire at that moment.
    Away,
}

impl FromStr for ProduceFrom {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "at-once" => Ok(Self::AtOnce),
            "connected" => Ok(Self::Connected),
            "away" => Ok(Self::Away),
            _ => Err(Error::unknown_word(
                text,
                "a beginning",
                "at-once, connected or away",
            )),
        }
    }
}

/// The times of an agent; the defaults are the shipped ones.
#[derive(Clone, Copy, Debug)]
pub struct AgentTimes {
    /// For a connection; as long as the kernel tries, where it is not given.
    pub connect: Option<Duration>,
    /// For the answer to the startup.
    pub receive: Duration,
    /// Between two tries of one server.
    pub retry: Duration,
    /// How many tries a server gets.
    pub max_retries: u32,
    /// Between two keep-alives.
    pub notify: Duration,
    /// A manager that has answered nothing for this long is taken for gone.
    pub no_ack: Duration,
    /// By how much the pause between two enrolments grows.
    pub enrol_step: Duration,
    /// The longest such pause.
    pub enrol_most: Duration,
    /// After an enrolment, before the connection: managers read their keys now and then only.
    pub after_enrolment: Duration,
    /// How often a name is asked for, before it counts as not resolved.
    pub resolve_tries: u32,
    /// Between two of these.
    pub resolve_pause: Duration,
    /// Between two looks into log files.
    pub poll: Duration,
    /// Between two looks for new log files.
    pub rescan: Duration,
    /// Between two state files.
    pub state: Duration,
}

/// The least of [`AgentTimes::receive`], [`AgentTimes::no_ack`] and the manager's `overtake` when times
/// are multiplied.
pub(crate) const LEAST_PATIENCE: Duration = Duration::from_secs(10);

impl AgentTimes {
    /// Every time multiplied, the kernel's own for a connection (127 s) included; how often
    /// something is tried stays. How long a silent manager is borne with is not less than
    /// [`LEAST_PATIENCE`]: on a busy machine, one that works can be silent for seconds.
    #[must_use]
    pub fn scaled_by(self, by: f64) -> Self {
        let of =
            |time: Duration| Duration::try_from_secs_f64(time.as_secs_f64() * by).unwrap_or(time);
        let patience = |time: Duration| of(time).max(LEAST_PATIENCE.min(time));
        Self {
            connect: Some(of(self.connect.unwrap_or(Duration::from_secs(127)))),
            receive: patience(self.receive),
            retry: of(self.retry),
            max_retries: self.max_retries,
            notify: of(self.notify),
            no_ack: patience(self.no_ack),
            enrol_step: of(self.enrol_step),
            enrol_most: of(self.enrol_most),
            after_enrolment: of(self.after_enrolment),
            resolve_tries: self.resolve_tries,
            resolve_pause: of(self.resolve_pause),
            poll: of(self.poll),
            rescan: of(self.rescan),
            state: of(self.state),
        }
    }
}

impl Default for AgentTimes {
    fn default() -> Self {
        Self {
            connect: None,
            receive: Duration::from_secs(60),
            retry: Duration::from_secs(10),
            max_retries: 5,
            notify: Duration::from_secs(20),
            no_ack: Duration::from_secs(60),
            enrol_step: Duration::from_secs(5),
            enrol_most: Duration::from_secs(60),
            after_enrolment: Duration::from_secs(20),
            resolve_tries: 4,
            resolve_pause: Duration::from_secs(1),
            poll: Duration::from_secs(2),
            rescan: Duration::from_secs(64),
            state: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faster_times_leave_patience_for_a_busy_machine_and_slower_ones_do_not_shorten_any() {
        let fast = AgentTimes::default().scaled_by(0.05);
        assert_eq!(
            (fast.receive, fast.no_ack),
            (LEAST_PATIENCE, LEAST_PATIENCE)
        );
        assert_eq!(fast.retry, Duration::from_millis(500));
        let slow = AgentTimes::default().scaled_by(2.0);
        assert_eq!(slow.no_ack, Duration::from_secs(120));
        let short = AgentTimes {
            no_ack: Duration::from_secs(4),
            ..AgentTimes::default()
        };
        assert_eq!(short.scaled_by(0.05).no_ack, Duration::from_secs(4));
    }
}
