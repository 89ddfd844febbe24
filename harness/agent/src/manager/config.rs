//! How a manager is set up.

use std::path::PathBuf;
use std::time::Duration;

use crate::agent::LEAST_PATIENCE;
use crate::{AgentVersion, TlsFiles};

/// A manager's configuration; the defaults are the shipped ones.
#[derive(Clone, Debug)]
pub struct ManagerConfig {
    /// The folder for keys, log and counts.
    pub dir: PathBuf,
    /// The port for events; a free one where it is 0.
    pub port: u16,
    /// Whether it listens there on TCP.
    pub tcp: bool,
    /// Whether it listens there on UDP.
    pub udp: bool,
    /// The port for enrolment, if it enrols.
    pub enrol_port: Option<u16>,
    /// The enrolment password, where one is wanted.
    pub password: Option<String>,
    /// Whether it gives a key to whoever gives a password that it does not want: the real manager
    /// does not, an impostor that is made for that does.
    pub takes_any_password: bool,
    /// The files with its certificate and key; one that it makes itself where there are none.
    pub certificate: Option<TlsFiles>,
    /// The file with the authority of agents' certificates (`ssl_agent_ca`): agents need none
    /// otherwise.
    pub agents: Option<PathBuf>,
    /// Another manager's key file, to take events by, instead of its own.
    pub keys: Option<PathBuf>,
    /// Its version.
    pub version: AgentVersion,
    /// When a name that is taken is given away.
    pub force: ForceEnrolment,
    /// Whether a message that was taken before is refused (`remoted.verify_msg_id`).
    pub verify_counters: bool,
    /// How many threads take messages (`remoted.worker_pool`). It only decides whether counters can
    /// be verified: messages are taken in order here.
    pub worker_pool: u32,
    /// How long a silent connection keeps another one with the same key out.
    pub overtake: Duration,
    /// How long a silent agent counts as connected.
    pub disconnected_after: Duration,
    /// Between two looks into the key file.
    pub key_update: Duration,
}

impl ManagerConfig {
    /// Every time multiplied.
    #[must_use]
    pub fn scaled_by(self, by: f64) -> Self {
        let of =
            |time: Duration| Duration::try_from_secs_f64(time.as_secs_f64() * by).unwrap_or(time);
        let ForceEnrolment {
            disconnected_time,
            after_registration_time,
            ..
        } = self.force;
        Self {
            force: ForceEnrolment {
                disconnected_time: disconnected_time.map(of),
                after_registration_time: of(after_registration_time),
                ..self.force
            },
            // An agent that works can be silent for seconds, on a busy machine.
            overtake: of(self.overtake).max(LEAST_PATIENCE.min(self.overtake)),
            disconnected_after: of(self.disconnected_after),
            key_update: of(self.key_update),
            ..self
        }
    }
}

/// When an agent whose name is taken gets it all the same.
#[derive(Clone, Copy, Debug)]
pub struct ForceEnrolment {
    /// Never, where this is off.
    pub enabled: bool,
    /// Not where it still has the key.
    pub key_mismatch: bool,
    /// Only where the other one has been disconnected for this long.
    pub disconnected_time: Option<Duration>,
    /// Only where the other one was enrolled so long ago.
    pub after_registration_time: Duration,
}

impl Default for ManagerConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("/manager"),
            port: 1514,
            tcp: true,
            udp: false,
            enrol_port: Some(1515),
            password: None,
            takes_any_password: false,
            certificate: None,
            agents: None,
            keys: None,
            version: AgentVersion::KNOWN,
            force: ForceEnrolment::default(),
            verify_counters: false,
            worker_pool: 4,
            overtake: Duration::from_secs(60),
            disconnected_after: Duration::from_secs(900),
            key_update: Duration::from_secs(10),
        }
    }
}

impl Default for ForceEnrolment {
    fn default() -> Self {
        let hour = Duration::from_secs(3600);
        Self {
            enabled: true,
            key_mismatch: true,
            disconnected_time: Some(hour),
            after_registration_time: hour,
        }
    }
}
