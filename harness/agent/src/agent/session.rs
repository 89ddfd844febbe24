//! A connection on the event port: its beginning, what is said on it, and its end.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::enrolment::stage_failure;
use super::state::{AttemptFailure, AttemptStage, ConnectionStatus};
use super::{WazuhAgent, lock_content};
use crate::wire::{self, AgentWire};
use crate::{
    AgentEvent, AgentKey, Error, EventMark, FromAgent, FromManager, SealingSecret, SentCounter,
    open_message, seal_message, split_message,
};

/// What is needed to send.
pub(super) struct ManagerLink {
    wire: AgentWire,
    secret: SealingSecret,
    /// The id that messages name, where they name one.
    id: Option<String>,
    sender: SentCounter,
}

impl ManagerLink {
    fn send(&mut self, crypto: crate::MessageCipher, payload: &[u8]) -> Result<(), Error> {
        let counter = self.sender.take_next()?;
        let message = seal_message(&self.secret, crypto, counter, self.id.as_deref(), payload)?;
        self.wire.send(&message)
    }
}

impl WazuhAgent {
    /// One attempt at a manager: `Ok` once it was connected, after it no longer is.
    pub(super) fn run_session(
        &self,
        key: &AgentKey,
        manager: &str,
    ) -> Result<Result<(), AttemptFailure>, Error> {
        let sender = SentCounter::open(&self.config.dir.join("sender_counter"))?;
        let wire = match self.open_wire(manager) {
            Ok(wire) => wire,
            Err(failure) => return Ok(Err(failure)),
        };
        let id = (!key.is_of_one_host()).then(|| key.id.clone());
        let mut link = ManagerLink {
            wire,
            secret: key.secret(),
            id,
            sender,
        };
        if let Err(failure) = self.shake_hands(&mut link, manager) {
            link.wire.close();
            return Ok(Err(failure));
        }
        let address = self.count_place(manager);
        self.log
            .info(format!("(4102): Connected to the server ({address})."));
        self.stay_connected(link, key, manager);
        Ok(Ok(()))
    }

    fn count_place(&self, manager: &str) -> String {
        let address = self
            .first_address(manager)
            .map_or_else(|_| "unknown".into(), |address| address.to_string());
        format!(
            "[{manager}/{address}]:{}/{}",
            self.config.port, self.config.protocol
        )
    }

    fn open_wire(&self, manager: &str) -> Result<AgentWire, AttemptFailure> {
        let mut address = self.first_address(manager);
        for _ in 1..self.config.times.resolve_tries {
            if address.is_ok() || self.stop.stopped_within(self.config.times.resolve_pause) {
                break;
            }
            address = self.first_address(manager);
        }
        let Ok(address) = address else {
            self.log
                .info(format!("Could not resolve hostname '{manager}'"));
            return Err(stage_failure(
                AttemptStage::Dns,
                format!("could not resolve {manager}"),
            ));
        };
        self.log.info(format!(
            "Trying to connect to server ({}).",
            self.count_place(manager)
        ));
        let (port, protocol) = (self.config.port, self.config.protocol);
        let (connect, patience) = (self.config.times.connect, self.config.times.no_ack);
        AgentWire::connect(protocol, SocketAddr::new(address, port), connect, patience).map_err(
            |fault| {
                let why = wire::error_words(&fault);
                self.log.error(format!(
                    "(1216): Unable to connect to '[{address}]:{port}/{protocol}': '{why}'."
                ));
                stage_failure(
                    AttemptStage::Connect,
                    format!("port {port}/{protocol}: {why}"),
                )
            },
        )
    }

