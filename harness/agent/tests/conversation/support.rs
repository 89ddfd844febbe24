//! Agents and managers on free ports, and what they have written.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use agent::agent::{
    AgentActivity, AgentConfig, AgentTimes, AttemptStage, ConnectionStatus, LiveEvents,
    ProduceFrom, WazuhAgent,
};
use agent::manager::{self, WazuhManager};
use agent::{
    AgentVersion, BufferLimits, EventJournal, EventTally, MessageCipher, StopSignal,
    TransportProtocol,
};

/// Long enough for a machine that does much else.
pub(crate) const SEEN_WITHIN: Duration = Duration::from_secs(90);

/// Waits for something to become so.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let (start, pause) = (Instant::now(), StopSignal::default());
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < SEEN_WITHIN, "waited for {what}");
        pause.stopped_within(Duration::from_millis(10));
    }
}

pub(crate) fn resolve(name: &str) -> Result<Vec<IpAddr>, agent::Error> {
    if name == "manager" {
        Ok(vec![[127, 0, 0, 1].into()])
    } else {
        Err(agent::Error::Unresolved {
            name: name.to_owned(),
            why: None,
        })
    }
}

/// A manager's set-up, quick to read its keys.
pub(crate) fn manager_in(dir: &Path) -> manager::ManagerConfig {
    manager::ManagerConfig {
        dir: dir.join("manager"),
        key_update: Duration::from_millis(20),
        ..manager::ManagerConfig::default()
    }
}

/// On ports that no other test is ever given, so that no other process is there once it has ended.
pub(crate) fn start(config: manager::ManagerConfig) -> Arc<WazuhManager> {
    let enrols = config.enrol_port.is_some();
    let manager = until("free ports", || {
        let (port, enrol_port) = (next_port(), next_port());
        WazuhManager::new(manager::ManagerConfig {
            port,
            enrol_port: enrols.then_some(enrol_port),
            ..config.clone()
        })
        .ok()
    });
    manager.start_serving().unwrap();
    manager
}

/// Below those that the kernel gives away by itself.
pub(crate) fn next_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + u16::try_from(std::process::id() % 200).unwrap() * 100;
    first + NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The same as soon as its ports are free.
pub(crate) fn start_again(config: &manager::ManagerConfig) -> Arc<WazuhManager> {
    let manager = until("free ports", || WazuhManager::new(config.clone()).ok());
    manager.start_serving().unwrap();
    manager
}

/// An agent's set-up with short times.
pub(crate) fn agent_of(dir: &Path, manager: &WazuhManager) -> AgentConfig {
    let [port, udp, enrol_port] = manager.ports();
    let short = Duration::from_millis(100);
    AgentConfig {
        managers: vec!["manager".into()],
        enrol_manager: None,
        enrols: true,
        enrol_ip: None,
        port: if port == 0 { udp } else { port },
        enrol_port,
        protocol: TransportProtocol::Tcp,
        crypto: MessageCipher::Aes,
        name: "agent1".into(),
        version: AgentVersion::KNOWN,
        password: None,
        ca: None,
        own: None,
        clock_ahead: 0,
        dir: dir.join("agent"),
        limits: BufferLimits {
            per_second: 100_000,
            ..BufferLimits::default()
        },
        times: AgentTimes {
            connect: Some(Duration::from_secs(1)),
            receive: Duration::from_secs(1),
            retry: short,
            max_retries: 2,
            notify: short,
            no_ack: Duration::from_secs(1),
            enrol_step: short,
            enrol_most: short,
            after_enrolment: short,
            resolve_tries: 1,
            resolve_pause: short,
            poll: short,
            rescan: short,
            state: short,
        },
        live: None,
        logs: None,
        log_queue: 1024,
        resolve,
    }
}

pub(crate) struct Running {
    pub(crate) agent: Arc<WazuhAgent>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn of(config: AgentConfig) -> Self {
        let agent = WazuhAgent::new(config);
        let runner = Arc::clone(&agent);
        let thread = Some(std::thread::spawn(move || runner.run().unwrap()));
        Self { agent, thread }
    }

    pub(crate) fn connected(&self) -> AgentActivity {
        until("a connection", || {
            Some(self.agent.state()).filter(|state| state.status == ConnectionStatus::Connected)
        })
    }

    pub(crate) fn failed(&self) -> (AttemptStage, String) {
        let state = until("failures", || {
            Some(self.agent.state()).filter(|state| state.streak >= 2)
        });
        (state.stage.unwrap(), state.reason)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.agent.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

pub(crate) fn tally(dir: &Path, source: &str) -> EventTally {
    let tallies = EventJournal::read_tallies(&dir.join("manager/events")).unwrap();
    tallies
        .into_iter()
        .find(|((_, _, theirs), _)| theirs == source)
        .map(|(_, tally)| tally)
        .unwrap_or_default()
}

pub(crate) fn log(dir: &Path, whose: &str) -> String {
    std::fs::read_to_string(dir.join(whose).join("ossec.log")).unwrap_or_default()
}

pub(crate) fn live(events: u64, rate: f64) -> Option<LiveEvents> {
    Some(LiveEvents {
        source: "live".into(),
        events,
        rate,
        begin: ProduceFrom::AtOnce,
    })
}
