//! The agent: it enrols, connects, produces events, and tries again.

mod config;
mod enrolment;
mod follow;
mod produce;
mod session;
mod state;

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use config::LEAST_PATIENCE;
pub use config::{AgentConfig, AgentTimes, LiveEvents, ProduceFrom, ResolveName};
pub use state::{AgentActivity, AttemptStage, ConnectionStatus};

use crate::buffer::{BufferLevel, EventBuffer};
use crate::{AgentEvent, AgentKey, AgentLog, Error, StopSignal};
use follow::FollowedFiles;
use session::ManagerLink;
use state::AttemptFailure;

/// An agent.
pub struct WazuhAgent {
    config: AgentConfig,
    log: AgentLog,
    stop: StopSignal,
    state: Mutex<AgentActivity>,
    waiting: Mutex<WaitingEvents>,
    arrived: Condvar,
    link: Mutex<Option<ManagerLink>>,
    linked: Condvar,
}

/// What waits to be sent.
struct WaitingEvents {
    buffer: EventBuffer<AgentEvent>,
    /// Levels that the manager does not know yet.
    levels: Vec<BufferLevel>,
}

/// How trying one server ended.
enum ServerAttempt {
    /// It was connected, and no longer is.
    Lost,
    /// It never was.
    Failed,
}

impl WazuhAgent {
    /// An agent that does nothing yet.
    #[must_use]
    pub fn new(config: AgentConfig) -> Arc<Self> {
        let waiting = WaitingEvents {
            buffer: EventBuffer::new(config.limits),
            levels: Vec::new(),
        };
        Arc::new(Self {
            log: AgentLog::new("wazuh-agentd", Some(config.dir.join("ossec.log"))),
            config,
            stop: StopSignal::default(),
            state: Mutex::new(AgentActivity::new()),
            waiting: Mutex::new(waiting),
            arrived: Condvar::new(),
            link: Mutex::new(None),
            linked: Condvar::new(),
        })
    }

    /// Tells it to end.
    pub fn stop(&self) {
        self.stop.signal_stop();
        self.arrived.notify_all();
        self.linked.notify_all();
    }

    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> AgentActivity {
        let waiting = lock_content(&self.waiting);
        let (buffered, dropped) = (waiting.buffer.len() as u64, waiting.buffer.dropped());
        drop(waiting);
        AgentActivity {
            msg_buffer: buffered,
            dropped,
            ..lock_content(&self.state).clone()
        }
    }

    /// Works until it is told to end.
    ///
    /// # Errors
    /// When its own files cannot be used.
    pub fn run(self: &Arc<Self>) -> Result<(), Error> {
        std::fs::create_dir_all(&self.config.dir)
            .map_err(Error::file("create", &self.config.dir))?;
        self.log.info("(1410): Reading authentication keys file.");
        let (times, version) = (&self.config.times, self.config.version);
        let (notify, most) = (times.notify.as_secs(), times.no_ack.as_secs());
        self.log.info(format!(
            "Using notify time: {notify} and max time to reconnect: {most}"
        ));
        self.log
            .info(format!("Version detected -> Linux - Wazuh {version}"));
        self.log.info(format!(
            "Using {} as encryption method.",
            self.config.crypto()
        ));
        let mut threads = vec![
            self.spawn_thread(Self::drain_buffer),
            self.spawn_thread(Self::keep_state),
        ];
        threads.extend(
            self.config
                .live
                .iter()
                .map(|_| self.spawn_thread(Self::produce_events)),
        );
        if let Some(place) = &self.config.logs {
            let log = AgentLog::new(
                "wazuh-logcollector",
                Some(self.config.dir.join("ossec.log")),
            );
            let followed =
                FollowedFiles::new(place.clone(), self.config.log_queue, times.rescan, log);
            let agent = Arc::clone(self);
            threads.push(thread::spawn(move || agent.follow_files(followed)));
        }
        let done = self.try_servers();
        self.stop();
        for thread in threads {
            let _ = thread.join();
        }
        done
    }

    fn spawn_thread(self: &Arc<Self>, work: fn(&Self)) -> thread::JoinHandle<()> {
        let agent = Arc::clone(self);
        thread::spawn(move || work(&agent))
    }

    /// Tries server after server until told to end.
    fn try_servers(&self) -> Result<(), Error> {
        let path = self.load_keys();
        let (mut key, mut server, mut pause) = (
            AgentKey::load(&path)?.into_iter().next(),
            0,
            self.config.times.enrol_step,
        );
        while !self.stop.is_told() {
            let name = self
                .config
                .managers
                .get(server)
                .cloned()
                .unwrap_or_default();
            let Some(have) = key.clone() else {
                if !self.config.enrols {
                    self.log
                        .error("(4109): Unable to start without auth keys. Exiting.");
                    return Err(Error::NoKey { path });
                }
                key = self.enrol_and_wait(&name, &mut pause)?;
                if key.is_none() {
                    server = (server + 1) % self.config.managers.len().max(1);
                }
                continue;
            };
            match self.try_server(&have, &name)? {
                ServerAttempt::Lost => {}
                ServerAttempt::Failed if self.stop.is_told() => {}
                ServerAttempt::Failed => {
                    let version = self.config.version;
                    self.log.warning(format!(
                        "(4101): Waiting for server reply (not started). Tried: '{name}'. \
                         Ensure that the manager version is '{version}' or higher."
                    ));
                    if self.config.enrols
                        && let Some(new) = self.enrol_again(&name, &have)?
                    {
                        key = Some(new);
                    }
                    server = self.next_server(server);
                }
            }
        }
        Ok(())
    }

    /// The server after this one.
    fn next_server(&self, server: usize) -> usize {
        let next = (server + 1) % self.config.managers.len().max(1);
        match self.config.managers.get(next) {
            Some(name) if next != 0 => self
                .log
                .info(format!("Trying next server ip in the line: '{name}'.")),
            _ => self.log.warning("Unable to connect to any server."),
        }
        next
    }

    fn try_server(&self, key: &AgentKey, name: &str) -> Result<ServerAttempt, Error> {
        for _ in 0..self.config.times.max_retries {
            let start = Instant::now();
            match self.run_session(key, name)? {
                // A manager that hangs up at once is not to be called in a loop.
                Ok(()) if start.elapsed() < self.config.times.retry => {
                    self.stop.stopped_within(self.config.times.retry);
                    return Ok(ServerAttempt::Lost);
                }
                Ok(()) => return Ok(ServerAttempt::Lost),
                Err(failure) => self.note_failure(failure),
            }
            if self.stop.stopped_within(self.config.times.retry) {
                break;
            }
        }
        Ok(ServerAttempt::Failed)
    }

    /// Remembers how far an attempt came.
    fn note_failure(&self, failure: AttemptFailure) {
        lock_content(&self.state).note_failure(failure);
    }

    fn load_keys(&self) -> PathBuf {
        self.config.dir.join("client.keys")
    }

    /// Writes the state file now and then, and at the end.
    fn keep_state(&self) {
        let path = self.config.dir.join("wazuh-agentd.state");
        let mut next = Instant::now();
        loop {
            let told = self.stop.stopped_until(next);
            if let Err(fault) = self.state().save(&path) {
                self.log.error(fault);
            }
            if told {
                return;
            }
            next = Instant::now() + self.config.times.state;
        }
    }
}

/// A lock's content, even after a thread that held it ended in a panic: counts are still counts.
fn lock_content<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a wait lasts before it looks for the stop signal.
const STOP_POLL_INTERVAL: Duration = Duration::from_millis(50);