    /// Says that the agent starts, and waits for the manager's answer to that.
    fn shake_hands(&self, link: &mut ManagerLink, manager: &str) -> Result<(), AttemptFailure> {
        let crypto = self.config.crypto;
        let sent = link
            .wire
            .set_patience(Some(self.config.times.receive))
            .map_err(Error::network("set a time"))
            .and_then(|()| link.send(crypto, &FromAgent::startup(self.config.version).payload()));
        sent.map_err(|fault| {
            stage_failure(
                AttemptStage::Key,
                format!("the startup was not sent: {}", error_cause(&fault)),
            )
        })?;
        let deadline = Instant::now() + self.config.times.receive;
        while Instant::now() < deadline {
            let message = match link.wire.receive() {
                Ok(Some(message)) => message,
                Ok(None) => {
                    return Err(stage_failure(
                        AttemptStage::Key,
                        "the manager closed the connection after the startup",
                    ));
                }
                Err(fault) => return Err(self.no_answer(&fault)),
            };
            match read_message(&link.secret, &message) {
                Ok(FromManager::Ack) => return Ok(()),
                Ok(FromManager::Refused(why)) => {
                    self.log
                        .error(format!("Couldn't connect to server '{manager}': '{why}'"));
                    return Err(stage_failure(AttemptStage::Key, why));
                }
                Ok(_) => {}
                Err(_) => {
                    self.log.warning(format!(
                        "(1214): Problem receiving message from '{manager}'."
                    ));
                    return Err(stage_failure(
                        AttemptStage::Key,
                        "the answer to the startup is not sealed with this key",
                    ));
                }
            }
        }
        Err(stage_failure(AttemptStage::Key, "no answer to the startup"))
    }

    fn no_answer(&self, fault: &Error) -> AttemptFailure {
        let why = error_cause(fault);
        if why == "Connection timed out" {
            self.log
                .info("Unable to receive start response: Timeout reached");
            return stage_failure(AttemptStage::Key, "no answer to the startup");
        }
        stage_failure(
            AttemptStage::Key,
            format!("no answer to the startup: {why}"),
        )
    }

    /// Stays connected until that ends.
    fn stay_connected(&self, mut link: ManagerLink, key: &AgentKey, manager: &str) {
        let (address, wire) = (link.wire.local(), link.wire.clone_handle());
        let heard = wire
            .and_then(|wire| wire.set_patience(None).map(|()| wire))
            .map(|wire| listen_in_thread(wire, link.secret.clone()));
        let Ok(heard) = heard else { return };
        let mut mark = EventMark {
            source: String::new(),
            number: 0,
        };
        self.note_state(|state| {
            if state.status == ConnectionStatus::Disconnected {
                self.log.info("Server responded. Releasing lock.");
            }
            (state.status, state.last_ack) = (ConnectionStatus::Connected, Some(SystemTime::now()));
            (state.streak, state.stage) = (0, None);
            state.reason.clear();
            state.connections += 1;
            state.server = manager.into();
            mark = EventMark {
                source: state.session.clone(),
                number: state.connections,
            };
        });
        let started =
            AgentEvent::of_agent(format!("ossec: Agent started: '{}->{}'.", key.name, key.ip));
        let crypto = self.config.crypto;
        let begun = [started, AgentEvent::of_agent(mark.to_string())]
            .iter()
            .try_for_each(|event| link.send(crypto, &event.payload()));
        *lock_content(&self.link) = Some(link);
        self.linked.notify_all();
        if begun.is_ok() {
            self.note_state(|state| state.msg_sent += 2);
            self.keep_alive(&heard, &address);
        }
        self.drop_link();
        self.note_state(|state| state.status = ConnectionStatus::Disconnected);
    }

    /// Says now and then that it is there, and hears whether the manager is.
    fn keep_alive(&self, heard: &Receiver<Received>, address: &str) {
        let times = &self.config.times;
        let alive =
            FromAgent::keep_alive(&self.config.name, self.config.version, address).payload();
        let (mut next, mut last_ack) = (Instant::now(), Instant::now());
        while !self.stop.is_told() {
            if Instant::now() >= next {
                if self.send(&alive).is_err() {
                    return;
                }
                self.note_state(|state| state.last_keepalive = Some(SystemTime::now()));
                next = Instant::now() + times.notify;
            }
            let wait = next
                .saturating_duration_since(Instant::now())
                .min(super::STOP_POLL_INTERVAL);
            match heard.recv_timeout(wait) {
                Ok(Received::Said(FromManager::Ack)) => {
                    last_ack = Instant::now();
                    self.note_state(|state| {
                        state.acks += 1;
                        state.last_ack = Some(SystemTime::now());
                    });
                }
                Ok(Received::Said(FromManager::ForceReconnect)) => {
                    self.log.info(
                        "Wazuh Agent will be reconnected because a reconnect message was received",
                    );
                    return;
                }
                Ok(Received::Said(_)) => {}
                Ok(Received::Unreadable) => self
                    .log
                    .warning("(1214): Problem receiving message from the manager."),
                Err(RecvTimeoutError::Timeout) if last_ack.elapsed() > times.no_ack => {
                    self.log.warning("Server unavailable. Setting lock.");
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.log
                        .error("(1137): Lost connection with manager. Setting lock.");
                    return;
                }
            }
        }
        let _ = self.send(&FromAgent::Shutdown.payload());
    }

    /// Sends on the connection that there is. One that does not take it is closed, and what was
    /// sent is lost.
    pub(super) fn send(&self, payload: &[u8]) -> Result<(), Error> {
        let mut held_link = lock_content(&self.link);
        let Some(link) = held_link.as_mut() else {
            return Err(Error::network("send a message")(
                std::io::ErrorKind::NotConnected.into(),
            ));
        };
        let sent = link.send(self.config.crypto, payload);
        match &sent {
            Ok(()) => self.note_state(|state| state.msg_sent += 1),
            // Too long for a frame: the connection is as good as before.
            Err(Error::TooLong { .. }) => self.log.warning("A message is too long to be sent."),
            Err(fault) => {
                self.log.error(format!(
                    "(1218): Unable to send message to 'server': {}",
                    error_cause(fault)
                ));
                link.wire.close();
                *held_link = None;
            }
        }
        sent
    }

    fn drop_link(&self) {
        if let Some(link) = lock_content(&self.link).take() {
            link.wire.close();
        }
    }

    /// Whether there is a connection.
    pub(super) fn has_link(&self) -> bool {
        lock_content(&self.link).is_some()
    }

    /// Waits until there is a connection; `false` where the agent is told to end first.
    pub(super) fn is_linked(&self) -> bool {
        let mut link = lock_content(&self.link);
        while link.is_none() && !self.stop.is_told() {
            let waited = self.linked.wait_timeout(link, super::STOP_POLL_INTERVAL);
            link = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
        !self.stop.is_told()
    }
}

/// What came from the manager.
enum Received {
    Said(FromManager),
    Unreadable,
}

/// Reads in a background thread, until the connection ends.
fn listen_in_thread(mut wire: AgentWire, secret: SealingSecret) -> Receiver<Received> {
    let (tell, heard) = mpsc::channel();
    thread::spawn(move || {
        while let Ok(Some(message)) = wire.receive() {
            let said = read_message(&secret, &message).map_or(Received::Unreadable, Received::Said);
            if tell.send(said).is_err() {
                return;
            }
        }
    });
    heard
}

fn read_message(secret: &SealingSecret, message: &[u8]) -> Result<FromManager, Error> {
    let opened = open_message(secret, split_message(message)?)?;
    FromManager::read(&opened.payload).ok_or(Error::Format)
}

/// The system's answer in an error, in words that stay the same.
fn error_cause(fault: &Error) -> String {
    match fault {
        Error::Network { source, .. } => wire::error_words(source),
        other => other.to_string(),
    }
}

/// Slots in time, a fixed number a second, for what must not go faster.
pub(super) struct SendPace {
    next: Instant,
    step: Duration,
}

impl SendPace {
    /// At most `per_second`.
    pub(super) fn per_second(per_second: f64) -> Self {
        Self {
            next: Instant::now(),
            step: Duration::from_secs_f64(1.0 / per_second.clamp(0.001, 1e9)),
        }
    }

    /// The next slot. One that was missed is not made up for.
    pub(super) fn take_slot(&mut self) -> Instant {
        let slot = self.next.max(Instant::now());
        self.next = slot + self.step;
        slot
    }
}
